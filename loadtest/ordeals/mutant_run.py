"""A module's tests on one changed source of it: in a forked process, until the first failure, in bounded time.

The process that forks has pytest and the libraries loaded, but nothing of the collector: each child loads that anew, the one
module from its changed source, so nothing remembers the unchanged one. A first run on the module as it is notes which tests
come to which line; on a mutant those go first, and all others after them. Nothing is ever written into the source tree.
Programs that a test starts have the unchanged module.
"""

import importlib
import importlib.abc
import importlib.util
import json
import os
import shutil
import signal
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TEST_SECONDS_MIN = 8
PATIENCE = 6
"""A test gets this many times what the longest one of the module takes, and at least the seconds above; all of them as much."""
FAILED, TOO_LONG = 1, 77
LIBRARIES = (
    "pytest",
    "hypothesis",
    "pydantic",
    "pytest_timeout",
    "pyarrow",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
)


class Usual(NamedTuple):
    """The tests on the module as it is."""

    seconds: float
    longest: float
    tests_of_lines: dict[int, list[str]]


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a changed source."""

    def __init__(self, name: str, path: str, source: str) -> None:
        self._name, self._path, self._source = name, path, source

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> Any:
        """Only for the one module."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, self._path, loader=self)

    def create_module(self, _spec: Any) -> None:
        """The usual one."""

    def exec_module(self, module: Any) -> None:
        """Run the changed source as the module."""
        exec(compile(self._source, self._path, "exec"), module.__dict__)


class _Watch:
    """A pytest plugin: puts the tests that come to the changed line first, notes coverage, says how it ended."""

    def __init__(self, first: list[str], traced: str) -> None:
        self._first = set(first)
        self._traced = traced
        self._current = ""
        self.too_long = False
        self.longest = 0.0
        self.tests_of_lines: dict[int, dict[str, None]] = defaultdict(dict)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Stable, so the rest keeps its order."""
        items.sort(key=lambda item: item.nodeid not in self._first)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Its setup counts as its own."""
        self._current = nodeid

    def pytest_runtest_logreport(self, report: Any) -> None:
        """How long, and whether it was too long."""
        self.longest = max(self.longest, report.duration)
        if report.failed and "Timeout (>" in str(report.longrepr):
            self.too_long = True

    def trace(self, frame: Any, event: str, _argument: Any) -> Any:
        """For sys.settrace."""
        if frame.f_code.co_filename != self._traced:
            return None
        if event == "line" and self._current:
            self.tests_of_lines[frame.f_lineno][self._current] = None
        return self.trace


def load_libraries() -> None:
    """Once, before any fork."""
    os.chdir(ROOT)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.path.insert(0, str(ROOT))
    for name in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)
    import hypothesis

    hypothesis.settings.register_profile("again", database=None, derandomize=True)
    assert not any(name.startswith("collector") for name in sys.modules)


def usual(module: str, tests: list[str], folder: Path) -> Usual:
    """Run the tests on the module as it is, twice: for coverage, which is slow, then for time. RuntimeError where one fails."""
    covered = _noted(module, tests, folder, traced=True)
    began = time.monotonic()
    timed = _noted(module, tests, folder, traced=False)
    lines = {int(line): names for line, names in covered["lines"].items()}
    return Usual(time.monotonic() - began, timed["longest"], lines)


def _noted(module: str, tests: list[str], folder: Path, *, traced: bool) -> dict[str, Any]:
    note = folder / ("traced.json" if traced else "timed.json")
    pid = os.fork()
    if not pid:
        _be_child(module, None, tests, [], 300, folder, note)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise RuntimeError(f"{module}: its tests do not pass on the module as it is")
    noted: dict[str, Any] = json.loads(note.read_text())
    return noted


def outcome(module: str, source: str, tests: list[str], line: int, known: Usual, folder: Path) -> str:
    """What becomes of a changed source: killed, slow (killed for its time) or survived."""
    longest = max(TEST_SECONDS_MIN, round(PATIENCE * known.longest))
    until = time.monotonic() + max(3 * TEST_SECONDS_MIN, PATIENCE * known.seconds)
    pid = os.fork()
    if not pid:
        _be_child(module, source, tests, known.tests_of_lines.get(line, []), longest, folder, None)
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return "survived" if code == 0 else "slow" if code == TOO_LONG else "killed"
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "slow"


def _be_child(
    module: str,
    source: str | None,
    tests: list[str],
    first: list[str],
    longest: int,
    folder: Path,
    note: Path | None,
) -> None:
    import hypothesis
    import pytest

    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)
    path = str(ROOT / module)
    if source is not None:
        name = module.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, _Changed(name, path, source))
    code = FAILED
    try:
        hypothesis.settings.load_profile("again")
        watch = _Watch(first, path)
        own = folder / f"pytest-{os.getpid()}"
        arguments = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            f"--timeout={longest}",
            f"--basetemp={own}",
        ]
        if note and note.name == "traced.json":
            sys.settrace(watch.trace)
        code = int(pytest.main([*arguments, *tests], plugins=[watch]))
        sys.settrace(None)
        if note:
            lines = {line: list(names) for line, names in watch.tests_of_lines.items()}
            note.write_text(json.dumps({"longest": watch.longest, "lines": lines}))
        if code and watch.too_long:
            code = TOO_LONG
        shutil.rmtree(own, ignore_errors=True)
    finally:
        os._exit(code)
