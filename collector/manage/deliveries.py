"""Metrics of what partners are given: rows exported and withheld, and when the last export went well.

    pentrap_export_last_success_timestamp_seconds{partner}   the last run that left nothing owed to it
    pentrap_export_rows_total{partner}                       rows published since the start, all datasets
    pentrap_export_rows_withheld_total{reason}               rows of exported days that nobody was given

One thread writes, the scrape's reads: each value is replaced whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


class Deliveries:
    """A prometheus_client collector."""

    def __init__(self) -> None:
        self._success: dict[str, float] = {}
        self._rows: dict[str, int] = {}
        self._withheld: dict[str, int] = {}

    def exported(self, day: Mapping[str, Any], moment: float) -> None:
        """Count one day's outcome, as `pentrap export --json` tells it. `moment` in seconds since 1970."""
        for made in day["publications"]:
            partner = made["partner"]
            self._rows[partner] = self._rows.get(partner, 0) + made["rows"]
            self._success[partner] = moment
        # A supplement counts its day again: only a day's first publication adds to what was withheld.
        if day["rows"] and any(made["kind"] == "day" for made in day["publications"]):
            for reason, rows in day["rows"]["withheld"].items():
                self._withheld[reason] = self._withheld.get(reason, 0) + rows

    def succeeded(self, partners: Iterable[str], moment: float) -> None:
        """Nothing is owed to these any more."""
        for partner in partners:
            self._success[partner] = moment
            self._rows.setdefault(partner, 0)

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        success = GaugeMetricFamily(
            "pentrap_export_last_success_timestamp_seconds",
            "When an export last left nothing owed to the partner",
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
        for partner, moment in list(self._success.items()):
            success.add_metric((partner,), moment)
        for partner, count in list(self._rows.items()):
            rows.add_metric((partner,), count)
        for reason, count in list(self._withheld.items()):
            withheld.add_metric((reason,), count)
        yield from (success, rows, withheld)
