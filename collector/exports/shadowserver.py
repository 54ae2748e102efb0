"""`events` in the form of Shadowserver's sinkhole reports, which IntelMQ and n6, and so the national CERTs, already read.

    event4_sinkhole_http, event6_sinkhole_http    application http, from IPv4 and IPv6
    event4_sinkhole, event6_sinkhole              tls, opaque, UDP

The columns are those of Shadowserver's own schema as of 2026-03-24 (copies: tests/exports/reference/; in words:
https://www.shadowserver.org/what-we-do/network-reporting/sinkhole-events-report/); every file has all of them, in that
order. What the annex does not give is empty, and so are the columns of content (http_url, http_agent, http_referer,
forwarded_by, machine_name, ssl_cipher, version): nothing of that is recorded. Where `application` is not given no row is
called HTTP, and no column says how its domain was named.

Bytes as in Shadowserver's own files: the header and texts in double quotes, numbers bare, nothing for what is absent, lines
ended by LF. IntelMQ's parser opens them with Python's csv dialect "unix", whose line end is LF as well. No text here needs
escaping: each is the schedule's, a name of ours or a canonical address, all of alphabets without quote, comma and line
end, and none begins with a character that makes a spreadsheet calculate (`=`, `+`, `-`, `@`).

Arrow's CSV writer makes a row's 39 cells in about 650 ns, timestamps and numbers included; joining the row's pieces with
`binary_join_element_wise` takes 1,030 ns, and Arrow's `strftime` alone 1,980 ns. With sorting into reports and hashing, a
row of 234 bytes takes 1.1 us, 900,000 rows a second, on one of two shared cores; DuckDB's COPY takes 2.3 us to one file.

A CSV file has no place for metadata: a line before the header would be taken for the header. So the name says order and
day, and the manifest the rest (law.md L-34).
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

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
_EMPTY = pa.nulls(SLICE_ROWS, pa.string())
_SEVERITY = pa.array([SEVERITY] * SLICE_ROWS, pa.string())
_LINES = csv.WriteOptions(include_header=False, quoting_style="needed", batch_size=1 << 12)
"""Arrow calls quotes needed around every text, as a text could hold one: just what Shadowserver writes."""
_SAME = {"protocol": "transport", "tag": "infection"} | {
    name: name
    for name in (
        "src_ip",
        "src_port",
        "src_asn",
        "src_geo",
        "dst_ip",
        "dst_port",
        "infection",
        "family",
        "application",
    )
}
"""The columns of a report that give a column of `events` as it is."""
_USED = {*_SAME.values(), "timestamp", "domain", "stream", "record"}


class ShadowserverWriter:
    """Writes rows of `events`, in the order in which they come, into reports and parts of reports."""

    def __init__(self, labels: Labels, folder: Path, part_bytes: int = PART_BYTES_MAX) -> None:
        """Nothing is created before a row comes."""
        self._reports = {
            name: _Report(name, columns, labels, folder, part_bytes) for name, columns in REPORTS.items()
        }

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in. Raises OSError."""
        used = batch.select([name for name in batch.schema.names if name in _USED])
        for start in range(0, batch.num_rows, SLICE_ROWS):
            self._write_slice(used.slice(start, SLICE_ROWS))

    def close(self) -> list[WrittenFile]:
        """The complete files, none for a report without a row. Raises OSError."""
        return [file for report in self._reports.values() for file in report.close()]

    def _write_slice(self, rows: pa.RecordBatch) -> None:
        of_six = pc.match_substring(rows.column("src_ip").cast(pa.string()), ":")
        for number, chosen in (("4", pc.invert(of_six)), ("6", of_six)):
            ours = _where(rows, chosen)
            if "application" in rows.schema.names:
                http = pc.equal(ours.column("application"), "http")
                self._reports[f"event{number}_sinkhole_http"].write(_where(ours, http))
                ours = _where(ours, pc.invert(http))
            self._reports[f"event{number}_sinkhole"].write(ours)


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
        text, count = _lines(rows, self._columns), rows.num_rows
        file = self._file or self._open()
        if file.tell() + len(text) <= self._part_bytes:
            file.write(text)
            self._rows += count
            return
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n")) + 1
        first, start = 0, 0
        while first < count:
            last = int(np.searchsorted(ends, start + self._part_bytes - file.tell(), side="right"))
            if last > first or not self._rows:  # a row is written whole, even one that no part has room for
                last = max(last, first + 1)
                file.write(text[start : int(ends[last - 1])])
                self._rows += last - first
                first, start = last, int(ends[last - 1])
            if first < count:
                self._end_part()
                file = self._open()

    def close(self) -> list[WrittenFile]:
        self._end_part()
        return self._done

    def _open(self) -> PartFile:
        self._file = PartFile(self._folder / report_name(self._labels, self._name, len(self._done) + 1))
        self._file.write(self._header)
        return self._file

    def _end_part(self) -> None:
        if self._file is not None:
            self._done.append(self._file.complete(self._rows, "events", "shadowserver-csv", SCHEMA_VERSION))
            self._file, self._rows = None, 0


def _lines(rows: pa.RecordBatch, columns: tuple[str, ...]) -> pa.Buffer:
    """At most SLICE_ROWS rows as lines of CSV."""
    made = pa.BufferOutputStream()
    cells = {column: _cells(rows, column) for column in columns}
    csv.write_csv(pa.RecordBatch.from_pydict(cells), made, _LINES)
    return made.getvalue()


def _cells(rows: pa.RecordBatch, column: str) -> pa.Array:
    """A column of a report; null is an empty cell."""
    given = rows.schema.names
    if column == "severity":
        return _SEVERITY.slice(0, rows.num_rows)
    if column == "timestamp":
        return rows.column("timestamp").cast(pa.timestamp("us")).cast(pa.string())
    if column == "event_id":
        record = rows.column("record").cast(pa.string())
        return pc.binary_join_element_wise(rows.column("stream").cast(pa.string()), record, "-")
    if column == "http_host" and {"domain", "application"}.issubset(given):
        return rows.column("domain").cast(pa.string())  # every row of this report is HTTP
    if column == "ssl_servername" and {"domain", "application"}.issubset(given):
        tls = pc.equal(rows.column("application"), "tls")
        return pc.if_else(tls, rows.column("domain").cast(pa.string()), pa.scalar(None, pa.string()))
    if _SAME.get(column) in given:
        same = rows.column(_SAME[column])
        return same.cast(pa.string()) if pa.types.is_dictionary(same.type) else same
    return _EMPTY.slice(0, rows.num_rows)


def _where(rows: pa.RecordBatch, chosen: pa.BooleanArray) -> pa.RecordBatch:
    """The chosen rows, without a copy where all or none are."""
    count = chosen.true_count
    return rows if count == rows.num_rows else rows.filter(chosen) if count else rows.slice(0, 0)
