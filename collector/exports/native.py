"""Native Parquet: the datasets `events` and `hosts` in the contract's columns, and `withdrawn`.

zstd, statistics, page index, and the encoding that suits each column in the order in which it stands here: sorted by source
address, so an address is one run of one dictionary entry.

One writer at level 3 takes about 0.9 us a row (`loadtest/export.py`); level 9 saves 4 % and takes four times that.
"""

from pathlib import Path

import pyarrow as pa

from collector.exports.kinds import FileDataset, Labels
from collector.exports.parquet_parts import Form, ParquetParts
from collector.exports.parts import PART_BYTES_MAX
from collector.segments.table import EVENTS
from collector.segments.versions import SCHEMA_VERSION
from collector.segments.write import DICTIONARY_BYTES_MAX, PAGE_ROWS

ROW_GROUP_ROWS = 1 << 18
"""Rows in a row group: bounds what is in memory at once, and is what a reader fetches at the least."""
ZSTD_LEVEL = 3
HOSTS = pa.schema(
    [
        *(EVENTS.field(n) for n in ("src_ip", "family", "transport", "dst_port", "application", "order_id")),
        pa.field("first_seen", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("last_seen", pa.timestamp("us", tz="UTC"), nullable=False),
        *(
            pa.field(name, pa.int64(), nullable=False)
            for name in ("check_ins", "active_hours", "src_ports", "domains")
        ),
        *(EVENTS.field(n) for n in ("src_port", "dst_ip", "domain")),
        *(EVENTS.field(n) for n in ("src_asn", "src_geo", "mark", "source_trust", "infection")),
    ]
)
"""The columns of `hosts`, in order."""
WITHDRAWN = pa.schema([pa.field("event_id", pa.string(), nullable=False), *EVENTS])
"""The columns of `withdrawn`: those of the rows taken back, and first what CSV and OCSF know them by."""
SCHEMAS: dict[str, pa.Schema] = {"events": EVENTS, "hosts": HOSTS, "withdrawn": WITHDRAWN}
_ENCODINGS = {
    "timestamp": "DELTA_BINARY_PACKED",
    "first_seen": "DELTA_BINARY_PACKED",
    "last_seen": "DELTA_BINARY_PACKED",
    "record": "DELTA_BINARY_PACKED",
    # Not BYTE_STREAM_SPLIT, which is 3 % smaller: DuckDB before 2.0 reads that of floating-point numbers only.
    "src_port": "DELTA_BINARY_PACKED",
}


class NativeWriter(ParquetParts):
    """Writes one dataset's rows, sorted as they come, into parts."""

    def __init__(
        self,
        labels: Labels,
        folder: Path,
        dataset: FileDataset,
        columns: tuple[str, ...],
        part_bytes: int = PART_BYTES_MAX,
    ) -> None:
        """`columns` are those granted, in the dataset's order."""
        schema = pa.schema([SCHEMAS[dataset].field(name) for name in columns])
        encodings = {name: code for name, code in _ENCODINGS.items() if name in columns}
        options = {
            "compression_level": ZSTD_LEVEL,
            "use_dictionary": [name for name in columns if name not in encodings],
            "column_encoding": encodings,
            "max_rows_per_page": PAGE_ROWS,
            "dictionary_pagesize_limit": DICTIONARY_BYTES_MAX,
        }
        form = Form(dataset, dataset, "parquet", schema, SCHEMA_VERSION, ROW_GROUP_ROWS, options)
        super().__init__(labels, folder, form, lambda group: group.cast(schema), part_bytes)
