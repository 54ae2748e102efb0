"""Counters that survive the death of the process that counts, in memory shared by all of Pentrap's processes.

Each worker owns one page. It counts in a plain list and publishes the whole list once per batch; a scrape sums the pages.
A page has two slots and a generation: publishing writes the slot that is not current, then advances the generation, so
a reader sees one whole publication, and a worker killed in the middle of one leaves the one before it standing.

    page     0  u64  generation; its lowest bit says which slot is current
             8  u64  connections accepted, written before their records are: what a death can have cost
             16 u64  datagrams read, likewise
             24      slot 0, then slot 1: one u64 for each cell of CELLS

This costs nothing per check-in beyond a list item's increment; prometheus_client's own multiprocess files grow with every
dead worker and count the dead twice.
"""

import mmap
import time
from bisect import bisect_left
from itertools import accumulate
from struct import Struct

from collector.ground import tally
from collector.ground.codes import Application, Fate
from collector.ground.tally import Tally
from collector.ground.unexpected import tables

COMMIT_BOUNDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Upper bounds in seconds of both latency histograms; one bucket more takes the rest."""
_BUCKETS = len(COMMIT_BOUNDS) + 1

CAGE_BARS = ("capabilities", "landlock", "landlock_truncate", "seccomp")
"""What a worker's cage may be without, as metrics name it."""

CELLS = (
    "accepted_tcp",
    "accepted_udp",
    "open",
    *(f"fate_{fate.name.lower()}" for fate in Fate),
    *(f"application_{application.name.lower()}" for application in Application),
    "fsync_errors",
    "corrupt_blocks",
    "journal_bytes",
    "kernel_dropped_tcp",
    "kernel_dropped_udp",
    "clock_unsure",
    "disk_refused",
    "reload_refused",
    "loop_lag_us",
    "rules",
    "pid",
    "alive_us",
    "segments_rows",
    "segments_failed",
    "segments_rows_outside_order",
    "segments_waiting_us",
    "restarts",
    "cpu_gone_us",
    *(f"cage_without_{bar}" for bar in CAGE_BARS),
    *(f"commit_bucket_{n}" for n in range(_BUCKETS)),
    "commit_sum_us",
    *(f"durable_bucket_{n}" for n in range(_BUCKETS)),
    "durable_sum_us",
)
CELL = {name: number for number, name in enumerate(CELLS)}
FATE_0 = CELL["fate_recorded"]
APPLICATION_0 = CELL["application_opaque"]
COMMIT_0 = CELL["commit_bucket_0"]
DURABLE_0 = CELL["durable_bucket_0"]

GAUGES = frozenset(
    CELL[name]
    for name in (
        "open",
        "journal_bytes",
        "kernel_dropped_tcp",
        "kernel_dropped_udp",
        "clock_unsure",
        "disk_refused",
        "reload_refused",
        "loop_lag_us",
        "rules",
        "pid",
        "alive_us",
        "segments_waiting_us",
        "restarts",
        "cpu_gone_us",
        *(f"cage_without_{bar}" for bar in CAGE_BARS),
    )
)
"""Cells that state how things are now, or are the page's rather than the process's: a death does not add them up."""

KEPT = tuple(CELL[name] for name in ("kernel_dropped_tcp", "kernel_dropped_udp", "restarts", "cpu_gone_us"))
"""What goes on in the page after a death: the sockets live on, and the kernel's count of their drops; how often a process
died here, and the CPU time of those that did.
"""

NOTICE_CELLS = 64
"""Counters of public notices served, in each worker's part of a region of their own: they are counted in place, so that
operations without a notice pay nothing for them, not even at a publication.
"""

_TCP = CELL["accepted_tcp"]
_UDP = CELL["accepted_udp"]
_SLOT = Struct(f"@{len(CELLS)}Q")
_HEAD = 24
PAGE_SIZE = _HEAD + 2 * _SLOT.size

_READ_TRIES = 1000


class Page:
    """One process's counters; `counts` is its own list, `publish` shows it to everybody."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._words = memory.cast("Q")
        self.counts = [0] * len(CELLS)

    def publish(self) -> None:
        """Make `counts` the page's current publication."""
        generation = self._words[0] + 1
        _SLOT.pack_into(self._memory, _HEAD + (generation & 1) * _SLOT.size, *self.counts)
        self._words[0] = generation

    def note_tcp(self, total: int) -> None:
        """State, before anything is done with them, how many connections this process has accepted."""
        self._words[1] = total

    def note_udp(self, total: int) -> None:
        """Likewise for datagrams read."""
        self._words[2] = total

    @property
    def noted(self) -> tuple[int, int]:
        """What `note_tcp` and `note_udp` said last."""
        return self._words[1], self._words[2]

    def read(self) -> tuple[int, ...]:
        """The current publication, whole."""
        for _ in range(_READ_TRIES):
            generation = self._words[0]
            values = _SLOT.unpack_from(self._memory, _HEAD + (generation & 1) * _SLOT.size)
            if self._words[0] - generation <= 0:
                return values
        return values

    def reset(self, cpu_us: int) -> None:
        """Begin anew for another process; the one that died had used `cpu_us` of CPU time."""
        last = self.read()
        self.counts = [0] * len(CELLS)
        for cell in KEPT:
            self.counts[cell] = last[cell]
        self.counts[CELL["restarts"]] += 1
        self.counts[CELL["cpu_gone_us"]] += cpu_us
        self._words[1] = self._words[2] = 0
        self.publish()


class Board:
    """All pages, in one shared mapping made before the processes are: workers, then the retired, then the clerk."""

    def __init__(self, workers: int) -> None:
        self.run = time.time_ns() // 1000
        """When this board was made, microseconds since 1970: names the run of `serve` whose counts it holds."""
        size = -(-PAGE_SIZE // 64) * 64
        beyond = 64 + (workers + 2) * size
        notices = workers * NOTICE_CELLS * 8
        self._mapping = mmap.mmap(-1, beyond + notices + 2 * tally.SIZE)
        view = memoryview(self._mapping)
        served = view[beyond : beyond + notices].cast("Q")
        self.notices = [served[n * NOTICE_CELLS : (n + 1) * NOTICE_CELLS] for n in range(workers)]
        """By worker: how often each notice was served since the start; a worker's death does not take them back."""
        self.unexpected = tables(workers)
        """By worker: check-ins for names that are blocked or out of date, by listed entry; likewise."""
        labelled = view[beyond + notices :]
        self.pull_requests = Tally(labelled[: tally.SIZE], 2)
        """Answers of the partners' interface, by partner and status."""
        self.rows_withheld = Tally(labelled[tally.SIZE :], 1)
        """Rows that no partner was given, by reason."""
        self._turn = view[:8].cast("Q")
        pages = [Page(view[64 + n * size : 64 + n * size + PAGE_SIZE]) for n in range(workers + 2)]
        self.workers = pages[:workers]
        self.retired = pages[workers]
        self.clerk = pages[workers + 1]

    def total(self) -> list[int]:
        """The sum of all pages: balanced, for a death is moved to `retired` in one turn."""
        for _ in range(_READ_TRIES):
            turn = self._turn[0]
            pages = [page.read() for page in (*self.workers, self.retired, self.clerk)]
            if not turn & 1 and self._turn[0] == turn:
                break
        return [sum(column) for column in zip(*pages, strict=True)]

    def notices_served(self) -> list[int]:
        """All workers' notices by cell."""
        return [sum(column) for column in zip(*self.notices, strict=True)]

    def unexpected_total(self) -> int:
        """All workers' unexpected check-ins since the start."""
        return sum(table.total for table in self.unexpected)

    def retire(self, worker: int, records: int | None, cpu_us: int = 0) -> int:
        """Add a dead worker's counts to `retired` and clear its page; how many check-ins its death cost.

        `records` is how many its journals really hold (None: the published count stands). A check-in that it had
        accepted and that is neither recorded nor otherwise counted is dropped_crash.
        """
        page = self.workers[worker]
        dead = list(page.read())
        recorded = FATE_0 + Fate.RECORDED
        tcp, udp = page.noted
        dead[_TCP] = max(dead[_TCP], tcp)
        dead[_UDP] = max(dead[_UDP], udp)
        if records is not None:
            # Journals of an earlier process, recovered late, are not what this one accepted.
            elsewhere = sum(dead[FATE_0 : FATE_0 + len(Fate)]) - dead[recorded]
            dead[recorded] = max(dead[recorded], min(records, dead[_TCP] + dead[_UDP] - elsewhere))
        lost = dead[_TCP] + dead[_UDP] - sum(dead[FATE_0 : FATE_0 + len(Fate)])
        dead[FATE_0 + Fate.DROPPED_CRASH] += lost
        self._bury(page, dead, cpu_us)
        return lost

    def retire_clerk(self, cpu_us: int = 0) -> None:
        """The same for the clerk, whose death costs no check-in."""
        self._bury(self.clerk, list(self.clerk.read()), cpu_us)

    def _bury(self, page: Page, dead: list[int], cpu_us: int) -> None:
        self._turn[0] += 1
        counts = self.retired.counts
        for cell, value in enumerate(dead):
            if cell not in GAUGES:
                counts[cell] += value
        self.retired.publish()
        page.reset(cpu_us)
        self._turn[0] += 1


def cumulative(counts: list[int], first: int) -> list[int]:
    """A histogram's buckets beginning at cell `first`, each including the ones below it."""
    return list(accumulate(counts[first : first + _BUCKETS]))


def bucket_of(seconds: float) -> int:
    """Which bucket a latency falls into."""
    return bisect_left(COMMIT_BOUNDS, seconds)
