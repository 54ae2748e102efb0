"""The shared counters in Prometheus' words: a form that is written once, and filled in at each scrape.

Nothing is spent on metrics while check-ins come in, and little at a scrape: FAMILIES says which number of the board each sample
shows, so that a page is one sum over the pages of all processes, one selection and one formatting. No label holds an address, a
domain, a docket, a court or an agency (law.md L-30): here they are closed enums and bounds of ours.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import NamedTuple

from collector.ground.codes import Application, Fate, Transport
from collector.ground.counters import (
    CAGE_BARS,
    CELL,
    CELLS,
    COMMIT_0,
    COMMIT_BOUNDS,
    DURABLE_0,
    Board,
    cumulative,
)

_BOUNDS = (*map(str, COMMIT_BOUNDS), "+Inf")
_SECONDS = ("commit_sum_us", "durable_sum_us", "segments_waiting_us", "loop_lag_us")
"""Cells in microseconds that are shown in seconds."""

NUMBERS = (
    *CELLS,
    *(f"{name.removesuffix('_us')}_seconds" for name in _SECONDS),
    *(f"{kind}_below_{bound}" for kind in ("commit", "durable") for bound in _BOUNDS),
    "unexpected",
)
"""What a sample may show: the cells, what `_numbers` makes of them, in its order, and what else is on the board."""
_LAG = NUMBERS.index("loop_lag_seconds")


class Family(NamedTuple):
    """One metric: its samples by suffix and labels as they stand in the text, each with the name of its number."""

    name: str
    kind: str
    words: str
    samples: tuple[tuple[str, str], ...]


def _one(name: str, kind: str, words: str, number: str) -> Family:
    return Family(name, kind, words, (("", number),))


def _by(name: str, kind: str, words: str, label: str, numbers: dict[str, str]) -> Family:
    return Family(
        name, kind, words, tuple((f'{{{label}="{value}"}}', number) for value, number in numbers.items())
    )


def _histogram(name: str, words: str, kind: str) -> Family:
    buckets = [(f'_bucket{{le="{bound}"}}', f"{kind}_below_{bound}") for bound in _BOUNDS]
    ends = (("_count", f"{kind}_below_+Inf"), ("_sum", f"{kind}_sum_seconds"))
    return Family(name, "histogram", words, (*buckets, *ends))


def _words(enum: type[Fate] | type[Transport] | type[Application]) -> list[str]:
    return [member.name.lower() for member in enum]


FAMILIES = (
    _by(
        "pentrap_checkins_accepted_total", "counter", "Connections returned by accept and datagrams read", "transport",
        {name: f"accepted_{name}" for name in _words(Transport)},
    ),
    _by(
        "pentrap_checkins_total", "counter", "Check-ins by their one fate", "fate",
        {name: f"fate_{name}" for name in _words(Fate)},
    ),
    _one(
        "pentrap_checkins_unexpected_total", "counter",
        "Check-ins for listed names that are blocked or out of date; suppressed_scope has them too", "unexpected",
    ),
    _one("pentrap_checkins_open", "gauge", "Check-ins accepted that have no fate yet", "open"),
    _by(
        "pentrap_kernel_dropped_total", "counter", "What the kernel dropped on our sockets before we could take it",
        "transport", {name: f"kernel_dropped_{name}" for name in _words(Transport)},
    ),
    _by(
        "pentrap_checkins_by_application_total", "counter",
        "Check-ins that sent something, by what their first bytes began as", "application",
        {name: f"application_{name}" for name in _words(Application)},
    ),
    _histogram("pentrap_commit_duration_seconds", "Time for one group commit", "commit"),
    _histogram(
        "pentrap_checkin_to_durable_seconds",
        "Time from the turn in which a check-in was taken until its record was durable", "durable",
    ),
    _one("pentrap_journal_bytes", "gauge", "Bytes in journals that are not sealed yet", "journal_bytes"),
    _one(
        "pentrap_journal_fsync_errors_total", "counter", "Writes and fsyncs of the journal that the disk refused",
        "fsync_errors",
    ),
    _one(
        "pentrap_journal_corrupt_blocks_total", "counter", "Regions of journals that did not verify", "corrupt_blocks"
    ),
    _one("pentrap_segments_rows_total", "counter", "Rows written to Parquet", "segments_rows"),
    _one(
        "pentrap_segments_failed_total", "counter", "Tries to make a journal Parquet that failed", "segments_failed"
    ),
    _one(
        "pentrap_segments_waiting_seconds", "gauge",
        "How long the oldest sealed journal has waited beyond its turn to become Parquet; 0: none does",
        "segments_waiting_seconds",
    ),
    _one(
        "pentrap_segments_rows_outside_order_total", "counter",
        "Rows that came outside of their order, as a second look at them found: there must be none",
        "segments_rows_outside_order",
    ),
    _one(
        "pentrap_clock_unsure", "gauge", "Workers that doubt the clock and have paused recording", "clock_unsure"
    ),
    _one(
        "pentrap_reload_refused", "gauge",
        "1 while the last reload's files were refused and older ones are in force", "reload_refused",
    ),
    _by(
        "pentrap_cage_incomplete", "gauge",
        "Workers whose cage is without this, as the kernel or the system does not offer it", "missing",
        {bar: f"cage_without_{bar}" for bar in CAGE_BARS},
    ),
    _one(
        "pentrap_event_loop_lag_seconds", "gauge", "How late the slowest process's loop was, last second",
        "loop_lag_seconds",
    ),
)  # fmt: skip


class Exposition:
    """The form over one board."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._form = "".join(_form())
        self._pick = itemgetter(
            *(NUMBERS.index(number) for family in FAMILIES for _, number in family.samples)
        )

    def text(self) -> str:
        """All of it at one reading of the board: the equation balances in it."""
        numbers = [*_numbers(self._board.total()), self._board.unexpected_total()]
        pages = (*self._board.workers, self._board.clerk)
        numbers[_LAG] = max(page.read()[CELL["loop_lag_us"]] for page in pages) / 1e6
        text: str = self._form % self._pick(numbers)
        return text


def _form() -> Iterator[str]:
    for family in FAMILIES:
        yield f"# HELP {family.name} {family.words}\n# TYPE {family.name} {family.kind}\n"
        for labels, _ in family.samples:
            yield f"{family.name}{labels} %s\n"


def _numbers(counts: list[int]) -> list[float]:
    seconds = [counts[CELL[name]] / 1e6 for name in _SECONDS]
    return [*counts, *seconds, *cumulative(counts, COMMIT_0), *cumulative(counts, DURABLE_0)]
