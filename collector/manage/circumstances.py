"""What the clerk knows beside the counters, as metrics: orders' clocks, the disk, the log, the machine's clock, tokens.

Labels are aliases from the configuration: an order's id, an operation's name, a partner's (law.md L-30).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric

import collector


class OrderClock(NamedTuple):
    """An order's state as the metrics tell it."""

    order: str
    active: bool
    ends_seconds: float
    return_due_seconds: float | None
    """None where its kind asks for no return, or the court has it."""


class Snapshot(NamedTuple):
    """All of it at the moment of a scrape."""

    orders: list[OrderClock]
    injunctions: list[tuple[str, float]]
    """Operation and second of expiry, of those that expire."""
    clock_seconds: float
    """The wall clock."""
    disk_free_bytes: int
    disk_reserve_bytes: int
    recording: bool
    audit_checkpoint_seconds: float
    """When the signed checkpoint was last seen to cover every entry."""
    tokens: Mapping[str, float]
    """By partner that takes part: when its last valid token expires; 0: none is valid."""


class Circumstances:
    """A prometheus_client collector. `snapshot` is asked at each scrape."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        now = self._snapshot()
        yield GaugeMetricFamily(
            "pentrap_recording",
            "1 while check-ins are recorded, 0 while they are only answered",
            now.recording,
        )
        yield from _orders(now.orders)
        yield _gauge(
            "pentrap_injunction_expires_timestamp_seconds",
            "When the operation's injunction expires; machines are answered beyond it",
            "operation",
            now.injunctions,
        )
        yield GaugeMetricFamily(
            "pentrap_clock_seconds",
            "The collector's wall clock; Prometheus compares it with its own",
            now.clock_seconds,
        )
        yield GaugeMetricFamily(
            "pentrap_disk_free_bytes", "Free bytes where the data stands", now.disk_free_bytes
        )
        yield GaugeMetricFamily(
            "pentrap_disk_reserve_bytes",
            "Free bytes that are the journal's: exports stop below",
            now.disk_reserve_bytes,
        )
        yield GaugeMetricFamily(
            "pentrap_audit_checkpoint_timestamp_seconds",
            "When the signed checkpoint was last seen to cover every entry of the audit log",
            now.audit_checkpoint_seconds,
        )
        yield _gauge(
            "pentrap_partner_token_expires_timestamp_seconds",
            "When the partner's last valid token expires; 0: it has none",
            "partner",
            now.tokens.items(),
        )
        build = GaugeMetricFamily("pentrap_build_info", "The running release", labels=("version", "revision"))
        build.add_metric((collector.__version__, collector.__revision__), 1)
        yield build


def _orders(orders: list[OrderClock]) -> Iterator[Metric]:
    yield _gauge(
        "pentrap_order_active",
        "1 while the order is in force",
        "order",
        [(clock.order, clock.active) for clock in orders],
    )
    yield _gauge(
        "pentrap_order_ends_timestamp_seconds",
        "When the order ends",
        "order",
        [(clock.order, clock.ends_seconds) for clock in orders],
    )
    yield _gauge(
        "pentrap_order_return_due_timestamp_seconds",
        "When the court must have the return of the order's chain; gone once it has it",
        "order",
        [(clock.order, clock.return_due_seconds) for clock in orders if clock.return_due_seconds is not None],
    )


def _gauge(name: str, words: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=(label,))
    for value, number in values:
        family.add_metric((value,), number)
    return family
