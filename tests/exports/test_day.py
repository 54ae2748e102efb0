"""A day becomes publications: the right rows in the right order, once, whole; held against a plain model."""

import ipaddress
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from day_world import (
    DAY,
    OTHER_STREAM,
    STREAM,
    Day,
    entitlement,
    equation,
    given_rows,
    host_rows,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from publication_world import SENSOR
from segment_world import NOON_US, pack, record_strategy, subjects_by_operation

from collector.custody.quarantine import destroy, release, set_aside
from collector.exports import relations
from collector.exports.enrich import Enrichment, Span
from collector.exports.means import ExportError
from collector.exports.publication import publications
from collector.ground.errors import CorruptError
from collector.ground.record import IPV4_PREFIX

NETWORKS = ("0.0.0.0/1", "192.0.2.0/24", "::/1", "10.0.0.0/8", "ffff::/16")
COUNTRIES = ("DE", "US")
KEYS = ("timestamp", "src_ip", "src_port", "order_id", "stream", "record")


def made_up(address: int):
    """Countries by /2 of the 128 bits and by IPv4's /3; nothing is known of some."""
    if address >> 32 == 0xFFFF:
        part = address >> 29 & 7
        return [None, "DE", "US", "FR", "DE", None, "US", "CH"][part], address | ((1 << 29) - 1)
    last = address | ((1 << 126) - 1)
    return [None, "DE", None, "US"][address >> 126], min(
        last, (0xFFFF << 32) - 1
    ) if address < 0xFFFF << 32 else last


def numbers(address: int):
    return (64500 + (address >> 126) if address >> 32 != 0xFFFF else None), address | 0xFFFF_FFFF


ENRICHED = Enrichment(numbers, made_up, (Span(0xFFFF << 32, (0xFFFF << 32) + (1 << 31), "scanner"),), ())


def enriched(rows):
    """What the model says of the rows' addresses."""
    for row in rows:
        address = ipaddress.ip_address(row["src_ip"])
        value = int(address) + (0xFFFF << 32 if address.version == 4 else 0)
        row["src_geo"], row["src_asn"] = made_up(value)[0], numbers(value)[0]
        row["mark"] = "scanner" if (0xFFFF << 32) <= value <= (0xFFFF << 32) + (1 << 31) else None
    return rows


def some(values):
    return st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


ENTITLEMENTS = st.lists(
    st.builds(
        entitlement,
        partner=st.sampled_from(["shadowserver", "us-cert", "fkie"]),
        order=st.sampled_from(["avalanche-1", "zero-1"]),
        families=some(["tinba", "citadel", "bugat/dridex", "zeroaccess", "rovnix"]),
        countries=some(COUNTRIES),
        networks=some(NETWORKS),
        columns=st.sampled_from([(), (*KEYS, "family"), (*KEYS, "family", "domain", "dst_ip", "check_ins")]),
        datasets=st.sampled_from([("events",), ("events", "hosts"), ("hosts",)]),
    ),
    max_size=5,
    unique_by=lambda one: (one.partner, one.order),
)


def subjects(rules):
    return subjects_by_operation(rules)["avalanche"]


def some_records(rules, count=40, first_us=NOON_US):
    """Check-ins of five addresses, a second apart."""
    about = subjects(rules)
    return [
        pack(
            time_us=first_us + place * 1_000_000,
            src=IPV4_PREFIX + bytes([192, 0, 2, place % 5]),
            src_port=50_000 + place % 7,
            kind=about[place % len(about)][0],
            subject=about[place % len(about)][1],
            order=rules.order_ids.index("avalanche-1"),
        )
        for place in range(count)
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_each_partner_gets_exactly_what_the_model_gives_it(data, rules, tmp_path_factory):
    """Rows, columns and order of events and hosts, and each term of the equation, over days and entitlements of all sorts."""
    world = Day(tmp_path_factory.mktemp("day"), rules, ENRICHED)
    record = record_strategy(rules)
    for stream in (OTHER_STREAM, STREAM):
        for _ in range(data.draw(st.integers(0, 2))):
            world.record(data.draw(st.lists(record, min_size=1, max_size=12)), stream)
    world.seal()
    enriched(world.rows)
    entitlements = data.draw(ENTITLEMENTS)
    outcome = world.export(entitlements)
    assert {(made.partner, made.order) for made in outcome.made} == {
        (e.partner, e.order) for e in entitlements
    }
    for one in entitlements:
        if "events" in one.datasets:
            assert world.events_of(one.partner, one.order) == given_rows(world.rows, one)
        if "hosts" in one.datasets:
            assert world.hosts_of(one.partner, one.order) == host_rows(world.rows, one)
    if entitlements:
        terms = equation(world.rows, entitlements)
        for partner in {one.partner for one in entitlements}:
            for publication in publications(world.data, partner):
                said = publication.manifest.rows
                assert said.recorded == len(world.rows)
                assert {"delivered": said.delivered, **said.withheld} == terms | {"quarantined": 0}
                assert publication.manifest.kernel_dropped == {"tcp": 3, "udp": 4}
                assert publication.manifest.complete


def held(world, one):
    """What a partner holds is the model's, and no row is there twice."""
    rows = world.events_of(one.partner, one.order)
    assert len({(row["stream"], row["record"]) for row in rows}) == len(rows)
    key = [(row["src_ip"], row["timestamp"], row["record"]) for row in given_rows(world.rows, one)]
    return sorted((row["src_ip"], row["timestamp"], row["record"]) for row in rows) == sorted(key)


def test_running_twice_publishes_once(rules, tmp_path):
    """The second run finds nothing owed and leaves everything as it is, to the byte."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules))
    world.seal()
    assert len(world.export([entitlement()]).made) == 1
    before = {path: path.read_bytes() for path in world.tree.rglob("*") if path.is_file()}
    again = world.export([entitlement()])
    assert (again.made, again.counted) == ([], None)
    assert {path: path.read_bytes() for path in world.tree.rglob("*") if path.is_file()} == before


def test_the_same_day_gives_the_same_files(rules, tmp_path, monkeypatch):
    """Two data directories with the same segments, whatever the engine's memory, pieces and the turn of partners: the same
    bytes.
    """
    records = some_records(rules, 3000)
    found = []
    for name, turn, memory, at_once in (("a", 1, 128, 1 << 24), ("b", -1, 300, 1000)):
        monkeypatch.setattr(relations, "ROWS_AT_ONCE", at_once)
        monkeypatch.setattr(relations, "HOST_ROWS_AT_ONCE", at_once)
        world = Day(tmp_path / name, rules, ENRICHED)
        world.record(records[:1000])
        world.record(records[1000:])
        world.seal()
        world.export(
            [entitlement(), entitlement("fkie", families=("tinba",))][::turn], world.means(memory_mb=memory)
        )
        made = [one for partner in ("shadowserver", "fkie") for one in publications(world.data, partner)]
        found.append([(file.name, file.sha256, file.rows) for one in made for file in one.manifest.files])
    assert found[0] == found[1]
    assert len(found[0]) == 4


def test_l32_an_unsealed_day_waits_and_says_for_whom(rules, tmp_path):
    """Refused until every expected sensor has sealed it; allowed, it says what is missing; then a supplement completes it."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    two = world.means(sensors=(SENSOR, "sinkhole-2"))
    world.seal()
    with pytest.raises(ExportError, match="not sealed yet by sinkhole-2"):
        world.export([entitlement()], two)
    assert world.export([entitlement()], two, incomplete=True).missing == ("sinkhole-2",)
    first = publications(world.data, "shadowserver")[0].manifest
    assert (first.complete, first.missing_sensors, first.kind) == (False, ("sinkhole-2",), "day")

    world.record(some_records(rules, 5), "sinkhole-2.0.1795305600000000")
    world.seal("sinkhole-2")
    world.export([entitlement()], two)
    second = publications(world.data, "shadowserver")[1].manifest
    assert (second.complete, second.kind, second.supplement) == (True, "supplement", 1)
    assert held(world, entitlement())
    assert world.hosts_of("shadowserver") == host_rows(world.rows, entitlement())
    assert world.export([entitlement()], two).made == []


def test_l32_late_segments_make_a_numbered_supplement(rules, tmp_path):
    """Events are the late rows only, hosts the whole day again; what was published before does not change; numbers count up."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    world.export([entitlement()])
    first = {path: path.read_bytes() for path in world.tree.rglob("*") if path.is_file()}
    for number in (1, 2):
        world.record(some_records(rules, 4, NOON_US + number * 3_600_000_000))
        (made,) = world.export([entitlement()]).made
        assert (made.kind, made.supplement, made.sequence) == ("supplement", number, number + 1)
        assert [file.rows for file in made.files if file.dataset == "events"] == [4]
        assert f"-s{number}-p001" in made.files[0].name
    assert held(world, entitlement())
    assert world.hosts_of("shadowserver") == host_rows(world.rows, entitlement())
    assert all(path.read_bytes() == content for path, content in first.items())
    manifests = [one.manifest for one in publications(world.data, "shadowserver")]
    assert [one.rows.recorded for one in manifests] == [10, 14, 18]


def test_a_late_segment_without_the_orders_rows_owes_it_nothing(rules, tmp_path):
    """A supplement is for those whose rows came late."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    both = [entitlement(), entitlement("fkie", "zero-1")]
    world.export(both)
    world.record(some_records(rules, 4))
    assert [(made.partner, made.kind) for made in world.export(both).made] == [("shadowserver", "supplement")]


def test_a_partner_that_came_later_gets_the_day(rules, tmp_path):
    """Each partner's sequence is its own; --partner publishes to one only."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    both = [entitlement(), entitlement("fkie")]
    assert [made.partner for made in world.export(both, partner="fkie").made] == ["fkie"]
    assert [made.partner for made in world.export(both).made] == ["shadowserver"]
    assert [one.sequence for one in publications(world.data, "shadowserver")] == [1]


def test_l31_a_day_without_a_row_for_a_partner_is_published_empty(rules, tmp_path):
    """Silence is told: the files are there, with columns and no rows."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 3))
    world.seal()
    (made,) = world.export([entitlement(networks=("203.0.113.0/24",))]).made
    assert [(file.dataset, file.rows) for file in made.files] == [("events", 0), ("hosts", 0)]
    said = publications(world.data, "shadowserver")[0].manifest.rows
    assert (said.recorded, said.delivered, said.withheld["filtered"]) == (3, 0, 3)


def test_a_day_without_any_check_in_is_published_empty(rules, tmp_path):
    """No segment at all, and yet a publication that says so."""
    world = Day(tmp_path, rules)
    world.seal()
    (made,) = world.export([entitlement()]).made
    assert [file.rows for file in made.files] == [0, 0]


def test_l02_rows_outside_the_order_as_it_stands_are_not_given(rules, tmp_path):
    """An order that was ended after rows had been recorded gives what lies before its end, and not one row more."""
    end = datetime.fromtimestamp(NOON_US / 1e6, UTC) + timedelta(seconds=7)
    windows = {"avalanche-1": ("2026-11-01T00:00:00Z", end.strftime("%Y-%m-%dT%H:%M:%SZ"))}
    world = Day(tmp_path, rules, windows=windows)
    world.record(some_records(rules, 20))
    world.seal()
    outcome = world.export([entitlement()])
    assert max(row["timestamp"] for row in world.events_of("shadowserver")) < end
    assert outcome.counted.rows.delivered == 7
    assert outcome.counted.rows.withheld["no_annex"] == 13


def test_an_order_that_does_not_cover_the_day_publishes_nothing(rules, tmp_path):
    """An annex of an order that begins later gives nothing of this day, and no empty file either."""
    world = Day(tmp_path, rules, windows={"avalanche-1": ("2026-11-23T00:00:00Z", "2026-12-01T00:00:00Z")})
    world.record(some_records(rules, 3))
    world.seal()
    assert world.export([entitlement()]).made == []


def test_l17_a_segment_in_quarantine_stops_the_day(rules, tmp_path):
    """Nothing of the day goes out while it is undecided; destroyed, its rows are told as quarantined; released, they go out."""
    for decision in (destroy, release):
        world = Day(tmp_path / decision.__name__, rules)
        world.record(some_records(rules, 10))
        (wrong,) = world.record(some_records(rules, 5))
        world.seal()
        set_aside(world.data, world.log, wrong, actor="p-1", reason="test")
        with pytest.raises(ExportError, match="in quarantine"):
            world.export([entitlement()])
        assert publications(world.data, "shadowserver") == []
        decision(world.data, world.log, wrong, actor="p-1", reason="test")
        said = world.export([entitlement()]).counted.rows
        gone = 5 if decision is destroy else 0
        assert (said.recorded, said.delivered, said.withheld["quarantined"]) == (15, 15 - gone, gone)
        assert len(world.events_of("shadowserver")) == 15 - gone


def test_a_lost_segment_stops_the_day(rules, tmp_path):
    """A day that lost rows is not exported as if it had them."""
    world = Day(tmp_path, rules)
    (lost,) = world.record(some_records(rules, 10))
    world.record(some_records(rules, 5))
    world.seal()
    lost.path(world.data).unlink()
    with pytest.raises(CorruptError, match="is not there"):
        world.export([entitlement()])
    assert publications(world.data, "shadowserver") == []


def test_a_segment_whose_name_says_more_than_it_holds_is_found(rules, tmp_path):
    """The equation counts rows by names and by contents, and the two must agree."""
    world = Day(tmp_path, rules)
    (small,) = world.record(some_records(rules, 10))
    small.path(world.data).rename(small._replace(last=small.last + 1).path(world.data))
    with pytest.raises(CorruptError, match="recorded 11 by the segments' names"):
        world.export([entitlement()], incomplete=True)
    assert publications(world.data, "shadowserver") == []


def test_too_little_space_stops_the_export_and_nothing_else(rules, tmp_path):
    """What is free belongs to the journal first."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    with pytest.raises(ExportError, match="disk_reserve_mb"):
        world.export([entitlement()], world.means(reserve_bytes=1 << 60))


def test_nothing_is_left_between_segments_and_files(rules, tmp_path):
    """The folder for what is between goes, and what a killed export left goes with the next."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    left = world.data / "exports" / ".tmp-export-dead"
    left.mkdir(parents=True)
    (left / "rows").write_text("x")
    world.export([entitlement()])
    assert sorted(path.name for path in (world.data / "exports").iterdir()) == [
        ".key-lock",
        "lock",
        "shadowserver",
    ]


def test_l34_each_file_says_what_it_is(rules, tmp_path):
    """Order, day, TLP, purpose, schema version and producer stand in the file's own metadata."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    world.export([entitlement(tlp="AMBER+STRICT", purpose="to warn")])
    for path in (world.tree / "000001").glob("*.parquet"):
        said = {key.decode(): value.decode() for key, value in pq.read_metadata(path).metadata.items()}
        named = {key.removeprefix("pentrap."): value for key, value in said.items()}
        assert named["order"] == "avalanche-1"
        assert (named["day"], named["tlp"], named["purpose"]) == (
            DAY.isoformat(),
            "TLP:AMBER+STRICT",
            "to warn",
        )
        assert named["schema_version"] == "1"
        assert named["producer"].startswith("pentrap ")


def test_l35_each_row_has_what_finds_a_subscriber(rules, tmp_path):
    """UTC with microseconds, source port, transport and destination port are in every row, whatever the annex cuts."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 10))
    world.seal()
    world.export([entitlement()])
    for row in world.events_of("shadowserver"):
        assert row["timestamp"].utcoffset() == timedelta(0)
        assert None not in (row["src_port"], row["transport"], row["dst_port"])


CHILD = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from day_world import *
world = Day(Path({folder!r}), None)
sys.stdin.readline()
print(len(world.export([entitlement(), entitlement("fkie")]).made))
"""


def test_two_at_once_publish_once(rules, tmp_path):
    """Two processes that begin at the same moment: together they make each publication once."""
    world = Day(tmp_path, rules)
    world.record(some_records(rules, 2000))
    world.seal()
    here = Path(__file__).parent
    code = CHILD.format(tests=str(here), root=str(here.parents[1]), folder=str(tmp_path))
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    counts = [int(child.communicate(timeout=60)[0]) for child in children]
    assert sorted(counts) == [0, 2]
    assert held(world, entitlement())
    assert held(world, entitlement("fkie"))
