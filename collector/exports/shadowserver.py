"""`events` in the form of Shadowserver's sinkhole reports, which IntelMQ and n6, and so the national CERTs, already read.

    event4_sinkhole_http, event6_sinkhole_http    application http, from IPv4 and IPv6
    event4_sinkhole, event6_sinkhole              tls, opaque, UDP

The columns are those of https://interchange.shadowserver.org/schema/reports, as published on 2026-03-24; every file has
all of them, in that order. What the annex does not give is empty, and so are the columns of content (http_url, http_agent,
http_referer, forwarded_by, machine_name, ssl_cipher, version): nothing of that is recorded. Where `application` is not
given no row is called HTTP, and no column says how its domain was named.

Bytes as in Shadowserver's own files: the header and texts in double quotes, numbers bare, nothing for what is absent, lines
ended by LF. IntelMQ's parser opens them with Python's csv dialect "unix", whose line end is LF as well. No text here needs
escaping: each is the schedule's, a name of ours or a canonical address, all of alphabets without quote, comma and line
end, and none begins with a character that makes a spreadsheet calculate (`=`, `+`, `-`, `@`).

A CSV file has no place for metadata: a line before the header would be taken for the header. So the name says order and
day, and the manifest the rest (law.md L-34).
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.exports.kinds import Labels, WrittenFile
from collector.exports.layout import report_name
from collector.exports.parts import PART_BYTES_MAX, PartFile

SCHEMA_VERSION = 1
"""Raised whenever a column is added or taken away, or what fills it changes; 1 is the schema published on 2026-03-24."""
_SHARED = (
    *("timestamp", "protocol", "src_ip", "src_port", "src_asn", "src_geo", "src_region", "src_city"),
    *("src_hostname", "src_naics", "src_sector", "device_vendor", "device_type", "device_model", "severity"),
    *("dst_ip", "dst_port", "dst_asn", "dst_geo", "dst_region", "dst_city", "dst_hostname", "dst_naics"),
    *("dst_sector", "public_source", "infection", "family", "tag", "application", "version", "event_id"),
)
SINKHOLE = (*_SHARED, "ssl_cipher", "ssl_servername")
SINKHOLE_HTTP = (
    *_SHARED,
    *("http_url", "http_host", "http_agent", "forwarded_by", "ssl_cipher", "http_referer"),
    *("ssl_servername", "machine_name"),
)
REPORTS = {
    "event4_sinkhole": SINKHOLE,
    "event4_sinkhole_http": SINKHOLE_HTTP,
    "event6_sinkhole": SINKHOLE,
    "event6_sinkhole_http": SINKHOLE_HTTP,
}
"""The columns of each report, in order."""
SEVERITY = "critical"
SLICE_ROWS = 1 << 15
"""Rows made into text at a time: about 8 MB, so that memory does not follow the size of a batch."""
_TEXTS = {"protocol": "transport", "infection": "infection", "family": "family", "tag": "infection"} | {
    name: name for name in ("src_ip", "src_geo", "dst_ip", "application")
}
"""The columns of `events` that a report gives as they are."""
_NUMBERS = ("src_port", "src_asn", "dst_port")


class ShadowserverWriter:
    """Writes rows of `events`, in the order in which they come, into reports and parts of reports."""

    def __init__(self, labels: Labels, folder: Path, part_bytes: int = PART_BYTES_MAX) -> None:
        """Nothing is created before a row comes."""
        self._reports = {
            name: _Report(name, columns, labels, folder, part_bytes) for name, columns in REPORTS.items()
        }

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in. Raises OSError."""
        for start in range(0, batch.num_rows, SLICE_ROWS):
            rows = {name: _plain(batch.column(name)) for name in batch.schema.names}
            rows = {name: column.slice(start, SLICE_ROWS) for name, column in rows.items()}
            self._write_slice(pa.RecordBatch.from_pydict(rows))

    def close(self) -> list[WrittenFile]:
        """The complete files, none for a report without a row. Raises OSError."""
        return [file for report in self._reports.values() for file in report.close()]

    def _write_slice(self, rows: pa.RecordBatch) -> None:
        of_six = pc.match_substring(rows.column("src_ip"), ":")
        for number, family in (("4", pc.invert(of_six)), ("6", of_six)):
            if not pc.any(family).as_py():
                continue
            ours = rows.filter(family)
            if "application" not in rows.schema.names:
                self._reports[f"event{number}_sinkhole"].write(ours)
                continue
            http = pc.equal(ours.column("application"), "http")
            self._reports[f"event{number}_sinkhole_http"].write(ours.filter(http))
            self._reports[f"event{number}_sinkhole"].write(ours.filter(pc.invert(http)))


class _Report:
    """One report's files."""

    def __init__(
        self, name: str, columns: tuple[str, ...], labels: Labels, folder: Path, part_bytes: int
    ) -> None:
        self._name, self._columns, self._labels, self._folder = name, columns, labels, folder
        self._part_bytes = part_bytes
        self._header = (",".join(f'"{column}"' for column in columns) + "\n").encode()
        self._file: PartFile | None = None
        self._rows = 0
        self._done: list[WrittenFile] = []

    def write(self, rows: pa.RecordBatch) -> None:
        """A part ends before the row that would not fit: parts depend on the rows alone, not on batches."""
        if not rows.num_rows:
            return
        lines = _lines(rows, self._columns)
        _, ends, text = lines.buffers()
        offsets = np.frombuffer(ends, dtype=np.int32)[lines.offset : lines.offset + len(lines) + 1]
        at = 0
        while at < len(lines):
            if self._file is None:
                self._file = self._open()
            room = self._part_bytes - self._file.tell()
            fit = int(np.searchsorted(offsets, int(offsets[at]) + room, side="right")) - 1
            if fit <= at and self._rows:
                self._end_part()
                continue
            fit = max(fit, at + 1)
            self._file.write(text[int(offsets[at]) : int(offsets[fit])])
            self._rows += fit - at
            at = fit

    def close(self) -> list[WrittenFile]:
        self._end_part()
        return self._done

    def _open(self) -> PartFile:
        file = PartFile(self._folder / report_name(self._labels, self._name, len(self._done) + 1))
        file.write(self._header)
        return file

    def _end_part(self) -> None:
        if self._file is not None:
            self._done.append(self._file.complete(self._rows, "events", "shadowserver-csv", SCHEMA_VERSION))
            self._file, self._rows = None, 0


def _lines(rows: pa.RecordBatch, columns: tuple[str, ...]) -> pa.StringArray:
    """The rows as lines of CSV, each with its end: one join over the pieces that differ from row to row."""
    pieces: list[pa.Array | pa.Scalar] = []
    fixed = ""
    for number, column in enumerate(columns):
        fixed += "," if number else ""
        found = _field(rows, column)
        if isinstance(found, str):
            fixed += found
        else:
            pieces += [pa.scalar(fixed), *found]
            fixed = ""
    return pc.binary_join_element_wise(
        *pieces, pa.scalar(fixed + "\n"), "", null_handling="replace", null_replacement=""
    )


def _field(rows: pa.RecordBatch, column: str) -> str | list[pa.Array | pa.Scalar]:
    """A column of a report: the same text for all rows, or the pieces of each row's."""
    quote = pa.scalar('"')
    if column == "severity":
        return f'"{SEVERITY}"'
    if column == "timestamp":
        return [quote, rows.column("timestamp").cast(pa.timestamp("us")).cast(pa.string()), quote]
    if column == "event_id":
        return [
            quote,
            rows.column("stream"),
            pa.scalar("-"),
            rows.column("record").cast(pa.string()),
            quote,
        ]
    if column in ("http_host", "ssl_servername"):
        return _domain(rows, "http" if column == "http_host" else "tls")
    if column in _NUMBERS and column in rows.schema.names:
        return [rows.column(column).cast(pa.string())]
    source = _TEXTS.get(column, "")
    if source not in rows.schema.names:
        return ""
    texts = rows.column(source)
    return [_quoted(texts)] if texts.null_count else [quote, texts, quote]


def _domain(rows: pa.RecordBatch, application: str) -> str | list[pa.Array | pa.Scalar]:
    """The listed domain of the rows that named it in this way."""
    if "domain" not in rows.schema.names or "application" not in rows.schema.names:
        return ""
    named = pc.equal(rows.column("application"), application)
    domains = pc.if_else(named, rows.column("domain"), pa.scalar(None, pa.string()))
    return [_quoted(domains)] if domains.null_count < len(domains) else ""


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    """Texts in quotes; null stays null."""
    return pc.binary_join_element_wise(pa.scalar('"'), texts, pa.scalar('"'), "", null_handling="emit_null")


def _plain(column: pa.Array) -> pa.Array:
    """Dictionary-coded texts written out."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
