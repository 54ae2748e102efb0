"""The shared counters in Prometheus' words.

One custom collector sums the pages of all processes at each scrape, so nothing is spent on metrics while check-ins come in.
No label holds an address, a domain, a docket, a court or an agency (law.md L-30).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

import collector
from collector.ground.codes import Application, Fate, Transport
from collector.ground.counters import (
    APPLICATION_0,
    CELL,
    COMMIT_0,
    COMMIT_BOUNDS,
    DURABLE_0,
    FATE_0,
    Board,
    cumulative,
)


class OrderClock(NamedTuple):
    """An order's state as the metrics tell it."""

    order: str
    active: bool
    ends_seconds: float
    return_due_seconds: float | None
    """None where its kind asks for no return, or the court has it."""


class Snapshot(NamedTuple):
    """What the clerk knows beside the counters, at the moment of a scrape."""

    orders: list[OrderClock]
    injunctions: list[tuple[str, float]]
    """Operation and second of expiry, of those that expire."""
    disk_free_bytes: int
    recording: bool
    audit_checkpoint_seconds: float
    """When the signed checkpoint was last seen to cover every entry."""


class Exposition:
    """A prometheus_client collector over the board. `snapshot` is asked at each scrape."""

    def __init__(self, board: Board, snapshot: Callable[[], Snapshot]) -> None:
        self._board = board
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """All metrics of one scrape, from one reading of the board: the equation balances in it."""
        counts = self._board.total()
        snapshot = self._snapshot()
        yield _counter(
            "pentrap_checkins_accepted",
            "Connections returned by accept and datagrams read",
            ("transport",),
            [
                ((transport.name.lower(),), counts[CELL[f"accepted_{transport.name.lower()}"]])
                for transport in Transport
            ],
        )
        yield _counter(
            "pentrap_checkins",
            "Check-ins by their one fate",
            ("fate",),
            [((fate.name.lower(),), counts[FATE_0 + fate]) for fate in Fate],
        )
        yield GaugeMetricFamily(
            "pentrap_checkins_open", "Check-ins accepted that have no fate yet", counts[CELL["open"]]
        )
        yield _counter(
            "pentrap_kernel_dropped",
            "What the kernel dropped on our sockets before we could take it",
            ("transport",),
            [
                ((transport.name.lower(),), counts[CELL[f"kernel_dropped_{transport.name.lower()}"]])
                for transport in Transport
            ],
        )
        yield _counter(
            "pentrap_checkins_by_application",
            "Check-ins that sent something, by what their first bytes began as",
            ("application",),
            [
                ((application.name.lower(),), counts[APPLICATION_0 + application])
                for application in Application
            ],
        )
        yield _histogram(
            "pentrap_commit_duration_seconds",
            "Time for one group commit",
            counts,
            COMMIT_0,
            counts[CELL["commit_sum_us"]],
        )
        yield _histogram(
            "pentrap_checkin_to_durable_seconds",
            "Time from the turn in which a check-in was taken until its record was durable",
            counts,
            DURABLE_0,
            counts[CELL["durable_sum_us"]],
        )
        yield GaugeMetricFamily(
            "pentrap_journal_bytes",
            "Bytes in journals that are not sealed yet",
            counts[CELL["journal_bytes"]],
        )
        yield _counter(
            "pentrap_journal_fsync_errors",
            "Writes and fsyncs of the journal that the disk refused",
            (),
            [((), counts[CELL["fsync_errors"]])],
        )
        yield _counter(
            "pentrap_journal_corrupt_blocks",
            "Regions of journals that did not verify",
            (),
            [((), counts[CELL["corrupt_blocks"]])],
        )
        yield _counter(
            "pentrap_segments_rows", "Rows written to Parquet", (), [((), counts[CELL["segments_rows"]])]
        )
        yield _counter(
            "pentrap_checkins_unexpected",
            "Check-ins for listed names that are blocked or out of date; suppressed_scope has them too",
            (),
            [((), self._board.unexpected_total())],
        )
        yield GaugeMetricFamily(
            "pentrap_recording",
            "1 while check-ins are recorded, 0 while they are only answered",
            snapshot.recording,
        )
        yield GaugeMetricFamily(
            "pentrap_clock_unsure",
            "Workers that doubt the clock and have paused recording",
            counts[CELL["clock_unsure"]],
        )
        yield GaugeMetricFamily(
            "pentrap_disk_free_bytes", "Free bytes where the data stands", snapshot.disk_free_bytes
        )
        lag = max(page.read()[CELL["loop_lag_us"]] for page in (*self._board.workers, self._board.clerk))
        yield GaugeMetricFamily(
            "pentrap_event_loop_lag_seconds",
            "How late the slowest process's loop was, last second",
            lag / 1e6,
        )
        active = GaugeMetricFamily("pentrap_order_active", "1 while the order is in force", labels=("order",))
        ends = GaugeMetricFamily(
            "pentrap_order_ends_timestamp_seconds", "When the order ends", labels=("order",)
        )
        due = GaugeMetricFamily(
            "pentrap_order_return_due_timestamp_seconds",
            "When the court must have the return of the order's chain; gone once it has it",
            labels=("order",),
        )
        for order in snapshot.orders:
            active.add_metric((order.order,), order.active)
            ends.add_metric((order.order,), order.ends_seconds)
            if order.return_due_seconds is not None:
                due.add_metric((order.order,), order.return_due_seconds)
        yield active
        yield ends
        yield due
        expires = GaugeMetricFamily(
            "pentrap_injunction_expires_timestamp_seconds",
            "When the operation's injunction expires; machines are answered beyond it",
            labels=("operation",),
        )
        for operation, seconds in snapshot.injunctions:
            expires.add_metric((operation,), seconds)
        yield expires
        yield GaugeMetricFamily(
            "pentrap_audit_checkpoint_timestamp_seconds",
            "When the signed checkpoint was last seen to cover every entry of the audit log",
            snapshot.audit_checkpoint_seconds,
        )
        yield GaugeMetricFamily(
            "pentrap_reload_refused",
            "1 while the last reload's files were refused and older ones are in force",
            counts[CELL["reload_refused"]],
        )
        build = GaugeMetricFamily("pentrap_build_info", "The running release", labels=("version", "revision"))
        build.add_metric((collector.__version__, collector.__revision__), 1)
        yield build


def registry(board: Board, snapshot: Callable[[], Snapshot], *others: Any) -> CollectorRegistry:
    """A registry with our metrics, those of `others` (each with `collect`) and the clerk's own process metrics."""
    made = CollectorRegistry(auto_describe=False)
    for one in (Exposition(board, snapshot), *others):
        made.register(one)
    ProcessCollector(registry=made)
    return made


def _counter(
    name: str, text: str, labels: Iterable[str], values: list[tuple[tuple[str, ...], int]]
) -> Metric:
    family = CounterMetricFamily(name, text, labels=tuple(labels))
    for label, value in values:
        family.add_metric(label, value)
    return family


def _histogram(name: str, text: str, counts: list[int], first: int, sum_us: int) -> Metric:
    below = cumulative(counts, first)
    buckets = [
        (str(bound), float(count)) for bound, count in zip((*COMMIT_BOUNDS, "+Inf"), below, strict=True)
    ]
    family = HistogramMetricFamily(name, text)
    family.add_metric((), buckets, sum_us / 1e6)
    return family
