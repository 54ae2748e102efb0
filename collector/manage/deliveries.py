"""Metrics of what partners are given: rows exported and withheld, and when the last export went well.

    pentrap_export_last_success_timestamp_seconds{partner}     the last run that left nothing owed to it; 0: none yet
    pentrap_export_last_published_timestamp_seconds{partner}   its newest publication; 0: none yet
    pentrap_export_rows_total{partner}                         rows published since the start, all datasets
    pentrap_export_rows_withheld_total{reason}                 rows of exported days that nobody was given

Rows published are read off the audit log, which outlives the clerk and knows of exports by hand. One thread writes, the
scrape's reads: each value is replaced whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.exports.kinds import REASONS
from collector.ground.tally import Tally


class Deliveries:
    """A prometheus_client collector. `withheld` is the board's; `partners` take part, and may be replaced at a reload."""

    def __init__(self, withheld: Tally) -> None:
        self.partners: frozenset[str] = frozenset()
        self._success: dict[str, float] = {}
        self._published: dict[str, float] = {}
        self._rows: dict[tuple[str, int], int] = {}
        """By partner and publication."""
        self._withheld = withheld

    def entered(self, partner: str, sequence: int, rows: int, moment: float, *, this_run: bool) -> None:
        """The log has a publication; of an earlier run's only the time counts. `moment` in seconds since 1970."""
        for latest in (self._success, self._published):
            latest[partner] = max(moment, latest.get(partner, 0.0))
        if this_run:
            self._rows[partner, sequence] = rows

    def exported(self, day: Mapping[str, Any]) -> None:
        """Count what was withheld of a day, as `pentrap export --json` tells it."""
        # A supplement counts its day again: only a day's first publication adds to what was withheld.
        if day["rows"] and any(made["kind"] == "day" for made in day["publications"]):
            for reason, rows in day["rows"]["withheld"].items():
                self._withheld.add((reason,), rows)

    def succeeded(self, partners: Iterable[str], moment: float) -> None:
        """Nothing is owed to these any more."""
        for partner in partners:
            self._success[partner] = moment

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        success = GaugeMetricFamily(
            "pentrap_export_last_success_timestamp_seconds",
            "When an export last left nothing owed to the partner; 0: never",
            labels=("partner",),
        )
        published = GaugeMetricFamily(
            "pentrap_export_last_published_timestamp_seconds",
            "When the partner's newest publication was made; 0: never",
            labels=("partner",),
        )
        rows = CounterMetricFamily(
            "pentrap_export_rows", "Rows published, over all datasets", labels=("partner",)
        )
        withheld = CounterMetricFamily(
            "pentrap_export_rows_withheld",
            "Rows of exported days that no partner was given",
            labels=("reason",),
        )
        given = dict.fromkeys(sorted(self.partners), 0)
        for (partner, _), count in list(self._rows.items()):
            given[partner] = given.get(partner, 0) + count
        for partner in sorted(self.partners):
            success.add_metric((partner,), self._success.get(partner, 0.0))
            published.add_metric((partner,), self._published.get(partner, 0.0))
        for partner, count in given.items():
            rows.add_metric((partner,), count)
        reasons = dict.fromkeys(REASONS, 0) | {reason: count for (reason,), count in self._withheld.items()}
        for reason, count in reasons.items():
            withheld.add_metric((reason,), count)
        yield from (success, published, rows, withheld)
