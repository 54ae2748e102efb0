"""Segments as far as presence reads them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

NOON_US = 1_795_348_800_000_000
MINUTE_US = 60_000_000


def segment(path: Path, rows, **options) -> Path:
    """A file with what presence reads of a segment: minutes before noon, address, family."""
    table = pa.table(
        {
            "timestamp": pa.array(
                [NOON_US + minute * MINUTE_US for minute, *_ in rows], pa.timestamp("us", "UTC")
            ),
            "src_ip": [address for _, address, _ in rows],
            "family": [family for *_, family in rows],
        }
    )
    pq.write_table(table, path, **options)
    return path
