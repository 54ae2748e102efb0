"""Metrics of what partners ask.

    pentrap_pull_requests_total{partner,code}                 partner is "none" where nobody's credentials were shown
    pentrap_export_last_pulled_timestamp_seconds{partner}     a file of a publication was last given; 0: never

Partners are those of partners.toml and codes those of ours, so no stranger can add a series. Requests are counted in shared
memory, so a clerk's death takes none of them back.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.ground.tally import Tally

NOBODY = "none"


class PullCounts:
    """A prometheus_client collector. `requests` is the board's; `partners` take part, and may be replaced at a reload."""

    def __init__(self, requests: Tally) -> None:
        self.partners: frozenset[str] = frozenset()
        self._requests = requests
        self._pulled: dict[str, float] = {}

    def answered(self, partner: str, code: int) -> None:
        """Count one answer."""
        self._requests.add((partner or NOBODY, str(code)))

    def pulled(self, partner: str, moment: float) -> None:
        """A file was given; `moment` in seconds since 1970."""
        self._pulled[partner] = max(moment, self._pulled.get(partner, 0.0))

    @property
    def last_pulled(self) -> dict[str, float]:
        """By partner, when it last had a file; seconds since 1970."""
        return dict(self._pulled)

    def collect(self) -> Iterator[Metric]:
        """One scrape."""
        requests = CounterMetricFamily(
            "pentrap_pull_requests", "Answers of the partners' interface", labels=("partner", "code")
        )
        pulled = GaugeMetricFamily(
            "pentrap_export_last_pulled_timestamp_seconds",
            "When a file of a publication was last given to the partner; 0: never",
            labels=("partner",),
        )
        for labels, count in self._requests.items():
            requests.add_metric(labels, count)
        for partner in sorted(self.partners):
            pulled.add_metric((partner,), self._pulled.get(partner, 0.0))
        yield from (requests, pulled)
