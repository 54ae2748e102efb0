"""A run of records becomes a segment: one Parquet file, whole or not at all.

The file appears under its name by `ground.files.publish` (temporary, fsync, rename, fsync of the folder),
so a process that dies leaves at most a temporary, and repeating the step writes the same bytes under the
same name: rows are sorted by time and record number, and nothing of the clock, the machine or chance goes
in. (Another release of Arrow may encode the same rows otherwise.)

A segment belongs to one UTC day. Streams roll at midnight, so a run does too; should one still span two
days (a clock that was set back), it is cut into contiguous pieces of one day each and nothing is lost.

Encodings, chosen by measuring 60 seconds at 850 rows a second (`loadtest/segment_size.py`; bytes a row):

    timestamp, record      DELTA_BINARY_PACKED: sorted by time, so small differences
    src_port               BYTE_STREAM_SPLIT: the two bytes that are always zero vanish
    src_ip, domain         dictionary where names repeat, else as `_WHERE_DISTINCT` says
    all others             dictionary: a handful of distinct values

Key-value metadata: what a reader needs to place the file, in keys `pentrap.*` below. Court, docket, agency
and officers are not in the records and not in here: the order is named by its alias, in its column.
"""

import itertools
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import collector
from collector.ground import files
from collector.ground.errors import CorruptError
from collector.ground.record import RECORD_SIZE
from collector.orders.rules import Rules
from collector.segments.segment import SECONDS_A_DAY, Segment, day_directory, day_of
from collector.segments.table import ROW, Numbers, rows_to_table, sorted_rows
from collector.segments.versions import SCHEMA_VERSION

MICROSECONDS_A_DAY = SECONDS_A_DAY * 1_000_000
END_OF_TIME_US = 253_402_300_800_000_000
"""10000-01-01: no folder can be named after a later day."""
PRODUCER = f"pentrap {collector.__version__}"
ZSTD_LEVEL = 1
"""Addresses and generated names are close to random: level 3 takes longer on them and saves nothing."""
ROW_GROUP_ROWS = 1 << 18
"""Rows in a row group: bounds what is in memory at once to about 100 MB, whatever the run's length."""
PAGE_ROWS = 1 << 14
"""Rows in a page: the grain at which a reader can skip by the page index; smaller pages compress worse."""
DICTIONARY_BYTES_MAX = 8 << 20
"""Room for every distinct address of a row group (2^18 x 15 bytes and their lengths)."""

_ENCODINGS = {
    "timestamp": "DELTA_BINARY_PACKED",
    "record": "DELTA_BINARY_PACKED",
    "src_port": "BYTE_STREAM_SPLIT",
}
DISTINCT_SHARE_MAX = {"src_ip": 0.6, "domain": 0.8}
"""Share of distinct values above which a dictionary costs more than it saves, since each row pays for an index of up
to 16 bits; measured by column, at 6,000 to 51,000 rows.
"""
_WHERE_DISTINCT = {"src_ip": "DELTA_LENGTH_BYTE_ARRAY", "domain": "PLAIN"}
"""The encoding then: digits compress best apart from their lengths, letters do not."""


def write_segments(data_dir: Path, records: bytes, first: int, stream: str, rules: Rules) -> list[Segment]:
    """Publish consecutive records, numbered from `first`, as segments; what was written, in record order.

    One segment, unless the records span UTC days. When this returns, each file is durable under its name.
    Raises CorruptError where records and rules do not belong together, OSError where the disk refuses;
    then nothing is lost, and the step may be repeated.
    """
    return [
        _write(data_dir, Segment(day, stream, start, start + len(piece) // RECORD_SIZE - 1), piece, rules)
        for day, start, piece in _days(records, first, stream)
    ]


def _days(records: bytes, first: int, stream: str) -> Iterator[tuple[date, int, bytes]]:
    """The longest pieces of consecutive records that share a UTC day."""
    times = np.frombuffer(records, dtype=ROW)["time_us"]
    if not len(times):
        return
    if int(times.min()) < 0 or int(times.max()) >= END_OF_TIME_US:
        raise CorruptError(
            "write segment",
            stream,
            "field time_us",
            f"found times from {times.min()} to {times.max()}, expected 0 to {END_OF_TIME_US}",
            "The journal stays; no clock says such a time.",
        )
    days = times // MICROSECONDS_A_DAY
    edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
    for start, end in itertools.pairwise(edges):
        piece = records if end - start == len(days) else records[start * RECORD_SIZE : end * RECORD_SIZE]
        yield day_of(int(days[start])), first + start, piece


def _write(data_dir: Path, segment: Segment, records: bytes, rules: Rules) -> Segment:
    if segment.path_aside(data_dir).exists():
        return segment  # a repeated step must not bring back what an officer has set aside
    files.make_directory(day_directory(data_dir, segment.day))
    rows, numbers = sorted_rows(records, segment.first)
    files.publish(segment.path(data_dir), lambda path: _write_parquet(path, segment, rows, numbers, rules))
    return segment


def _write_parquet(path: Path, segment: Segment, rows: Numbers, numbers: Numbers, rules: Rules) -> None:
    writer: Any = None
    for start in range(0, len(rows), ROW_GROUP_ROWS):
        group = slice(start, start + ROW_GROUP_ROWS)
        table = rows_to_table(rows[group], numbers[group], segment.stream, segment.sensor, rules)
        if writer is None:
            writer = _open(path, table)
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    writer.add_key_value_metadata(metadata(segment, rules))
    writer.close()


def _open(path: Path, table: pa.Table) -> Any:
    """A writer for tables like this one; the first row group decides which columns are worth a dictionary."""
    encodings = _ENCODINGS | {
        name: encoding
        for name, encoding in _WHERE_DISTINCT.items()
        if len(table.column(name).chunk(0).dictionary) > DISTINCT_SHARE_MAX[name] * len(table)
    }
    return pq.ParquetWriter(
        path,
        table.schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=[name for name in table.column_names if name not in encodings],
        column_encoding=encodings,
        store_schema=False,  # readers see plain Parquet types, not that Arrow had dictionaries here
        write_statistics=True,
        write_page_index=True,
        write_page_checksum=True,
        max_rows_per_page=PAGE_ROWS,
        dictionary_pagesize_limit=DICTIONARY_BYTES_MAX,
        sorting_columns=[pq.SortingColumn(0), pq.SortingColumn(table.schema.names.index("record"))],
    )


def metadata(segment: Segment, rules: Rules) -> dict[str, str]:
    """A segment's key-value metadata; all of it follows from the name, the rules and the release."""
    return {
        "pentrap.dataset": "events",
        "pentrap.schema_version": str(SCHEMA_VERSION),
        "pentrap.sensor": segment.sensor,
        "pentrap.stream": segment.stream,
        "pentrap.day": segment.day.isoformat(),
        "pentrap.first": str(segment.first),
        "pentrap.last": str(segment.last),
        "pentrap.rules": rules.digest,
        "pentrap.producer": PRODUCER,
    }
