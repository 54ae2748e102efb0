"""Native Parquet: the datasets `events` and `hosts` in the contract's columns, and `withdrawn`.

zstd, statistics, page index, and the encoding that suits each column in the order in which it stands here: sorted by source
address, so an address is one run of one dictionary entry. Row groups are cut by rows and parts by bytes, as they are
seen: the same rows make the same files however the engine cuts its batches.

One writer at level 3 takes about 0.9 us a row (`loadtest/export.py`); level 9 saves 4 % and takes four times that.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.exports.kinds import FileDataset, Labels, WrittenFile
from collector.exports.labels import metadata_of
from collector.exports.layout import parquet_name
from collector.exports.parts import PART_BYTES_MAX, PartFile
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


class NativeWriter:
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
        whole = SCHEMAS[dataset]
        self._labels, self._folder, self._dataset = labels, folder, dataset
        self._schema = pa.schema([whole.field(name) for name in columns])
        self._said = metadata_of(labels, dataset, SCHEMA_VERSION)
        self._part_bytes = part_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._file: PartFile | None = None
        self._parquet: pq.ParquetWriter | None = None
        self._rows = 0
        self._largest_group = 0
        self._done: list[WrittenFile] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in; a row group is written once it is whole. Raises OSError."""
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        while self._waiting_rows >= ROW_GROUP_ROWS:
            self._write_group(ROW_GROUP_ROWS)

    def close(self) -> list[WrittenFile]:
        """Write what is left; the complete files: at least one, without rows if there were none. Raises OSError."""
        if self._waiting_rows:
            self._write_group(self._waiting_rows)
        if self._parquet is None and not self._done:
            self._open()
        self._end_part()
        return self._done

    def _write_group(self, count: int) -> None:
        table = pa.Table.from_batches(self._waiting)
        group = table.slice(0, count).cast(self._schema)
        rest = table.slice(count)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows
        if self._parquet is None:
            self._open()
        assert self._parquet is not None
        assert self._file is not None
        before = self._file.tell()
        self._parquet.write_table(group, row_group_size=ROW_GROUP_ROWS)
        self._rows += count
        self._largest_group = max(self._largest_group, self._file.tell() - before)
        # Room for another group that compresses worse than any before, and for the footer.
        if self._file.tell() + 2 * self._largest_group > self._part_bytes:
            self._end_part()

    def _open(self) -> None:
        name = parquet_name(self._labels, self._dataset, len(self._done) + 1)
        self._file = PartFile(self._folder / name)
        encodings = {name: code for name, code in _ENCODINGS.items() if name in self._schema.names}
        self._parquet = pq.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[name for name in self._schema.names if name not in encodings],
            column_encoding=encodings,
            write_statistics=True,
            write_page_index=True,
            write_page_checksum=True,
            max_rows_per_page=PAGE_ROWS,
            dictionary_pagesize_limit=DICTIONARY_BYTES_MAX,
            store_schema=False,  # plain Parquet types, whatever Arrow had in memory
        )
        self._parquet.add_key_value_metadata(self._said)

    def _end_part(self) -> None:
        if self._parquet is None or self._file is None:
            return
        self._parquet.close()
        self._done.append(self._file.complete(self._rows, self._dataset, "parquet", SCHEMA_VERSION))
        self._parquet, self._file, self._rows = None, None, 0
