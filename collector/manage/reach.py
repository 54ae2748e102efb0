"""Metrics of what is reached, by operation and registry: configuration's own words, no domain, court or docket (law.md L-30).

    pentrap_registry_last_reached_timestamp_seconds{operation,registry}
        when a check-in for one of its domains was last recorded; 0: never
    pentrap_registry_domains{operation,registry}
        its domains that should be reached now

A registry fell silent where the second has been above 0 for a while and the first is old. At most REGISTRIES_MAX are told,
those with most domains due. One thread writes, the scrape's reads: each value is replaced whole.
"""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

REGISTRIES_MAX = 1_000
"""A schedule could name 65,536; a time series each would be a load to whoever scrapes."""
_LABELS = ("operation", "registry")


class Reach:
    """A prometheus_client collector."""

    def __init__(self) -> None:
        self._told: list[tuple[tuple[str, str], int, float]] = []

    def show(
        self, due: Mapping[tuple[str, str], int], last_reached_us: Mapping[tuple[str, str], int]
    ) -> None:
        """By operation and registry: how many domains are due, and when one was last reached."""
        most = sorted(due.items(), key=lambda item: (-item[1], item[0]))[:REGISTRIES_MAX]
        self._told = [(which, count, last_reached_us.get(which, 0) / 1e6) for which, count in sorted(most)]

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        last = GaugeMetricFamily(
            "pentrap_registry_last_reached_timestamp_seconds",
            "When a check-in for one of the registry's domains was last recorded; 0: never",
            labels=_LABELS,
        )
        domains = GaugeMetricFamily(
            "pentrap_registry_domains",
            "The registry's domains that should be reached now: in date, not blocked, under an order in force",
            labels=_LABELS,
        )
        for which, count, moment in self._told:
            last.add_metric(which, moment)
            domains.add_metric(which, count)
        yield from (last, domains)
