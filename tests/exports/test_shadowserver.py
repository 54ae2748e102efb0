"""Shadowserver's form, read by what is not ours: Python's csv, the published schema, IntelMQ's map of its fields."""

import csv
import hashlib
import io
import ipaddress
import json
import re
import tempfile
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from as_read import SCHEMA, read_reports, report, report_of, report_row
from hypothesis import given, settings
from hypothesis import strategies as st
from rows_world import LABELS, MIDNIGHT, batches, by_address, column_choices, row, rows

from collector.exports.shadowserver import REPORTS, SLICE_ROWS, ShadowserverWriter
from collector.orders.schedule import FAMILY

REFERENCE = Path(__file__).parent / "reference"
FEEDS = {
    feed["file_name"]: feed
    for name, feed in json.loads((REFERENCE / "intelmq-sinkhole.json").read_text()).items()
    if name != "_meta"
}
CONTENT = (
    "http_url",
    "http_agent",
    "http_referer",
    "forwarded_by",
    "machine_name",
    "ssl_cipher",
    "version",
    "dst_hostname",
)


def write(folder: Path, found, *, part_bytes=None, **cut):
    """Write the rows; what the writer says of its files."""
    writer = ShadowserverWriter(LABELS, folder, *([part_bytes] if part_bytes else []))
    for batch in batches(found, **cut):
        writer.write(batch)
    return writer.close()


def written(found, **cut) -> dict[str, str]:
    """The content of each file by its name; the writer's word on size, rows and hash is checked on the way."""
    with tempfile.TemporaryDirectory() as name:
        files = write(Path(name), found, **cut)
        contents = {path.name: path.read_bytes() for path in Path(name).iterdir()}
    assert sorted(contents) == sorted(file.name for file in files)
    for file in files:
        content = contents[file.name]
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert file.rows == content.count(b"\n") - 1
        assert (file.dataset, file.format, file.schema_version) == ("events", "shadowserver-csv", 1)
    return {name: content.decode("ascii") for name, content in contents.items()}


def test_columns_are_the_published_ones():
    """The four reports' columns and order are those of the schema that Shadowserver publishes."""
    assert {name: list(columns) for name, columns in REPORTS.items()} == {
        name: SCHEMA[name]["fields"] for name in REPORTS
    }


@settings(max_examples=150, deadline=None)
@given(found=rows(), columns=column_choices(), edges=st.lists(st.integers(1, 40)), coded=st.booleans())
def test_every_row_comes_back_in_its_report_in_order(found, columns, edges, coded):
    """What csv reads is, row by row and cell by cell, what was written, and nothing that the annex does not give."""
    found = by_address(found)
    want = defaultdict(list)
    for one in found:
        cut = {name: value for name, value in one.items() if not columns or name in columns}
        want[report(cut)].append(report_row(cut))
    assert read_reports(written(found, columns=columns, edges=edges, coded=coded)) == dict(want)


@settings(max_examples=50, deadline=None)
@given(
    found=rows(), edges=st.lists(st.integers(1, 40)), coded=st.booleans(), part_bytes=st.integers(300, 3000)
)
def test_bytes_do_not_depend_on_batches(found, edges, coded, part_bytes):
    """The same rows, cut into other batches, are the same files: parts too."""
    found = by_address(found)
    assert written(found, part_bytes=part_bytes) == written(
        found, edges=edges, coded=coded, part_bytes=part_bytes
    )


@settings(max_examples=50, deadline=None)
@given(found=rows(), part_bytes=st.integers(1000, 4000))
def test_parts_are_of_bounded_size_and_make_up_the_whole(found, part_bytes):
    """No part is larger than asked for, each has the header, none is empty, and the next row would not have fitted."""
    found = by_address(found)
    whole, parts = written(found), defaultdict(dict)
    for name, content in written(found, part_bytes=part_bytes).items():
        parts[report_of(name)][name] = content
    for name, content in whole.items():
        header, _, lines = content.partition("\n")
        pieces = [parts[report_of(name)][one] for one in sorted(parts[report_of(name)])]
        assert sorted(parts[report_of(name)]) == [
            name.replace("p001", f"p{number:03d}") for number in range(1, len(pieces) + 1)
        ]
        assert {piece.partition("\n")[0] for piece in pieces} == {header}
        bodies = [piece.partition("\n")[2] for piece in pieces]
        assert "".join(bodies) == lines
        assert all(bodies)
        assert max(map(len, pieces)) <= part_bytes
        for piece, following in zip(pieces, bodies[1:], strict=False):
            assert len(piece) + following.index("\n") + 1 > part_bytes


@pytest.mark.parametrize("edges", [(), range(1, 20), (3,)])
@pytest.mark.parametrize(("spare", "rows_a_part"), [(0, 3), (1, 3), (-1, 2), (-10_000, 1)])
def test_a_part_is_full_to_the_byte(edges, spare, rows_a_part):
    """A row that ends exactly at the size is in the part; a row that no part has room for is one by itself, whole."""
    many = [row(record=number) for number in range(1, 10)]
    header, line, *_ = next(iter(written(many).values())).splitlines(keepends=True)
    size = max(len(header) + 3 * len(line) + spare, 10)
    counts = [
        content.count("\n") - 1 for _, content in sorted(written(many, edges=edges, part_bytes=size).items())
    ]
    assert counts == [rows_a_part] * (9 // rows_a_part) + [9 % rows_a_part] * bool(9 % rows_a_part)


def test_a_slice_of_a_large_batch_is_not_noticed():
    """A batch larger than is made into text at once loses and repeats nothing."""
    many = [row(record=number) for number in range(SLICE_ROWS + 3)]
    assert [
        int(one["event_id"].rpartition("-")[2]) for one in read_reports(written(many))["event4_sinkhole_http"]
    ] == list(range(SLICE_ROWS + 3))


def test_a_report_without_a_row_has_no_file():
    """No file for a report without a row; none at all without rows."""
    assert written([]) == {}
    assert [
        report_of(name) for name in written([row(src_ip="2001:db8::7", application="opaque", domain=None)])
    ] == ["event6_sinkhole"]


# What a recipient's tools do with it


def convert(conversion: str, value: str, one: dict):
    """IntelMQ's conversions, as its documentation has them."""
    if conversion == "add_UTC_to_timestamp":
        return datetime.strptime(value + " UTC", "%Y-%m-%d %H:%M:%S.%f %Z").replace(tzinfo=UTC)
    if conversion == "validate_ip":
        return value if value != "0.0.0.0" and value and ipaddress.ip_address(value) else None
    if conversion == "convert_int":
        return int(value) if value else None
    if conversion == "invalidate_zero":
        return int(value) or None if value else None
    if conversion == "validate_to_none":
        return value if value not in ("", "0", "unknown") else None
    if conversion == "validate_fqdn":
        return value if re.fullmatch(r"(?=.{4,253}$)([a-z0-9_-]{1,63}\.)+[a-z][a-z0-9-]*", value) else None
    if conversion == "convert_http_host_and_url":
        return f"http://{one['http_host']}{value}" if one["http_host"] and value else value
    raise AssertionError(f"IntelMQ has no conversion {conversion}")


def intelmq_event(feed: dict, one: dict) -> dict:
    """The event that IntelMQ's Shadowserver parser makes of a row: required fields must be there and convert."""
    event, left = dict(feed["constant_fields"]), dict(one)
    for number, (key, column, *conversion) in enumerate(feed["required_fields"] + feed["optional_fields"]):
        value = convert(conversion[0], one[column], one) if conversion else one[column]
        left.pop(column, None)
        if number < len(feed["required_fields"]):
            assert value not in (None, ""), f"required column {column}"
        if value not in (None, ""):
            event["extra." + column if key == "extra." else key] = value
    assert left == {}, "a column that IntelMQ's map does not name"
    return event


@settings(max_examples=100, deadline=None)
@given(found=rows())
def test_intelmq_reads_every_row(found):
    """Each file's name leads to its feed, and its map finds address, port, time, malware and domain in every row."""
    found = [one for one in by_address(found) if one["src_ip"] != "0.0.0.0"]
    events = [
        intelmq_event(FEEDS[name], one)
        for name, lines in sorted(read_reports(written(found)).items())
        for one in lines
    ]
    want = sorted(found, key=report)
    assert len(events) == len(want)
    for event, one in zip(events, want, strict=True):
        assert (event["source.ip"], event["source.port"]) == (one["src_ip"], one["src_port"])
        assert event["time.source"] == one["timestamp"]
        assert event["protocol.transport"] == one["transport"]
        assert event["classification.type"] == "infected-system"
        assert (
            event["malware.name"]
            == event["classification.identifier"]
            == one["infection"]
            == event["extra.tag"]
        )
        assert (event["extra.family"], event["severity"]) == (one["family"], "critical")
        assert event.get("source.asn") == (one["src_asn"] or None)
        assert event.get("source.geolocation.cc") == one["src_geo"]
        assert event.get("destination.fqdn") == (one["domain"] if one["application"] == "http" else None)
        assert event.get("extra.ssl_servername") == (one["domain"] if one["application"] == "tls" else None)
        assert not [key for key in event if key.rpartition(".")[2] in CONTENT or key == "destination.url"]


def test_names_are_what_intelmq_takes_a_report_from():
    """Date, report, order, part: no dot in the suffix, and IntelMQ finds the report in it."""
    names = list(
        written([row(), row(src_ip="::1"), row(application="tls"), row(src_ip="::1", application="tls")])
    )
    assert sorted(names) == [f"2026-11-21-{name}-avalanche-1-p001.csv" for name in sorted(REPORTS)]
    assert {report_of(name) for name in names} == set(REPORTS) <= set(FEEDS)


def test_a_supplement_has_names_of_its_own(tmp_path):
    """Its number stands before the part's, and IntelMQ finds the report all the same."""
    writer = ShadowserverWriter(LABELS._replace(supplement=12), tmp_path)
    writer.write(batches([row()])[0])
    (file,) = writer.close()
    assert file.name == "2026-11-21-event4_sinkhole_http-avalanche-1-s12-p001.csv"
    assert report_of(file.name) == "event4_sinkhole_http"


def test_bytes_as_shadowserver_writes_them():
    """Texts in quotes, numbers bare, nothing for what is absent, LF at each end."""
    (content,) = written(
        [row(src_geo=None, domain=None, application="opaque", transport="udp", dst_port=16464)]
    ).values()
    assert content.partition("\n")[2] == (
        '"2026-11-21 10:00:00.123456","udp","192.0.2.1",50000,64500,,,,,,,,,,"critical","198.51.100.7",16464,'
        ',,,,,,,,"avalanche-tinba","tinba","avalanche-tinba","opaque",,"sinkhole-1.0.1795305600000000-7",,\n'
    )


def test_l35_every_row_can_be_traced_to_a_subscriber():
    """UTC with microseconds, source address and port, transport, destination port: in every row of a report."""
    ((one,),) = read_reports(written([row(src_port=1, timestamp=MIDNIGHT)])).values()
    assert one["timestamp"] == "2026-11-21 00:00:00.000000"
    found = [one[name] for name in ("src_ip", "src_port", "protocol", "dst_ip", "dst_port")]
    assert found == ["192.0.2.1", "1", "tcp", "198.51.100.7", "80"]


def test_pandas_reads_a_report(tmp_path):
    """A table tool finds the columns and types without being told."""
    write(tmp_path, [row(record=number) for number in range(3)])
    table = pd.read_csv(next(tmp_path.iterdir()), parse_dates=["timestamp"])
    assert list(table.columns) == SCHEMA["event4_sinkhole_http"]["fields"]
    assert list(table["src_port"]) == [50_000] * 3
    assert table["timestamp"][0] == pd.Timestamp("2026-11-21 10:00:00.123456")


FORMULA = "=+-@\t\r"
"""What makes a spreadsheet calculate, at the start of a cell (OWASP, CSV injection)."""


@pytest.mark.parametrize("start", FORMULA)
def test_nothing_that_begins_a_formula_is_listed(start):
    """The alphabets of what a row can hold: a family, and so an infection, cannot begin with it, nor end a cell."""
    assert not FAMILY.fullmatch(start + "cmd")
    assert not FAMILY.fullmatch('a"b')


@settings(max_examples=50, deadline=None)
@given(found=rows())
def test_no_cell_is_a_formula_or_spans_lines(found):
    """No cell begins with a formula's characters or holds a quote or a line end."""
    contents = written(by_address(found))
    for name, content in contents.items():
        assert content.count("\n") == len(list(csv.reader(io.StringIO(content))))
        for one in csv.reader(io.StringIO(content), dialect="unix"):
            assert len(one) == len(REPORTS[report_of(name)])
            assert not [cell for cell in one if cell[:1] in tuple(FORMULA) or set(cell) & set('"\n\r,')]
