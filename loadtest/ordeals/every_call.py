"""kill -9 at every durable system call of a write, seal, segment run: each once, then everything is restarted and compared.

First the calls are listed: strace on the thread that writes the journal (with "write" durability the worker's own, with
"sync" its commit thread) and on the clerk's thread that makes Parquet, while three machines check in and their journal is
sealed and converted. A point is a call, what it works on (names without their numbers) and its how-manieth of that sort it is.
Then, for each point, a fresh collector lives through the same with `strace -e inject=CALL:signal=KILL:when=N` on the thread:
the process dies on entering the call, every other process is killed too, and a new start must bring back what had been
answered. strace counts all calls of that name in the thread, wake-ups among them, so a kill may strike beside its
mark: what it struck counts for what it struck, and the mark is tried again with another N. A point that was never
struck, like an injection that never fired, fails the run.
"""

import contextlib
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from collectors import Collector

from ordeals.world import children, journals_left, make_collector, roles, rows_of, start_measured

CALLS = (
    "openat", "write", "pwrite64", "writev", "fdatasync", "fsync", "rename", "renameat", "renameat2", "unlink", "unlinkat",
    "ftruncate", "mkdir", "rmdir",
)  # fmt: skip
ASKED = 3
TRIES = 8
SHIFTS = (0, 0, 1, -1, 0, 2, -2, 0)
EVERY_WRITE = 24
NEAR = 4
"""Arrow writes a segment's temporary in some 200 small pieces: the first, the last and every 24th of them are struck, or a
piece at most four away; all other calls are struck each."""
NUMBERS = (
    (re.compile(r"\.\d{16}"), ".START"),
    (re.compile(r"-\d{20}-\d{20}"), "-FIRST-LAST"),
    (re.compile(r"-\d{20}"), "-FIRST"),
    (re.compile(r"\.tmp-\w+"), ".tmp"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DAY"),
)
LINE = re.compile(r"^(?:\d+ +)?(?P<call>\w+)\((?P<rest>.*)")


class Point(NamedTuple):
    """One durable call: `ordinal` counts the calls of the same name on the same sort of file."""

    thread: str
    call: str
    what: str
    ordinal: int


class Setting(NamedTuple):
    """Whose thread, under which durability."""

    role: str
    durability: str

    def __str__(self) -> str:
        return f"{self.role} ({self.durability})"


SETTINGS = (Setting("worker", "write"), Setting("worker", "sync"), Setting("clerk", "sync"))


class Asked(NamedTuple):
    """One machine's question: its source port, and whether it was answered."""

    port: int
    answered: bool


def ask(port: int) -> Asked:
    """One listed check-in."""
    own, answer = 0, b""
    with contextlib.suppress(OSError), socket.socket() as sock:
        sock.settimeout(3)
        sock.connect(("127.0.0.1", port))
        own = sock.getsockname()[1]
        sock.sendall(b"GET / HTTP/1.1\r\nHost: evil-one.com\r\n\r\n")
        while more := sock.recv(4096):
            answer += more
        return Asked(own, answer.startswith(b"HTTP/1.1 200"))
    return Asked(own, answered=False)


def thread_of(collector: Collector, setting: Setting) -> tuple[int, int]:
    """(process, thread) that the setting names."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = [pid for role, pid in roles(collector).items() if role.startswith(setting.role)]
        if found and len(children(collector)) == 2 and "clerk" in roles(collector):
            pid = found[0]
            if setting == ("worker", "write"):
                return pid, pid
            named = sorted(
                int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()
                if (task / "comm").read_text().strip() == "pentrap"
            )  # fmt: skip
            # A worker has one thread beside its own; the clerk's last is its executor's, after one of libuv's making.
            if len(named) >= (2 if setting.role == "worker" else 3):
                return pid, named[-1]
        time.sleep(0.02)
    raise AssertionError(f"no thread of {setting}")


@contextlib.contextmanager
def traced(thread: int, output: Path, inject: str = "") -> Iterator[None]:
    """Strace on one thread, from when it has attached."""
    command = [
        "strace",
        "-y",
        "-s",
        "0",
        "-o",
        str(output),
        "-p",
        str(thread),
        "-e",
        "trace=" + ",".join(CALLS),
    ]
    if inject:
        command += ["-e", f"inject={inject}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "attached" in process.stderr.readline()
    try:
        yield
    finally:
        try:
            # It ends with its tracee, and only then has it written the last call.
            process.wait(2 if gone(thread) else 0)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            process.wait(10)
        process.stderr.close()


@contextlib.contextmanager
def killed_on_error(collector: Collector) -> Iterator[None]:
    """Leave no collector behind when something fails here."""
    try:
        yield
    except BaseException:
        collector.kill()
        raise


def calls_in(trace: Path, data: Path, thread: str) -> list[tuple[str, Point | None]]:
    """Every traced call in order: its name, and the point that it is, None where it is no durable call on our files."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[tuple[str, Point | None]] = []
    for line in trace.read_text().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        call, rest = match["call"], match["rest"]
        place = rest.find(f"{data}/")
        reading = (
            call == "openat" and "O_CREAT" not in rest
        )  # changes nothing; the call that follows it is struck
        if place < 0 or reading:
            found.append((call, None))
            continue
        what = re.split(r'[">]', rest[place + len(str(data)) + 1 :])[0]
        for pattern, word in NUMBERS:
            what = pattern.sub(word, what)
        seen[call, what] += 1
        found.append((call, Point(thread, call, what, seen[call, what])))
    return found


def pieces(point: Point) -> bool:
    """Whether it is one of the many writes of a segment's temporary."""
    return point.call == "write" and point.what.endswith(".tmp")


def thinned(points: list[Point]) -> list[Point]:
    """The points to strike: all but most of a temporary's pieces."""
    last = max((p.ordinal for p in points if pieces(p)), default=0)
    return [p for p in points if not pieces(p) or p.ordinal in (1, last) or not p.ordinal % EVERY_WRITE]


def hit(point: Point, struck: dict[Point, list[str]]) -> bool:
    """Whether a point was struck, or, of a temporary's pieces, one near it."""
    if not pieces(point):
        return point in struck
    return any(other[:3] == point[:3] and abs(other.ordinal - point.ordinal) <= NEAR for other in struck)


def live(folder: Path, setting: Setting, inject: str = "") -> tuple[Collector, list[Asked], Path, bool]:
    """A fresh collector that three machines ask, under strace; the trace, and whether its process is dead."""
    collector, _ = make_collector(folder, intake__durability=setting.durability, segments__seal_seconds=0.3)
    start_measured(collector)
    trace = folder / "trace"
    asked = []
    with killed_on_error(collector):
        pid, thread = thread_of(collector, setting)
    with killed_on_error(collector), traced(thread, trace, inject):
        for _ in range(ASKED):
            asked.append(ask(collector.port))
            if gone(pid):
                break
            time.sleep(0.05)
        until = time.monotonic() + (6 if inject else 3.5)
        while time.monotonic() < until and not gone(pid):
            time.sleep(0.02)
            if inject and not journals_left(collector.data) and rows_of(collector.data):
                time.sleep(0.2)
                break
    return collector, asked, trace, gone(pid)


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith(("Z", "X"))
    except OSError:
        return True


def problems_after(collector: Collector, asked: list[Asked]) -> tuple[list[str], float]:
    """Kill the rest, start anew, ask once more, stop; what is wrong then, and how long the start took."""
    collector.kill()
    seconds = start_measured(collector)
    asked = [*asked, ask(collector.port)]
    with killed_on_error(collector):
        code = collector.stop(60)
    rows = Counter(row.key[1] for row in rows_of(collector.data))
    identities = Counter(row.identity for row in rows_of(collector.data))
    found = [f"answered, {rows[a.port]} rows" for a in asked if a.answered and rows[a.port] != 1]
    found += [f"unanswered, {rows[a.port]} rows" for a in asked if not a.answered and rows[a.port] > 1]
    found += [f"row of nobody from port {port}" for port in rows if port not in {a.port for a in asked}]
    found += [f"doubled {identity}" for identity, count in identities.items() if count > 1]
    found += [f"journal left: {name}" for name in journals_left(collector.data)]
    if code:
        found.append(f"exit code {code}")
    if not asked[-1].answered:
        found.append("not answered after the restart")
    if seconds > 5:
        found.append(f"start took {seconds:.1f} s")
    return found, seconds


def run(folder: Path, *, seed: int, points_max: int = 0) -> dict[str, Any]:
    """The whole ordeal, or its first `points_max` points of each setting."""
    listed: list[Point] = []
    struck: dict[Point, list[str]] = {}
    not_fired: list[str] = []
    starts: list[float] = []
    beside = 0
    for place, setting in enumerate(SETTINGS):
        collector, asked, trace, _ = live(folder / f"list-{place}", setting)
        calls = calls_in(trace, collector.data, str(setting))
        problems, seconds = problems_after(collector, asked)
        if problems:
            raise AssertionError(f"broken without any kill: {problems}")
        points = thinned([point for _, point in calls if point is not None])
        if not points:
            raise AssertionError(f"{setting}: no durable call seen, so none can be struck")
        if points_max:
            points = points[:points_max]
        listed += points
        for number, point in enumerate(points):
            nth = [call for call, _ in calls[: [p for _, p in calls].index(point) + 1]].count(point.call)
            for attempt in range(TRIES):
                if hit(point, struck):
                    break
                shift = SHIFTS[attempt]
                where = folder / f"{place}-{number}-{attempt}"
                collector, asked, trace, dead = live(
                    where, setting, f"{point.call}:signal=KILL:when={max(1, nth + shift)}"
                )
                fired = calls_in(trace, collector.data, str(setting))[-1][1] if dead else None
                problems, seconds = problems_after(collector, asked)
                starts.append(round(seconds, 3))
                beside += fired != point
                if fired is not None:
                    struck.setdefault(fired, []).extend(problems)
                elif problems:
                    struck.setdefault(point, []).extend(problems)
            if not hit(point, struck):
                not_fired.append(str(point))
    bad = {str(point): problems for point, problems in struck.items() if problems}
    return {
        "holds": not bad and not not_fired and bool(listed) and max(starts) <= 5.0,
        "seed": seed,
        "points": len(listed),
        "points_struck": sum(hit(point, struck) for point in listed),
        "kills": len(starts),
        "kills_beside_their_mark": beside,
        "never_struck": not_fired,
        "problems": bad,
        "start_seconds_max": max(starts),
        "calls": [f"{p.thread}: {p.call} {p.what} #{p.ordinal}" for p in listed],
    }
