"""The names of published files (contract: "Publications"); unique over all publications of a partner.

<date>-<order_id>-<dataset>[-s<N>]-p<NNN>.parquet      OCSF's dataset is network_activity; withdrawn rows are `withdrawn`
<date>-<report>-<order_id>[-s<N>]-p<NNN>.csv           as Shadowserver's own reports are named
<date>-<order_id>-withdrawn-s<N>-p<NNN>.csv            withdrawn rows; no report's name, so that no parser takes it for one
"""

from collector.exports.kinds import Labels

PARTS_MAX = 999
"""Of 350 MB each: three digits."""


def parquet_name(labels: Labels, dataset: str, part: int) -> str:
    """The name of a Parquet file; parts count from 1."""
    return f"{labels.day.isoformat()}-{labels.order}-{dataset}{_rest(labels, part)}.parquet"


def withdrawn_csv_name(labels: Labels, part: int) -> str:
    """The name of a file of withdrawn rows as text."""
    return f"{labels.day.isoformat()}-{labels.order}-withdrawn{_rest(labels, part)}.csv"


def report_name(labels: Labels, report: str, part: int) -> str:
    """The name of a report in Shadowserver's form."""
    return f"{labels.day.isoformat()}-{report}-{labels.order}{_rest(labels, part)}.csv"


def _rest(labels: Labels, part: int) -> str:
    if not 1 <= part <= PARTS_MAX:
        raise ValueError(f"part {part}: a file has 1 to {PARTS_MAX}")
    return (f"-s{labels.supplement}" if labels.supplement else "") + f"-p{part:03d}"
