"""OCSF Network Activity: valid by the published schema, lossless, and as a lake wants its files."""

import hashlib
import ipaddress
import json
import re
import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from as_read import row_of_event, told
from hypothesis import given, settings
from hypothesis import strategies as st
from parquet_pages import DATA_PAGES, pages
from rows_world import DOMAINS, LABELS, MIDNIGHT, batches, by_time, column_choices, row, rows

import collector
from collector.exports import network_activity, ocsf
from collector.exports.network_activity import leaves
from collector.exports.ocsf import OcsfWriter
from collector.segments.table import EVENTS

SCHEMA = json.loads((Path(__file__).parent / "reference" / "ocsf-1.7.0-network-activity.json").read_text())
MB = 1_000_000


def write(folder: Path, found, *, part_bytes=None, **cut):
    """Write the rows; what the writer says of its files."""
    writer = OcsfWriter(LABELS, folder, *([part_bytes] if part_bytes else []))
    for batch in batches(found, **cut):
        writer.write(batch)
    return writer.close()


def written(found, **cut) -> tuple[list[dict], list[bytes]]:
    """The events of all files in order, and the files; the writer's word on size, rows and hash is checked on the way."""
    with tempfile.TemporaryDirectory() as name:
        files = write(Path(name), found, **cut)
        assert sorted(path.name for path in Path(name).iterdir()) == sorted(file.name for file in files)
        events, contents = [], []
        for number, file in enumerate(files, 1):
            assert file.name == f"2026-11-21-avalanche-1-network_activity-p{number:03d}.parquet"
            content = (Path(name) / file.name).read_bytes()
            part = pq.read_table(Path(name) / file.name).to_pylist()
            assert (file.bytes, file.sha256, file.rows) == (
                len(content),
                hashlib.sha256(content).hexdigest(),
                len(part),
            )
            assert (file.dataset, file.format, file.schema_version) == ("events", "ocsf-parquet", 1)
            events += part
            contents.append(content)
    return events, contents


@settings(max_examples=120, deadline=None)
@given(found=rows(), columns=column_choices(), edges=st.lists(st.integers(1, 40)), coded=st.booleans())
def test_every_row_can_be_told_from_its_event(found, columns, edges, coded):
    """Each row comes back whole, to the microsecond, in order; what the annex does not give is nowhere."""
    found = by_time(found)
    events, _ = written(found, columns=columns, edges=edges, coded=coded)
    assert [row_of_event(event) for event in events] == [told(one, columns) for one in found]


@settings(max_examples=80, deadline=None)
@given(found=rows(), columns=column_choices())
def test_every_event_is_valid_by_the_published_schema(found, columns):
    """Attributes that the class and its objects have, those required there, types, enums and constraints."""
    events, _ = written(by_time(found), columns=columns)
    for event, one in zip(events, by_time(found), strict=True):
        check_object(event, SCHEMA["class"], "")
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"] == 400_101
        assert event["severity_id"] == 5
        assert event["metadata"]["version"] == SCHEMA["version"] == "1.7.0"
        assert event["metadata"]["product"]["version"] == collector.__version__
        assert (
            event["time"]
            == (one["timestamp"] - MIDNIGHT).total_seconds() * 1000 // 1 + MIDNIGHT.timestamp() * 1000
        )
        connection = event["connection_info"]
        assert connection["protocol_ver_id"] == ipaddress.ip_address(one["src_ip"]).version
        assert (connection["direction_id"], event["observation_point_id"]) == (1, 2)
        numbers = {"tcp": 6, "udp": 17, None: None}
        assert connection["protocol_num"] == numbers[connection["protocol_name"]]


def check_object(found: dict, told: dict, place: str):
    """An object against its schema, and all objects within."""
    present = {name for name, value in found.items() if value is not None}
    assert found.keys() <= told["attributes"].keys(), f"{place}: not in the schema"
    required = {name for name, one in told["attributes"].items() if one["requirement"] == "required"}
    assert required <= present, f"{place}: required and absent"
    if present == {"port"} and place == ".dst_endpoint":
        pass  # an annex that gives dst_port and neither address nor domain: the port is worth more than the constraint
    elif "at_least_one" in told["constraints"]:
        assert present & set(told["constraints"]["at_least_one"]), f"{place}: at least one of these is wanted"
    for name in present:
        one, values = told["attributes"][name], found[name]
        assert isinstance(values, list) == one.get("is_array", False)
        for value in values if isinstance(values, list) else [values]:
            check_value(value, one, f"{place}.{name}")


def check_value(value, one: dict, place: str):
    if one["type"] == "object_t":
        check_object(value, SCHEMA["objects"][one["object_type"]], place)
    elif one["type"] in ("integer_t", "long_t", "timestamp_t", "port_t"):
        assert type(value) is int
        assert value in one.get("enum", [value])
        assert one["type"] != "port_t" or 0 <= value <= 65_535
    else:
        assert type(value) is str
        assert value
        if one["type"] == "ip_t":
            ipaddress.ip_address(value)
        elif one["type"] == "json_t":
            assert type(json.loads(value)) is dict


def test_closed_list_of_attributes():
    """What an event can hold, leaf by leaf, is this list: nothing of what was sent, no room for it."""
    assert list(leaves(network_activity.SCHEMA)) == [
        *("class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "time"),
        *(
            "metadata.version",
            "metadata.product.name",
            "metadata.product.vendor_name",
            "metadata.product.version",
        ),
        *("metadata.uid", "metadata.original_time"),
        *(
            "src_endpoint.ip",
            "src_endpoint.port",
            "src_endpoint.autonomous_system.number",
            "src_endpoint.location.country",
        ),
        *("dst_endpoint.ip", "dst_endpoint.port", "dst_endpoint.hostname"),
        *(
            f"connection_info.{name}"
            for name in ("direction_id", "protocol_num", "protocol_name", "protocol_ver_id")
        ),
        *("observation_point_id", "traffic.bytes_in"),
        *(f"enrichments.list.element.{name}" for name in ("name", "value", "type", "provider", "data")),
    ]
    for never in ("http_request", "raw_data", "unmapped"):
        assert not [name for name in leaves(network_activity.SCHEMA) if never in name]


def test_enrichment_is_told_of_the_sinkhole():
    """Of dst_endpoint.ip; of src_endpoint.ip where the annex keeps dst_ip back; absent where nothing of it is given."""
    whole, without, bare = (
        written([row()], columns=columns)[0][0]["enrichments"]
        for columns in ((), tuple(name for name in EVENTS.names if name != "dst_ip"), ("dst_ip", *KEYS))
    )
    assert whole == [
        {
            "name": "dst_endpoint.ip",
            "value": "198.51.100.7",
            "type": "sinkhole",
            "provider": "Pentrap",
            "data": '{"family":"tinba","infection":"avalanche-tinba","application":"http","source_trust":"handshake"}',
        }
    ]
    assert without == [whole[0] | {"name": "src_endpoint.ip", "value": "192.0.2.1"}]
    assert bare is None


KEYS = ("timestamp", "src_ip", "src_port", "order_id", "stream", "record")


# Files


@pytest.fixture
def small_groups(monkeypatch):
    """Row groups of 20 rows."""
    monkeypatch.setattr(ocsf, "FORM", ocsf.FORM._replace(group_rows=20))


@settings(max_examples=30, deadline=None)
@given(found=rows(max_size=80), edges=st.lists(st.integers(1, 80)), coded=st.booleans())
def test_bytes_do_not_depend_on_batches(found, edges, coded):
    """The same rows, cut into other batches, are the same files, groups and parts: to the byte."""
    found = by_time(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ocsf, "FORM", ocsf.FORM._replace(group_rows=20))
        assert written(found, part_bytes=200_000) == written(
            found, edges=edges, coded=coded, part_bytes=200_000
        )


@pytest.mark.usefixtures("small_groups")
def test_parts_are_of_bounded_size_and_make_up_the_whole():
    """Each part is a file of its own within the size, ends only for want of room, and no row is lost or repeated."""
    found = [row(record=number, timestamp=MIDNIGHT, domain=f"d{number}.com") for number in range(2000)]
    events, parts = written(found, part_bytes=1_000_000, edges=range(7, 2000, 7))
    assert [row_of_event(event)["record"] for event in events] == list(range(2000))
    assert 5 < len(parts) < 10
    assert max(map(len, parts)) <= 1_000_000
    assert len(written(found)[1]) == 1


def test_no_rows_are_a_file_without_rows():
    """A day without a row is published too: a file that says so, in the same columns."""
    events, (content,) = written([])
    assert events == []
    assert content[:4] == content[-4:] == b"PAR1"


def test_l34_each_file_says_what_it_is(tmp_path):
    """Order, day, TLP, purpose, partner, schema version and producer are in the file's own metadata."""
    (file,) = write(tmp_path, [row()])
    said = pq.ParquetFile(tmp_path / file.name).metadata.metadata
    assert {key.decode(): value.decode() for key, value in said.items()} == {
        "pentrap.dataset": "network_activity",
        "pentrap.schema_version": "1",
        "pentrap.order": "avalanche-1",
        "pentrap.day": "2026-11-21",
        "pentrap.supplement": "0",
        "pentrap.tlp": "TLP:AMBER",
        "pentrap.purpose": "victim notification",
        "pentrap.partner": "shadowserver",
        "pentrap.producer": f"pentrap {collector.__version__}",
    }


def test_pages_and_groups_are_as_the_lake_wants_them(tmp_path, monkeypatch):
    """zstd, pages of at most 1 MB and row groups of at most 256 MB, with the longest names there can be, all distinct."""
    monkeypatch.setattr(ocsf, "FORM", ocsf.FORM._replace(group_rows=40_000))
    longest = ".".join(["a" * 63] * 3)
    many = [
        row(
            record=10**18 + number,
            domain=f"{number:060d}.{longest}",
            src_asn=number,
            family="f" * 64,
            src_ip=f"2001:db8:1111:2222:3333:4444:{number >> 16:x}:{number & 0xFFFF:x}",
        )
        for number in range(60_000)
    ]
    (file,) = write(tmp_path, many)
    path = tmp_path / file.name
    found = [page for page in pages(path) if page.kind in DATA_PAGES]
    assert max(page.plain for page in found) <= MB
    assert len([page for page in found if page.column == "dst_endpoint.hostname"]) > 20
    assert all(page.plain <= MB for page in pages(path))
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [40_000, 20_000]
    assert max(group.total_byte_size for group in groups) * (1 << 17) / 40_000 < 256 * MB
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    assert {chunk.compression for chunk in chunks} == {"ZSTD"}
    assert {code for chunk in chunks for code in chunk.encodings} <= {"PLAIN", "RLE", "RLE_DICTIONARY"}
    assert all(chunk.is_stats_set for chunk in chunks)


def test_pandas_polars_and_duckdb_read_it(tmp_path):
    """Three tools of recipients find the same values in the nested columns, and the types that OCSF says."""
    found = by_time(
        [
            row(record=number, src_asn=number or None, src_geo=None if number % 3 else "DE", domain=domain)
            for number, domain in enumerate([*DOMAINS, None])
        ]
    )
    (file,) = write(tmp_path, found)
    path = tmp_path / file.name
    want = [told(one) for one in found]
    assert [row_of_event(event) for event in pl.read_parquet(path).to_dicts()] == want
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    assert [row_of_event(event) for event in frame.to_dict("records")] == want
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    events = [dict(zip(relation.columns, one, strict=True)) for one in relation.fetchall()]
    assert [row_of_event(event) for event in events] == want
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    assert {name: types[name] for name in ("class_uid", "type_uid", "time")} == {
        "class_uid": "INTEGER",
        "type_uid": "BIGINT",
        "time": "BIGINT",
    }
    counted = duckdb.sql(
        "SELECT enrichments[1].data->>'$.family', src_endpoint.location.country, count(*)"
        f" FROM read_parquet('{path}') WHERE dst_endpoint.port = 80 GROUP BY ALL ORDER BY ALL"
    )
    assert counted.fetchall() == [("tinba", "DE", 2), ("tinba", None, 4)]


def test_l35_every_event_can_be_traced_to_a_subscriber():
    """UTC with microseconds, source address and port, transport, destination port: in every event."""
    for number in range(3):
        ((event,), _) = written([row(src_port=number, timestamp=MIDNIGHT.replace(microsecond=number))])
        assert event["metadata"]["original_time"] == f"2026-11-21 00:00:00.00000{number}Z"
        assert re.fullmatch(r"[0-9a-f.:]+", event["src_endpoint"]["ip"])
        assert (event["src_endpoint"]["port"], event["dst_endpoint"]["port"]) == (number, 80)
        assert (event["connection_info"]["protocol_name"], event["connection_info"]["protocol_num"]) == (
            "tcp",
            6,
        )
