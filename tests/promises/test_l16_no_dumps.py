"""L-16: no core dump, whatever kills a process; no debug surface: no signal, route or environment shows what is in memory."""

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from canaries import Canaries
from conversations import Talk, ask_the_operators_side
from test_l12_canaries import PLAIN, talking

UNLIMITED = ["sh", "-c", 'ulimit -c unlimited; cd "$CORES"; exec "$@"', "sh"]
"""An environment that asks for core dumps, in a folder that is searched."""
SIGNALS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGQUIT, signal.SIGBUS, signal.SIGTRAP, signal.SIGSYS)


def cores(folder: Path) -> Path:
    """Where a core dump would lie."""
    (folder / "cores").mkdir(parents=True)
    return folder / "cores"


def crash_all(collector, number: int) -> None:
    """Kill each worker and the clerk by a signal whose default is a core dump, then the supervisor."""
    roles = collector.pids()
    for pid in [pid for name, pid in roles.items() if name != "supervisor"] + [roles["supervisor"]]:
        os.kill(pid, number)
    collector.process.wait(10)


@pytest.mark.parametrize("number", SIGNALS)
def test_l16_no_signal_leaves_a_core_dump(tmp_path, number):
    """Killed in mid-conversation with content in memory, RLIMIT_CORE raised from outside: no core file, nothing elsewhere."""
    canaries = Canaries(16)
    folder = cores(tmp_path)
    with talking(
        tmp_path, settings=PLAIN, wrapper=UNLIMITED, environment={"CORES": str(folder)}
    ) as collector:
        collector.start()
        talk = Talk(collector, canaries)
        talk.some_of_everything()
        talk.tcp(b"GET /" + canaries.word("in memory") + b" HTTP/1.1\r\nHost: ", leave_open=True)
        time.sleep(0.1)
        crash_all(collector, number)
        time.sleep(0.2)
    assert list(folder.iterdir()) == []
    assert canaries.search(tmp_path) == []


def test_l16_a_process_that_is_not_hardened_does_leave_one(tmp_path):
    """The test above can fail: under the same wrapper an ordinary Python that holds a word dumps it."""
    import subprocess

    if not re.fullmatch(r"core(\.%p)?", Path("/proc/sys/kernel/core_pattern").read_text().strip()):
        pytest.skip("this machine sends its core dumps elsewhere")
    folder = cores(tmp_path)
    program = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    command = [*UNLIMITED, sys.executable, "-c", program]
    assert (
        subprocess.run(command, env=os.environ | {"CORES": str(folder)}, check=False).returncode
        == -signal.SIGSEGV
    )
    assert [path.name.partition(".")[0] for path in folder.iterdir()] == ["core"]


@pytest.mark.parametrize(
    "bar",
    [
        "_libc = type('', (), {'prctl': print})",
        "resource = type('', (), {'setrlimit': print, 'RLIMIT_CORE': 4})",
    ],
)
def test_l16_either_bar_alone_holds(tmp_path, bar):
    """Dumpable but limited, or undumpable without a limit: no core file. A piping core_pattern minds the second only."""
    import subprocess

    folder = cores(tmp_path)
    program = f"""
import os, signal
from collector.ground import process
process.{bar}
process.harden()
os.kill(os.getpid(), signal.SIGSEGV)
"""
    command = [*UNLIMITED, sys.executable, "-c", program]
    environment = os.environ | {"CORES": str(folder), "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGSEGV
    assert list(folder.iterdir()) == []


def test_l16_under_load_a_crashed_worker_leaves_nothing(tmp_path):
    """Workers crash one after the other while machines check in: no dump; the collector goes on, and no file holds a word."""
    canaries = Canaries(17)
    folder = cores(tmp_path)
    with talking(
        tmp_path, settings=PLAIN, wrapper=UNLIMITED, environment={"CORES": str(folder)}
    ) as collector:
        collector.start()
        talk, stop = Talk(collector, canaries), threading.Event()

        def load() -> None:
            while not stop.is_set():
                try:
                    talk.tcp(talk.request("load", talk.word("label") + b".evil-one.com"), wait=1)
                except OSError:
                    continue

        thread = threading.Thread(target=load)
        thread.start()
        for number in (signal.SIGSEGV, signal.SIGABRT):
            time.sleep(0.5)
            os.kill(collector.pids()["child-0"], number)
            time.sleep(0.6)
        stop.set()
        thread.join()
        assert "process_died" in collector.log_file.read_text()
        collector.stop()
    assert list(folder.iterdir()) == []
    assert canaries.search(tmp_path) == []


def test_l16_what_proc_shows_of_a_process_holds_no_content(tmp_path):
    """Names, arguments, environments, threads' names, descriptors' links, mapped files: no word of a check-in in them."""
    canaries = Canaries(18)
    with talking(tmp_path, settings=PLAIN | {"intake.durability": "sync"}) as collector:
        collector.start()
        talk = Talk(collector, canaries)
        talk.some_of_everything()
        talk.tcp(b"GET /" + canaries.word("held") + b" HTTP/1.1\r\nHost: ", leave_open=True)
        seen = b""
        for pid in collector.pids().values():
            for name in (
                "cmdline",
                "comm",
                "environ",
                "status",
                "maps",
                "stat",
                "wchan",
                "cgroup",
                "mountinfo",
            ):
                seen += Path(f"/proc/{pid}/{name}").read_bytes()
            for task in Path(f"/proc/{pid}/task").iterdir():
                seen += (task / "comm").read_bytes()
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                seen += os.readlink(descriptor).encode() + b"\n"
        assert b"pentrap" in seen
        assert canaries.hits(seen, "/proc") == []
        collector.stop()


def test_l16_no_signal_makes_a_process_tell_its_state(tmp_path):
    """The signals that debuggers and servers like to answer with a dump of state end a process or do nothing."""
    canaries = Canaries(19)
    with talking(tmp_path, settings=PLAIN) as collector:
        collector.start()
        talk = Talk(collector, canaries)
        talk.some_of_everything()
        for number in (
            signal.SIGUSR1,
            signal.SIGUSR2,
            signal.SIGALRM,
            signal.SIGPROF,
            signal.SIGIO,
            signal.SIGPIPE,
            signal.SIGWINCH,
        ):
            talk.tcp(b"GET /" + canaries.word("held") + b" HTTP/1.1\r\nHost: ", leave_open=True)
            for name, pid in collector.pids().items():
                if name != "supervisor":
                    os.kill(pid, number)
            time.sleep(0.4)
        collector.kill()
    said = collector.log_file.read_text()
    for sign in ("Traceback", "File ", "Thread 0x", "Current thread", "locals"):
        assert sign not in said
    assert canaries.search(tmp_path) == []


DEBUGGING = {
    "PYTHONFAULTHANDLER": "1",
    "PYTHONTRACEMALLOC": "2",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONWARNINGS": "always",
    "PYTHONDUMPREFS": "1",
    "UVLOOP_DEBUG": "1",
    "AIOHTTP_NO_EXTENSIONS": "1",
}


def test_l16_debugging_asked_for_by_the_environment_shows_nothing(tmp_path):
    """Python's development mode, asyncio's debug mode, all warnings, tracemalloc, faulthandler with a crash: no content.

    faulthandler does write the crashed thread's functions and lines, which are ours; it knows no values.
    """
    canaries = Canaries(20)
    with talking(tmp_path, settings=PLAIN, environment=DEBUGGING) as collector:
        collector.start(wait=40)
        talk = Talk(collector, canaries).everything()
        talk.tcp(b"GET /" + canaries.word("held") + b" HTTP/1.1\r\nHost: ", leave_open=True)
        said = ask_the_operators_side(collector, canaries)
        os.kill(collector.pids()["child-0"], signal.SIGSEGV)
        time.sleep(0.5)
        collector.kill()
    assert "Fatal Python error: Segmentation fault" in collector.log_file.read_text()
    assert canaries.hits(said + talk.answers, "answers") == []
    assert canaries.search(tmp_path) == []


def test_l16_no_route_shows_the_inside(collector):
    """No debug page: whatever debuggers and frameworks are known to serve is not found, on the management address too."""
    import socket

    for path in (
        "/debug",
        "/debug/pprof/",
        "/debug/vars",
        "/console",
        "/_debug_toolbar",
        "/stacks",
        "/heap",
        "/config",
        "/env",
    ):
        with socket.create_connection(("127.0.0.1", collector.manage_port), 5) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert sock.recv(65536).startswith(b"HTTP/1.1 404 ")
    for pid in collector.pids().values():
        listening = [line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]]
        assert not [words[7] for words in listening if len(words) > 7 and "pentrap" in words[7]]
