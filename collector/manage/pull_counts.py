"""Metrics of what partners ask.

    pentrap_pull_requests_total{partner,code}                 partner is "none" where nobody's credentials were shown
    pentrap_export_last_pulled_timestamp_seconds{partner}     a file of a publication was last given

Partners are those of partners.toml and codes those of ours, so no stranger can add a series.
"""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

NOBODY = "none"


class PullCounts:
    """A prometheus_client collector."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str], int] = {}
        self._pulled: dict[str, float] = {}

    def answered(self, partner: str, code: int) -> None:
        """Count one answer."""
        key = partner or NOBODY, str(code)
        self._requests[key] = self._requests.get(key, 0) + 1

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
            "When a file of a publication was last given to the partner",
            labels=("partner",),
        )
        for key, count in list(self._requests.items()):
            requests.add_metric(key, count)
        for partner, moment in list(self._pulled.items()):
            pulled.add_metric((partner,), moment)
        yield from (requests, pulled)
