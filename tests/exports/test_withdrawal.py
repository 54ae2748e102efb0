"""Rows found wrong are given to nobody any more, and whoever was given some is told which; held against a plain model."""

import csv
import ipaddress

import pyarrow.parquet as pq
import pytest
from day_world import (
    AFTER_US,
    DAY,
    DAY_US,
    OTHER_STREAM,
    STREAM,
    Day,
    cut,
    entitlement,
    host_rows,
    number,
    rows_in,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_world import NOON_US, pack, record_strategy, subjects_by_operation

from collector.exports import withdrawal
from collector.exports.enrich import NO_ENRICHMENT
from collector.exports.expiry import expire
from collector.exports.given import check_ins
from collector.exports.means import ExportError
from collector.exports.publication import publications
from collector.exports.withdrawal import Wanted
from collector.exports.withdrawn import folder_of, list_path
from collector.ground.record import IPV4_PREFIX
from collector.segments.segment import parse_segment

ORDER = "avalanche-1"
PARTNERS = (
    entitlement("native"),
    entitlement("german", networks=("192.0.2.0/25",)),
    entitlement("reports", datasets=("events",), formats=("shadowserver-csv",)),
    entitlement("lake", datasets=("events",), formats=("ocsf-parquet",)),
    entitlement("hosts-only", datasets=("hosts",)),
    entitlement("every", formats=("parquet", "shadowserver-csv", "ocsf-parquet")),
    entitlement(
        "narrow",
        datasets=("events",),
        columns=("timestamp", "src_ip", "src_port", "order_id", "stream", "record"),
    ),
)


def records(rules, count=40, order=ORDER, first_us=NOON_US):
    """Check-ins of ten addresses of two networks, a second apart."""
    about = subjects_by_operation(rules)["avalanche"]
    return [
        pack(
            time_us=first_us + place * 1_000_000,
            src=IPV4_PREFIX + bytes([192, 0, 2, place % 5 + 125 * (place % 2)]),
            src_port=50_000 + place % 7,
            kind=about[place % len(about)][0],
            subject=about[place % len(about)][1],
            order=rules.order_ids.index(order),
        )
        for place in range(count)
    ]


@pytest.fixture
def world(rules, tmp_path):
    """Two segments, a sealed day, published to everybody."""
    made = Day(tmp_path, rules)
    made.record(records(rules, 30))
    made.record(records(rules, 10), OTHER_STREAM)
    made.seal()
    made.export(PARTNERS)
    return made


def take_back(world, wanted, entitlements=PARTNERS, **changes):
    """Enter a withdrawal, and publish what is owed by that."""
    taken = enter(world, wanted, entitlements, **changes)
    return taken, world.export(entitlements, kinds=("withdrawal",), incomplete=True)


def enter(world, wanted, entitlements=PARTNERS, **changes):
    return world.enter_withdrawal(wanted, entitlements, **changes)


def matches(row, wanted) -> bool:
    """The model's reading of a description."""
    address = ipaddress.ip_address(row["src_ip"])
    networks = [ipaddress.ip_network(one) for one in wanted.networks]
    return (
        row["order_id"] == wanted.order
        and (not networks or any(address in one for one in networks if one.version == address.version))
        and (not wanted.domains or row["domain"] in wanted.domains)
        and (not wanted.families or row["family"] in wanted.families)
        and (
            not wanted.segments
            or any(
                one.stream == row["stream"] and one.first <= row["record"] <= one.last
                for one in wanted.segments
            )
        )
        and wanted.from_us <= moment(row) < wanted.until_us
    )


def moment(row) -> int:
    return int(row["timestamp"].timestamp()) * 1_000_000 + row["timestamp"].microsecond


def key(row) -> str:
    return f"{row['stream']}-{row['record']}"


def given_of(rows, one):
    return [
        row
        for row in rows
        if row["order_id"] == one.order
        and (
            not one.networks
            or any(
                ipaddress.ip_address(row["src_ip"]) in network
                for network in map(ipaddress.ip_network, one.networks)
                if network.version == ipaddress.ip_address(row["src_ip"]).version
            )
        )
    ]


def ids_in(folder) -> dict[str, set[str]]:
    """The event ids of a publication's files, by file."""
    found = {}
    for path in folder.iterdir():
        if path.suffix == ".csv":
            with path.open(newline="") as file:
                found[path.name] = {row["event_id"] for row in csv.DictReader(file)}
        elif "-withdrawn" in path.name:
            found[path.name] = {row["event_id"] for row in pq.read_table(path).to_pylist()}
        elif "-events" in path.name:
            found[path.name] = {key(row) for row in pq.read_table(path).to_pylist()}
        elif "-network_activity" in path.name:
            found[path.name] = {row["metadata"]["uid"] for row in pq.read_table(path).to_pylist()}
    return found


def ids_left(world, partner) -> set[str]:
    """What a partner that follows its guide has in the end: everything given, without what was taken back."""
    have, back = set(), set()
    for one in publications(world.data, partner):
        for name, ids in ids_in(one.folder).items():
            (back if "-withdrawn" in name else have).update(ids)
    return have - back


WANTED = Wanted(ORDER, networks=("192.0.2.1/32", "192.0.2.129/32"))


def test_l33a_whoever_was_given_wrong_rows_is_told_which(world):
    """Each partner's withdrawal has exactly its own wrong rows, in a form of its own; hosts stand anew without them."""
    wrong = {key(row) for row in world.rows if matches(row, WANTED)}
    assert len(wrong) > 5
    taken, outcome = take_back(world, WANTED)
    assert taken.rows == len(wrong)
    assert {made.partner for made in outcome.made} == {one.partner for one in PARTNERS}
    for one in PARTNERS:
        mine = {key(row) for row in given_of(world.rows, one)} & wrong
        last = publications(world.data, one.partner)[-1]
        assert last.manifest.kind == "withdrawal"
        assert last.manifest.supplement == 1
        assert last.manifest.withdrawals == (taken.entry.facts["sha256"],)
        withdrawn = {name: ids for name, ids in ids_in(last.folder).items() if "-withdrawn" in name}
        expected = {
            "native": ["parquet"], "german": ["parquet"], "reports": ["csv"], "lake": ["parquet"], "hosts-only": [],
            "every": ["csv", "parquet"], "narrow": ["parquet"],
        }  # fmt: skip
        assert sorted(name.rpartition(".")[2] for name in withdrawn) == expected[one.partner]
        assert all(ids == mine for ids in withdrawn.values())
        assert {file.rows for file in last.manifest.files if file.dataset == "withdrawn"} <= {len(mine)}
        if "hosts" in one.datasets:
            left = [row for row in world.rows if key(row) not in wrong]
            assert world.hosts_of(one.partner) == host_rows(left, one)
        if "events" in one.datasets:
            assert ids_left(world, one.partner) == {key(row) for row in given_of(world.rows, one)} - wrong
        first = publications(world.data, one.partner)[0]
        losing = {name for name, ids in ids_in(first.folder).items() if ids & wrong}
        hosts = {file.name for file in first.manifest.files if file.dataset == "hosts"}
        assert set(last.manifest.withdraws) == losing | hosts
        assert taken.entry.facts["given"][one.partner] == len(mine)


def test_withdrawn_rows_are_the_partners_own_columns(world):
    """What is taken back has the columns that the partner has, and first the name by which reports and OCSF know a row."""
    take_back(world, WANTED)
    wrong = sorted(
        (row for row in world.rows if matches(row, WANTED)),
        key=lambda row: (number(row["src_ip"]), moment(row), key(row)),
    )
    for partner in ("native", "narrow"):
        one = next(one for one in PARTNERS if one.partner == partner)
        [folder] = [one.folder for one in publications(world.data, partner)][-1:]
        assert rows_in(folder, "withdrawn") == [
            {"event_id": key(row)} | cut(row, one.columns) for row in wrong
        ]
    [path] = publications(world.data, "reports")[-1].folder.glob("*-withdrawn-s1-p001.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["timestamp"] == wrong[0]["timestamp"].strftime("%Y-%m-%d %H:%M:%S.%f")
    assert [(row["event_id"], row["src_ip"], row["src_port"]) for row in rows] == [
        (key(row), row["src_ip"], str(row["src_port"])) for row in wrong
    ]


def test_no_reader_of_events_or_reports_takes_withdrawn_rows_for_new_ones(world):
    """Names: neither *-events-*, nor a report's, nor OCSF's; the contract's pattern all the same."""
    take_back(world, WANTED)
    for one in PARTNERS:
        names = [file.name for file in publications(world.data, one.partner)[-1].manifest.files]
        for name in names:
            assert name.startswith((f"{DAY}-{ORDER}-withdrawn-s1-p001.", f"{DAY}-{ORDER}-hosts-s1-p001."))


def test_only_who_was_given_some_is_told(world):
    """A partner whose networks none of the wrong rows is in gets no publication and stands nowhere in the entry."""
    taken, outcome = take_back(world, Wanted(ORDER, networks=("192.0.2.128/25",)))
    assert "german" not in {made.partner for made in outcome.made}
    assert "german" not in taken.entry.facts["given"]
    assert not world.export(PARTNERS).made


def test_before_it_is_published_a_wrong_row_is_simply_not_given(rules, tmp_path):
    """Withdrawn before the day's export: nobody gets the rows, nobody is told, and the equation counts them as set aside."""
    world = Day(tmp_path, rules)
    world.record(records(rules))
    world.seal()
    taken = enter(world, WANTED)
    assert taken.entry.facts["given"] == {}
    outcome = world.export(PARTNERS)
    assert {made.kind for made in outcome.made} == {"day"}
    left = [row for row in world.rows if not matches(row, WANTED)]
    assert world.events_of("native") == sorted(
        left, key=lambda row: (number(row["src_ip"]), moment(row), key(row))
    )
    assert outcome.counted.rows.withheld["quarantined"] == taken.rows
    assert outcome.counted.rows.delivered == len(left)
    assert not world.export(PARTNERS).made
    assert publications(world.data, "native")[0].manifest.withdrawals == (taken.entry.facts["sha256"],)


def test_once_taken_back_a_row_stays_so(world, rules):
    """The same description finds nothing a second time; late rows go out without the wrong ones, and names stay unique."""
    first, _ = take_back(world, WANTED)
    again, outcome = take_back(world, WANTED)
    assert (again.rows, again.entry, outcome.made) == (0, None, [])
    late = records(rules, 8, first_us=NOON_US + 900_000_000)
    world.record(late)
    enter(world, WANTED)  # of the late ones, which nobody has yet
    outcome = world.export(PARTNERS)
    assert {made.kind for made in outcome.made} == {"supplement"}
    assert {made.supplement for made in outcome.made} == {2}
    wrong = {key(row) for row in world.rows if matches(row, WANTED)}
    for one in PARTNERS:
        if "events" in one.datasets:
            assert ids_left(world, one.partner) == {key(row) for row in given_of(world.rows, one)} - wrong
        names = [file.name for made in publications(world.data, one.partner) for file in made.manifest.files]
        assert len(names) == len(set(names))
    assert first.rows < len(wrong)


@pytest.mark.parametrize("kind", ["domains", "families", "times", "segments", "everything"])
def test_each_way_to_describe_rows(world, kind):
    """By domain, family, time and segment, as the model reads it."""
    row = world.rows[3]
    segment = parse_segment(DAY, f"{STREAM}-{0:020d}-{29:020d}.parquet")
    wanted = {
        "domains": Wanted(ORDER, domains=(row["domain"] or "none.example",)),
        "families": Wanted(ORDER, families=(row["family"],)),
        "times": Wanted(ORDER, from_us=NOON_US + 5_000_000, until_us=NOON_US + 9_000_000),
        "segments": Wanted(ORDER, segments=(segment,)),
        "everything": Wanted(ORDER),
    }[kind]
    expected = [one for one in world.rows if matches(one, wanted)]
    assert enter(world, wanted, dry_run=True).rows == len(expected)
    assert enter(world, wanted).rows == len(expected)
    listed = pq.read_table(next(folder_of(world.data, DAY).iterdir())).to_pylist() if expected else []
    assert listed == sorted(
        ({"stream": one["stream"], "record": one["record"]} for one in expected),
        key=lambda one: (one["stream"], one["record"]),
    )


def test_a_dry_run_changes_nothing(world):
    """No entry, no list, no publication; the same figures."""
    before = world.ledger().withdrawn
    dry = enter(world, WANTED, dry_run=True)
    assert dry.entry is None
    assert world.ledger().withdrawn == before
    assert not folder_of(world.data, DAY).exists()
    real = enter(world, WANTED)
    assert (real.rows, [one[:2] for one in real.given]) == (dry.rows, [one[:2] for one in dry.given])


def test_a_death_before_the_entry_leaves_a_list_that_the_next_one_sweeps_away(world, monkeypatch):
    """The list alone is nothing: only its entry takes rows back."""

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(type(world.log), "append", die)
        with pytest.raises(KeyboardInterrupt):
            enter(world, WANTED)
    [left] = folder_of(world.data, DAY).iterdir()
    assert not world.export(PARTNERS).made
    taken = enter(world, Wanted(ORDER, networks=("192.0.2.2/32",)))
    assert list(folder_of(world.data, DAY).iterdir()) == [
        list_path(world.data, DAY, taken.entry.facts["sha256"])
    ]
    assert not left.exists()


def test_after_the_entry_whatever_export_comes_next_publishes_it(world):
    """Killed between entry and publication: the daily export owes it."""
    enter(world, WANTED)
    outcome = world.export(PARTNERS)
    assert {made.kind for made in outcome.made} == {"withdrawal"}
    assert len(outcome.made) == len(PARTNERS)


def test_what_an_annex_no_longer_gives_is_taken_back_all_the_same(world):
    """A partner whose annex became narrower after its files is told of all wrong rows that it was given then."""
    narrower = [entitlement("native", families=("nobody",)), *PARTNERS[1:]]
    wrong = {key(row) for row in world.rows if matches(row, WANTED)}
    taken, _ = take_back(world, WANTED, narrower)
    assert taken.entry.facts["given"]["native"] == len(wrong)
    last = publications(world.data, "native")[-1]
    assert next(iter(ids_in(last.folder).values())) == wrong


def test_a_partner_without_any_annex_is_named_to_the_officer(world):
    """Nothing can be published for it; the answer says that it had rows and is not entitled."""
    taken, outcome = take_back(world, WANTED, PARTNERS[1:])
    [native] = [one for one in taken.given if one.partner == "native"]
    assert native.rows
    assert not native.entitled
    assert "native" not in {made.partner for made in outcome.made}


@pytest.mark.parametrize("annex", [True, False])
def test_hosts_are_told_by_the_files_themselves(rules, tmp_path, annex):
    """A partner that has hosts of one country only: which of them wrong rows went into, in which file, annex or no annex."""
    one = entitlement("hosts-only", datasets=("hosts",), countries=("DE",))
    german = NO_ENRICHMENT._replace(geo=lambda address: ("FR" if address & 128 else "DE", address))
    world = Day(tmp_path, rules, german)
    world.record(records(rules, 30))
    world.seal()
    world.export([one])
    taken = enter(world, WANTED, [one] if annex else [])
    wrong = [row for row in world.rows if row["src_ip"] == "192.0.2.1"]
    assert wrong
    assert taken.rows > len(wrong)
    assert taken.entry.facts["given"] == {"hosts-only": len(wrong)}
    [given] = taken.given
    assert given.entitled is annex
    assert [(file.file.dataset, rows) for file, rows in given.files] == [("hosts", len(wrong))]
    assert bool(world.export([one], kinds=("withdrawal",)).made) is True


def test_what_only_a_withdrawals_hosts_gave_is_taken_back_too(world, rules):
    """Hosts of a withdrawal are of the whole day, late rows among them; those found wrong later are taken back, and the file
    that the new one replaces is named.
    """
    one = PARTNERS[0]
    late = pack(
        time_us=NOON_US,
        src=IPV4_PREFIX + bytes([203, 0, 113, 9]),
        kind=subjects_by_operation(rules)["avalanche"][0][0],
        subject=subjects_by_operation(rules)["avalanche"][0][1],
        order=rules.order_ids.index(ORDER),
    )
    world.record([late])
    take_back(world, WANTED, [one])
    assert "203.0.113.9" in {row["src_ip"] for row in world.hosts_of(one.partner)}
    taken, _ = take_back(world, Wanted(ORDER, networks=("203.0.113.9/32",)), [one])
    assert taken.entry.facts["given"] == {one.partner: 1}
    assert "203.0.113.9" not in {row["src_ip"] for row in world.hosts_of(one.partner)}
    before, last = publications(world.data, one.partner)[-2:]
    replaced = {file.name for file in before.manifest.files if file.dataset == "hosts"}
    assert replaced
    assert replaced <= set(last.manifest.withdraws)


def test_l33_what_is_over_is_not_given_anew(rules, tmp_path):
    """Where a partner's copies of the day are gone, their time being over, a wrong row gives it no hosts of the day again."""
    one = entitlement("hosts-only", datasets=("hosts",), retention_days=10)
    world = Day(tmp_path, rules)
    world.record(records(rules, 30))
    world.seal()
    world.export([one])
    late = AFTER_US + 40 * DAY_US
    assert expire(world.log, world.data, [one], late).deleted
    taken = enter(world, WANTED, [one], now_us=late)
    [given] = taken.given
    assert (given.rows, given.gone) == (0, 1)
    assert not world.export([one], now_us=late).made


def test_rows_outside_an_orders_window_can_be_taken_back(rules, tmp_path):
    """An order that was terminated for a time that is past: what was given of it since is withdrawn by time."""
    world = Day(tmp_path, rules)
    world.record(records(rules))
    world.seal()
    world.export(PARTNERS)
    world.log.append(
        "order_ended",
        AFTER_US,
        operation="avalanche",
        order=ORDER,
        by="terminated",
        at="2026-11-22T12:00:10Z",
    )
    wanted = Wanted(ORDER, from_us=NOON_US + 10_000_000)
    taken, outcome = take_back(world, wanted)
    assert taken.rows == 30
    assert len(outcome.made) == len(PARTNERS)
    assert world.hosts_of("native") == host_rows(world.rows[:10], PARTNERS[0])


def test_an_order_that_covers_nothing_of_the_day_any_more_takes_back_all_the_same(rules, tmp_path):
    """Denied from its beginning: all rows of the day go back, hosts are empty, and whoever had nothing is given nothing."""
    world = Day(tmp_path, rules)
    world.record(records(rules))
    world.seal()
    world.export(PARTNERS[:1])
    world.log.append(
        "order_ended", AFTER_US, operation="avalanche", order=ORDER, by="denied", at="2026-11-01T00:00:00Z"
    )
    _, outcome = take_back(world, Wanted(ORDER), PARTNERS)
    assert [(made.partner, made.kind) for made in outcome.made] == [("native", "withdrawal")]
    assert world.hosts_of("native") == []
    assert ids_left(world, "native") == set()
    assert not world.export(PARTNERS).made


def test_a_day_without_rows_is_refused(world, monkeypatch):
    """Said as what it is."""
    monkeypatch.setattr(withdrawal, "read_source", lambda *_: type("None", (), {"segments": ()}))
    with pytest.raises(ExportError, match="no rows of this day"):
        enter(world, WANTED)


def test_without_files_there_is_nothing_given():
    """The statement over no file is one without rows."""
    assert "WHERE false" in check_ins([])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_l33a_after_any_history_partners_have_exactly_what_is_right(data, rules, tmp_path_factory):
    """Segments, exports and withdrawals in any order: in the end each partner has what it may have without what is wrong, the
    second equation counts every row, and nothing is owed.
    """
    world = Day(tmp_path_factory.mktemp("history"), rules)
    record = record_strategy(rules)
    world.record(data.draw(st.lists(record, min_size=1, max_size=8)))
    world.seal()
    wrong: set[str] = set()
    chosen = data.draw(st.lists(st.sampled_from(PARTNERS), min_size=1, max_size=3, unique=True))
    for _ in range(data.draw(st.integers(1, 5))):
        step = data.draw(st.sampled_from(["record", "export", "withdraw", "withdraw"]))
        if step == "record":
            world.record(
                data.draw(st.lists(record, min_size=1, max_size=8)),
                data.draw(st.sampled_from([STREAM, OTHER_STREAM])),
            )
        elif step == "export":
            world.export(chosen)
        else:
            some = data.draw(st.sampled_from(world.rows))
            wanted = data.draw(
                st.sampled_from(
                    [
                        Wanted(ORDER, networks=(some["src_ip"],)),
                        Wanted(ORDER, families=(some["family"],)),
                        Wanted(ORDER, until_us=moment(some)),
                    ]
                )
            )
            found = {key(row) for row in world.rows if matches(row, wanted)} - wrong
            assert enter(world, wanted, chosen).rows == len(found)
            wrong |= found
    outcome = world.export(chosen)
    left = [row for row in world.rows if key(row) not in wrong]
    for one in chosen:
        if "events" in one.datasets:
            assert ids_left(world, one.partner) == {key(row) for row in given_of(left, one)}
        if "hosts" in one.datasets:
            assert world.hosts_of(one.partner) == host_rows(left, one)
    if outcome.counted:
        assert outcome.counted.rows.recorded == len(world.rows)
    assert not world.export(chosen).made
