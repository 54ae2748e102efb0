"""One life of a collector: `pentrap serve` starts, answers, is told of changed files, stops; or one of its processes is killed
under strace, and all others after it.

A process is known by its birth: the supervisor is 0, its first child 1. The child that is asked for waits at its birth until
strace has come.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from collectors import Collector, exchange, get
from return_world import SENSOR, World

WAIT_SECONDS = 30.0
KILLED = "+++ killed by SIGKILL +++"
BIRTH = """
import os, signal, sys
class Bare:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Bare)
awaited, fork, born = int(sys.argv.pop(1)), os.fork, 0
def counted():
    global born
    born += 1
    pid = fork()
    if not pid and born == awaited:
        os.kill(os.getpid(), signal.SIGSTOP)
    return pid
os.fork = counted
from collector.cli import main
sys.exit(main())
"""
"""The command itself; only the child of the awaited birth stops first, until somebody lets it go on. Without pandas, as it is
deployed: pyarrow imports it where tests have installed it, and a thousand files opened in one thread leave no mark below a
thousand for the others.
"""


@dataclass
class Told:
    """What machines saw of a life."""

    asked: int = 0
    answered: int = 0
    code: int | None = None


def live(world: World, *, reloads: bool, birth: int = -1, tracing: Sequence[str] = ()) -> Told:
    """A life from its start to its stop, or until the process under strace was killed; then all are."""
    collector = Collector(world.folder, settings={"sensor": SENSOR, "segments.seal_seconds": 0.3})
    collector.write_config()
    program = [sys.executable, "-c", BIRTH, str(birth), "serve", "--config", str(collector.config)]
    with collector.log_file.open("ab") as log:
        process = subprocess.Popen(
            [*(tracing if birth == 0 else ()), *program], stdout=log, stderr=log, start_new_session=True
        )
    tracer = None
    told = Told()
    until = time.monotonic() + WAIT_SECONDS
    try:
        supervisor = _child_of(process.pid) if birth == 0 else process.pid
        steps = _steps(world, collector, supervisor, told, reloads=reloads)
        while steps and process.poll() is None and not _was_killed(tracer, world):
            if steps[0]():
                steps.pop(0)
            if birth > 0 and tracer is None:
                tracer = _attached(supervisor, tracing)
            if time.monotonic() > until:
                raise AssertionError(f"{len(steps)} steps are left: {text_of(collector.log_file)[-1500:]}")
            time.sleep(0.02)
        while not _was_killed(tracer, world) and process.poll() is None and time.monotonic() < until:
            if birth > 0 and tracer is None:
                tracer = _attached(supervisor, tracing)
            time.sleep(0.02)
        told.code = process.poll()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        if tracer is not None:
            tracer.wait(10)
            assert tracer.stderr is not None
            tracer.stderr.close()
    return told


def _was_killed(tracer: "subprocess.Popen[str] | None", world: World) -> bool:
    """Whether a child under strace has ended as it was meant to. (The supervisor's strace ends with it.)"""
    return tracer is not None and tracer.poll() is not None and KILLED in text_of(world.folder / "trace")


def _steps(
    world: World, collector: Collector, supervisor: int, told: Told, *, reloads: bool
) -> list[Callable[[], bool]]:
    """What happens in a life, one after the other, each tried until it is true."""

    def is_ready() -> bool:
        with contextlib.suppress(OSError, ValueError):
            return bool(collector.ready()["ready"])
        return False

    def answers() -> bool:
        told.asked += 1
        with contextlib.suppress(OSError):
            answer = exchange(collector.port, get())
            told.answered += bool(answer)
            return bool(answer)
        return False

    def files_change() -> bool:
        shutil.copytree(world.folder / "changed", world.folder / "operations", dirs_exist_ok=True)
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGHUP)
        return True

    def has_reloaded() -> bool:
        return "reload_done" in text_of(collector.log_file).rpartition("reload_begun")[2]

    def stops() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor, signal.SIGTERM)
        return True

    reload = [files_change, has_reloaded, answers] if reloads else []
    return [is_ready, answers, *reload, stops]


def _child_of(pid: int) -> int:
    """The command under strace, once it is there; before it strace has children of its own that try the kernel."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        for child in text_of(Path(f"/proc/{pid}/task/{pid}/children")).split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/exe").resolve() == Path(sys.executable).resolve():
                    return int(child)
        time.sleep(0.005)
    raise AssertionError("strace has started nothing")


def _attached(supervisor: int, tracing: Sequence[str]) -> "subprocess.Popen[str] | None":
    """Strace on the child that waits at its birth, which then goes on; None before it is born."""
    for child in text_of(Path(f"/proc/{supervisor}/task/{supervisor}/children")).split():
        if text_of(Path(f"/proc/{child}/stat")).rpartition(") ")[2].startswith("T"):
            tracer = subprocess.Popen([*tracing, "-p", child], stderr=subprocess.PIPE, text=True)
            assert tracer.stderr is not None
            assert "attached" in tracer.stderr.readline()
            os.kill(int(child), signal.SIGCONT)
            return tracer
    return None


def text_of(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
