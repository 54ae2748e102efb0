"""What was recorded, read back from data_dir/segments with pyarrow and with DuckDB."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = (
    "timestamp", "src_ip", "src_port", "source_trust", "src_asn", "src_geo", "mark", "dst_ip", "dst_port",
    "transport", "application", "domain", "family", "infection", "bytes_in", "order_id", "sensor", "stream",
    "record",
)  # fmt: skip
Key = tuple[str, int, str, int, str]
"""src_ip, src_port, dst_ip, dst_port, transport: what a check-in and its row have in common."""


class Event(NamedTuple):
    """What reconciliation asks of a row."""

    time_us: int
    key: Key
    application: str
    domain: str | None
    identity: tuple[str, int]
    """stream and record: unique."""


def segment_files(data: Path) -> list[Path]:
    """The finished segments, oldest day first."""
    return sorted((data / "segments").glob("date=*/*.parquet"))


def journal_files(data: Path) -> list[Path]:
    """Journals that are not in segments yet (none after a clean stop)."""
    return sorted((data / "journal").glob("*/*.journal"))


def read_arrow(files: list[Path]) -> pa.Table:
    """All rows. A segment with other columns than the contract's is an error."""
    tables = []
    for file in files:
        table = pq.ParquetFile(file).read()
        if tuple(table.column_names) != COLUMNS:
            raise ValueError(f"{file}: found columns {table.column_names}, expected {list(COLUMNS)}")
        tables.append(table)
    return pa.concat_tables(tables) if tables else pa.table({name: [] for name in COLUMNS})


def events(table: pa.Table) -> list[Event]:
    """The table's rows, in time order."""
    names = ("src_ip", "src_port", "dst_ip", "dst_port", "transport")
    times = (
        table["timestamp"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist() if len(table) else []
    )
    keys = zip(*(table[name].to_pylist() for name in names), strict=True)
    rest = (table[name].to_pylist() for name in ("application", "domain", "stream", "record"))
    rows = zip(times, keys, *rest, strict=True)
    made = [Event(t, key, app, domain, (stream, number)) for t, key, app, domain, stream, number in rows]
    return sorted(made, key=lambda event: event.time_us)


def count_duckdb(files: list[Path]) -> Counter[tuple[str, str | None]]:
    """Rows by application and domain, as DuckDB reads them."""
    if not files:
        return Counter()
    found = duckdb.connect().execute(
        "select application, domain, count(*)"
        " from read_parquet($files, hive_partitioning = false) group by all",
        {"files": [str(file) for file in files]},
    )
    return Counter({(application, domain): count for application, domain, count in found.fetchall()})


def count_arrow(rows: list[Event]) -> Counter[tuple[str, str | None]]:
    """The same from pyarrow's rows."""
    return Counter((row.application, row.domain) for row in rows)
