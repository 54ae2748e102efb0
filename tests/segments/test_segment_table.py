"""Records become rows: the slow model, pyarrow and DuckDB agree; the schema is closed."""

import ipaddress
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_world import DAY_US, NOON_US, STREAM, expected_rows, listed_rows, pack, record_strategy

from collector.ground.codes import Application, Kind, Transport, Trust
from collector.ground.errors import CorruptError
from collector.ground.record import FIELDS, RECORD_SIZE
from collector.orders.index import MARKER
from collector.segments.table import EVENTS, ROW, records_to_table
from collector.segments.write import write_segments

GOLDEN = Path(__file__).with_name("events-schema.json")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def stored(records: bytes, rules, directory: Path, first: int = 0) -> Path:
    [segment] = write_segments(directory, records, first, STREAM, rules)
    return segment.path(directory)


def by_duckdb(path: Path) -> list[dict]:
    """The file's rows as DuckDB reads them, timestamps as microseconds."""
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT * REPLACE (epoch_us(timestamp) AS timestamp) FROM read_parquet('{path}', hive_partitioning=false)"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def test_l10_the_stored_schema_is_the_golden_one(rules, tmp_path):
    """L-10: names, order, physical and logical types and nullability of every stored column, held against a copy."""
    schema = pq.ParquetFile(stored(pack(), rules, tmp_path)).schema
    found = [
        {
            "name": column.name,
            "physical": column.physical_type,
            "logical": json.loads(column.logical_type.to_json()),
            "nullable": column.max_definition_level == 1,
            "repeated": column.max_repetition_level == 1,
        }
        for column in (schema.column(place) for place in range(len(schema)))
    ]
    assert found == json.loads(GOLDEN.read_text())


def test_the_table_has_the_columns_of_the_contract(rules, tmp_path):
    """What is read back is EVENTS itself: plain strings, int32, int64 and timestamp[us, UTC]."""
    assert pq.read_schema(stored(pack(), rules, tmp_path)).remove_metadata() == EVENTS
    assert records_to_table(pack(), 0, STREAM, "sinkhole-1", rules).cast(EVENTS).schema == EVENTS


@QUICK
@given(data=st.data())
def test_rows_are_what_a_slow_model_says(data, rules, tmp_path_factory):
    """Any records: table, Parquet by pyarrow and Parquet by DuckDB equal the model, row for row, in order."""
    records = b"".join(data.draw(st.lists(record_strategy(rules), min_size=1, max_size=30)))
    first = data.draw(st.integers(0, 2**40))
    expected = expected_rows(records, first, STREAM, rules)
    assert records_to_table(records, first, STREAM, "sinkhole-1", rules).to_pylist() == expected
    path = stored(records, rules, tmp_path_factory.mktemp("model"), first)
    assert pq.ParquetFile(path).read().to_pylist() == expected
    for row in expected:
        moment = row["timestamp"]
        row["timestamp"] = int(moment.timestamp()) * 1_000_000 + moment.microsecond
    assert by_duckdb(path) == expected


@QUICK
@given(us=st.integers(NOON_US - DAY_US // 2, NOON_US + DAY_US // 2 - 1))
def test_the_microsecond_is_exact(us, rules, tmp_path_factory):
    """The stored integer is the record's own, not one that passed through a float."""
    path = stored(pack(time_us=us), rules, tmp_path_factory.mktemp("us"))
    assert pq.ParquetFile(path).read(["timestamp"])["timestamp"].cast(pa.int64()).to_pylist() == [us]
    assert by_duckdb(path)[0]["timestamp"] == us


def test_a_record_has_no_field_that_could_hold_text():
    """L-10: all a record holds is fixed-width integers and two 16-byte addresses, and no field more."""
    assert {ROW[field.name].kind for field in FIELDS if field.name not in ("src", "dst")} <= {"i", "u"}
    assert ROW["src"].itemsize == ROW["dst"].itemsize == 16
    assert ROW.itemsize == RECORD_SIZE == 58


CANARY = b"CANARY-tok3n-4711-GET/evil"


def open_columns(table: pa.Table, rules) -> set[str]:
    """String columns with a value that neither configuration, nor an enum, nor the canon of addresses accounts for."""
    names = {rules.index.name(row).decode() for row in listed_rows(rules)}
    families = {*rules.index.families, *rules.service_families}
    operations = {*rules.index.operations, *rules.service_operations}
    closed = {
        "source_trust": {m.name.lower() for m in Trust},
        "src_geo": set(),
        "mark": set(),
        "transport": {m.name.lower() for m in Transport},
        "application": {m.name.lower() for m in Application},
        "domain": names,
        "family": families,
        "infection": {f"{operation}-{family}" for operation in operations for family in families},
        "order_id": set(rules.order_ids),
        "sensor": {"sinkhole-1"},
        "stream": {STREAM},
    }
    found = set()
    for field in table.cast(EVENTS).schema:
        if field.type != pa.string():
            continue
        values = set(table.column(field.name).to_pylist()) - {None}
        if field.name in ("src_ip", "dst_ip"):
            if any(str(ipaddress.ip_address(value)) != value for value in values):
                found.add(field.name)
        elif not values <= closed[field.name]:
            found.add(field.name)
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_column_can_be_filled_from_wire_text(data, rules):
    """L-10: whatever 58 bytes a record holds, text of a canary included, either it is refused or all text is ours."""
    text = data.draw(st.one_of(st.just(CANARY), st.binary(min_size=58, max_size=58)))
    start = data.draw(st.integers(0, 57))
    raw = bytearray(data.draw(record_strategy(rules)))
    raw[start : start + len(text)] = text[: 58 - start]
    try:
        table = records_to_table(bytes(raw), 0, STREAM, "sinkhole-1", rules)
    except CorruptError as error:
        told = str(error)
    else:
        told = ""
        assert open_columns(table, rules) == set()
    assert "CANARY" not in told


def test_the_closed_set_finds_an_open_column(rules):
    """The check above is not blind: a planted column value of another origin is seen."""
    table = records_to_table(pack(), 0, STREAM, "sinkhole-1", rules)
    place = table.column_names.index("domain")
    assert open_columns(table.set_column(place, "domain", pa.array(["evil.example"])), rules) == {"domain"}
    place = table.column_names.index("src_ip")
    assert open_columns(table.set_column(place, "src_ip", pa.array(["2001:DB8::1"])), rules) == {"src_ip"}


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("subject", {"kind": Kind.DOMAIN, "subject": 10_000}),
        ("service", {"kind": Kind.SERVICE, "subject": 2}),
        ("order", {"order": 3}),
        ("order", {"order": 2}),
        ("transport", {"transport": 7}),
        ("application", {"application": 3}),
        ("trust", {"trust": 255}),
        ("kind", {"kind": 2}),
    ],
)
def test_a_number_that_the_rules_do_not_know_is_refused(field, fields, rules, tmp_path):
    """CorruptError names the field, nothing is written, no temporary stays."""
    with pytest.raises(CorruptError, match=f"field {field}: found number"):
        write_segments(tmp_path, pack() + pack(**fields) + pack(), 0, STREAM, rules)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_marker_of_the_index_is_not_a_domain(rules):
    """A row that only says that longer names are listed is nobody's infection."""
    marker = next(row for row in range(rules.index.count) if rules.index.terms_of_rows[row] == MARKER)
    with pytest.raises(CorruptError, match="field subject"):
        records_to_table(pack(kind=Kind.DOMAIN, subject=marker), 0, STREAM, "sinkhole-1", rules)


def test_a_dictionary_holds_only_what_its_rows_use(rules, tmp_path):
    """A segment carries no family, order or domain that none of its rows names."""
    record = pack(subject=rules.service_families.index("zeroaccess"), order=rules.order_ids.index("zero-1"))
    content = stored(record, rules, tmp_path).read_bytes()
    table = records_to_table(record, 0, STREAM, "sinkhole-1", rules)
    assert table["family"].chunk(0).dictionary.to_pylist() == ["zeroaccess"]
    for absent in (b"tinba", b"rovnix", b"avalanche", b"twice.net"):
        assert absent not in content


def test_rows_with_equal_times_stand_in_record_order(rules):
    """The sort is by time, then record number, even where time runs backwards in the journal."""
    times = [5, 3, 3, 9, 1, 3]
    table = records_to_table(
        b"".join(pack(time_us=NOON_US + t) for t in times), 100, STREAM, "sinkhole-1", rules
    )
    assert table["record"].to_pylist() == [104, 101, 102, 105, 100, 103]


def test_a_torn_record_is_not_guessed_at(rules):
    """Bytes that are no whole number of records are a mistake of the caller's."""
    with pytest.raises(ValueError, match="whole number"):
        records_to_table(pack()[:-1], 0, STREAM, "sinkhole-1", rules)
