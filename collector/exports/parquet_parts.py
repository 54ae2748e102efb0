"""Rows cut into Parquet: row groups by their number, parts by their bytes, as they are seen.

The same rows make the same files however the engine cuts its batches. What a row group's columns are made of, and how they are
encoded, is the format's own (`native`, `ocsf`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from collector.exports.kinds import FileDataset, FileFormat, Labels, WrittenFile
from collector.exports.labels import metadata_of
from collector.exports.layout import parquet_name
from collector.exports.parts import PART_BYTES_MAX, PartFile


class Form(NamedTuple):
    """What one format's files are like."""

    named: str
    """The dataset as the files' names and metadata say it."""
    dataset: FileDataset
    format: FileFormat
    schema: pa.Schema
    schema_version: int
    group_rows: int
    options: dict[str, Any]
    """Of Arrow's writer: compression, encodings."""
    footer_bytes: int = 0
    """Room that a part keeps for each row group's share of its footer."""


class ParquetParts:
    """Writes rows, in the order in which they come, into parts."""

    def __init__(
        self,
        labels: Labels,
        folder: Path,
        form: Form,
        made: Callable[[pa.Table], pa.Table],
        part_bytes: int = PART_BYTES_MAX,
    ) -> None:
        """`made`: a row group's rows become the columns of `form.schema`. Nothing is created before one is whole."""
        self._labels, self._folder, self._form, self._made = labels, folder, form, made
        self._part_bytes = part_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._open: tuple[PartFile, pq.ParquetWriter] | None = None
        self._rows = self._groups = self._largest_group = 0
        self._done: list[WrittenFile] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in; a row group is written once it is whole. Raises OSError."""
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        while self._waiting_rows >= self._form.group_rows:
            self._write_group(self._form.group_rows)

    def close(self) -> list[WrittenFile]:
        """Write what is left; the complete files: at least one, without rows if there were none. Raises OSError."""
        if self._waiting_rows:
            self._write_group(self._waiting_rows)
        if not self._done:
            self._part()
        self._end_part()
        return self._done

    def _write_group(self, count: int) -> None:
        table = pa.Table.from_batches(self._waiting)
        rest = table.slice(count)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows
        file, parquet = self._part()
        before = file.tell()
        parquet.write_table(self._made(table.slice(0, count)), row_group_size=self._form.group_rows)
        self._rows += count
        self._groups += 1
        self._largest_group = max(self._largest_group, file.tell() - before)
        # Room for another group that compresses worse than any before, and for the footer.
        footer = (self._groups + 1) * self._form.footer_bytes
        if file.tell() + 2 * self._largest_group + footer > self._part_bytes:
            self._end_part()

    def _part(self) -> tuple[PartFile, pq.ParquetWriter]:
        if self._open is None:
            form = self._form
            file = PartFile(self._folder / parquet_name(self._labels, form.named, len(self._done) + 1))
            parquet = pq.ParquetWriter(
                file,
                form.schema,
                compression="zstd",
                write_statistics=True,
                write_page_index=True,
                write_page_checksum=True,
                store_schema=False,  # plain Parquet types, whatever Arrow had in memory
                **form.options,
            )
            parquet.add_key_value_metadata(metadata_of(self._labels, form.named, form.schema_version))
            self._open = file, parquet
        return self._open

    def _end_part(self) -> None:
        if self._open is None:
            return
        file, parquet = self._open
        parquet.close()
        form = self._form
        self._done.append(file.complete(self._rows, form.dataset, form.format, form.schema_version))
        self._open, self._rows, self._groups = None, 0, 0
