"""Withdrawn rows as text, for whoever was given them as reports: event_id first, then the columns of `events` that it may have.

Not in the form of a report: a parser of reports would take the rows for new check-ins and warn their victims again.
"""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from collector.exports.kinds import Labels, WrittenFile
from collector.exports.layout import withdrawn_csv_name
from collector.exports.parts import PART_BYTES_MAX, PartFile
from collector.segments.versions import SCHEMA_VERSION

SLICE_ROWS = 1 << 15


class WithdrawnCsvWriter:
    """Writes them in the order in which they come: header and texts in double quotes, UTC times as text, LF."""

    def __init__(self, labels: Labels, folder: Path, part_bytes: int = PART_BYTES_MAX) -> None:
        """Nothing is created before a row comes."""
        self._labels, self._folder, self._part_bytes = labels, folder, part_bytes
        self._file: PartFile | None = None
        self._rows = 0
        self._done: list[WrittenFile] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in. Raises OSError."""
        for start in range(0, batch.num_rows, SLICE_ROWS):
            rows = _texts(batch.slice(start, SLICE_ROWS))
            lines = pa.BufferOutputStream()
            csv.write_csv(rows, lines, csv.WriteOptions(include_header=False))
            content = lines.getvalue()
            if self._file is not None and self._file.tell() + content.size > self._part_bytes:
                self._end_part()
            file = self._file or self._open(rows.schema.names)
            file.write(content)
            self._rows += rows.num_rows

    def close(self) -> list[WrittenFile]:
        """The complete files. Raises OSError."""
        self._end_part()
        return self._done

    def _open(self, names: list[str]) -> PartFile:
        self._file = PartFile(self._folder / withdrawn_csv_name(self._labels, len(self._done) + 1))
        self._file.write((",".join(f'"{name}"' for name in names) + "\n").encode())
        return self._file

    def _end_part(self) -> None:
        if self._file is not None:
            self._done.append(self._file.complete(self._rows, "withdrawn", "csv", SCHEMA_VERSION))
            self._file, self._rows = None, 0


def _texts(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Times as the reports have them, dictionaries as plain text."""
    columns = {}
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if pa.types.is_timestamp(column.type):
            columns[name] = column.cast(pa.timestamp("us")).cast(pa.string())
        elif pa.types.is_dictionary(column.type):
            columns[name] = column.cast(pa.string())
        else:
            columns[name] = column
    return pa.RecordBatch.from_pydict(columns)
