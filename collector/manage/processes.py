"""What our processes cost and whether they live, as metrics: read from /proc, at most once a second.

    process_*              the usual names, for the whole tree as though it were one process
    pentrap_process_*      the same by process: supervisor, intake-N, clerk; and the memory of an export, while one runs

Everything read here is open to every user (proc(5): stat, and what stat(2) says of fd), since nobody may look into ours: they
are not dumpable. How many descriptors a process has open Linux tells from 6.2 on; before, only the clerk's are known.

CPU time never goes back: the supervisor notes what a dead process had used (counters.py: `cpu_gone_us`) and until it has, that
process is left out. In the sum of the tree the kernel moves it from the dead to the one that waited for it, so the sum is taken
again where that happened in the middle.
"""

import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.ground.counters import CELL, Board, Page
from collector.manage.text_format import encode

FRESH_SECONDS = 1.0
ALIVE_US = 5_000_000
"""A worker that has not ticked for this long does not count as answering."""
SUPERVISOR, CLERK, EXPORT = "supervisor", "clerk", "export"
_TRIES = 5
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Stat(NamedTuple):
    """Of /proc/<pid>/stat: seconds of its own and of children that it waited for; bytes."""

    own: float
    waited_for: float
    virtual: int
    resident: int


class _Reading(NamedTuple):
    """All processes at one look."""

    stats: dict[str, _Stat]
    gone: dict[str, float]
    descriptors: dict[str, int]


class Processes:
    """All processes, seen by the clerk. `export` tells the process of an export that is at work, or 0."""

    def __init__(self, board: Board, export: Callable[[], int]) -> None:
        self._board = board
        self._export = export
        self._supervisor = os.getppid()
        self._clerk = os.getpid()
        self._text = ""
        self._until = 0.0

    def pages(self) -> dict[str, Page]:
        """Each process's page of counters."""
        return worker_pages(self._board) | {CLERK: self._board.clerk}

    def text(self) -> str:
        """The metrics, as they were at most FRESH_SECONDS ago."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + FRESH_SECONDS
            reading = self._read()
            self._text = encode([*self._lives(), *self._by_process(reading), *self._tree(reading)])
        return self._text

    def _lives(self) -> Iterator[Metric]:
        up = _gauge("pentrap_process_up", "1 while the process does its work, 0 while it hangs or is gone")
        deaths = CounterMetricFamily(
            "pentrap_process_restarts",
            "Deaths of the process, each followed by a new start",
            labels=("process",),
        )
        steady = time.monotonic_ns() // 1000
        for name, page in self.pages().items():
            values = page.read()
            # Whoever reads this is the clerk.
            up.add_metric((name,), name == CLERK or steady - values[CELL["alive_us"]] < ALIVE_US)
            deaths.add_metric((name,), values[CELL["restarts"]])
        yield from (up, deaths)

    def _by_process(self, reading: _Reading) -> Iterator[Metric]:
        cpu = CounterMetricFamily(
            "pentrap_process_cpu_seconds",
            "CPU time of the process, those before it that died included",
            labels=("process",),
        )
        resident = _gauge(
            "pentrap_process_resident_memory_bytes", "Memory of the process, shared pages included"
        )
        opened = _gauge("pentrap_process_open_fds", "Descriptors that the process has open")
        for name, stat in reading.stats.items():
            resident.add_metric((name,), stat.resident)
            if name != EXPORT:
                children = 0.0 if name == SUPERVISOR else stat.waited_for
                cpu.add_metric((name,), stat.own + children + reading.gone.get(name, 0.0))
        if EXPORT not in reading.stats:
            resident.add_metric((EXPORT,), 0)
        for name, count in reading.descriptors.items():
            opened.add_metric((name,), count)
        yield from (cpu, resident, opened)

    def _tree(self, reading: _Reading) -> Iterator[Metric]:
        stats = reading.stats.values()
        cpu = sum(stat.own + stat.waited_for for name, stat in reading.stats.items() if name != EXPORT)
        yield CounterMetricFamily(
            "process_cpu_seconds", "CPU time of all processes of this run; an export's once it has ended", cpu
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes",
            "Memory of all processes; pages that they share are counted for each",
            sum(stat.resident for stat in stats),
        )
        yield GaugeMetricFamily(
            "process_virtual_memory_bytes",
            "Address space of all processes",
            sum(stat.virtual for stat in stats),
        )
        yield GaugeMetricFamily(
            "process_start_time_seconds", "When this run of serve began", self._board.run / 1e6
        )
        yield GaugeMetricFamily(
            "process_open_fds",
            "Descriptors of the process that has the most",
            max(reading.descriptors.values(), default=0),
        )
        yield GaugeMetricFamily(
            "process_max_fds",
            "Descriptors that one process may have",
            resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        )

    def _read(self) -> _Reading:
        for _ in range(_TRIES):
            before = read_stat(self._supervisor)
            pages = {name: page.read() for name, page in self.pages().items()}
            pids = {name: values[CELL["pid"]] for name, values in pages.items()}
            pids |= {CLERK: self._clerk, EXPORT: self._export()}
            found = {name: read_stat(pid) for name, pid in pids.items() if pid}
            after = read_stat(self._supervisor)
            if before is None or after is None or before.waited_for == after.waited_for:
                break
        stats = {SUPERVISOR: after} | found
        return _Reading(
            {name: stat for name, stat in stats.items() if stat is not None},
            {name: values[CELL["cpu_gone_us"]] / 1e6 for name, values in pages.items()},
            _descriptors({SUPERVISOR: self._supervisor} | {name: pids[name] for name in pages}, self._clerk),
        )


def worker_pages(board: Board) -> dict[str, Page]:
    """The workers' pages by the names of their processes."""
    return {f"intake-{number}": page for number, page in enumerate(board.workers)}


def read_stat(pid: int) -> _Stat | None:
    """What the kernel says of a process; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return None
    user, system, children_user, children_system = map(int, fields[11:15])
    return _Stat(
        (user + system) / _TICKS,
        (children_user + children_system) / _TICKS,
        int(fields[20]),
        int(fields[21]) * _PAGE_BYTES,
    )


def _descriptors(pids: Mapping[str, int], own: int) -> dict[str, int]:
    found = {}
    for name, pid in pids.items():
        try:
            count = os.stat(f"/proc/{pid}/fd").st_size
            if not count and pid == own:
                count = len(os.listdir("/proc/self/fd")) - 1  # the listing's own
        except OSError:
            continue
        if count:
            found[name] = count
    return found


def _gauge(name: str, words: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, labels=("process",))
