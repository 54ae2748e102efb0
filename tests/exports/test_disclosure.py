"""For any address and time it can be said who was given it, when, in which file; read off the files, held against the rows."""

from datetime import UTC, datetime, timedelta

import pytest
from day_world import AFTER_US, DAY, DAY_US, SENSOR, Day, entitlement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_world import NOON_US, pack, record_strategy

from collector.audit.log import read_entries
from collector.exports.day import export_day
from collector.exports.disclosure import Asked, disclosures, fetches
from collector.exports.engine import Engine
from collector.exports.expiry import expire
from collector.exports.publication import partners, publications
from collector.exports.withdrawal import Wanted
from collector.ground.record import IPV4_PREFIX
from collector.segments.catalogue import seal_day

ORDER = "avalanche-1"
FORMATS = ("parquet", "shadowserver-csv", "ocsf-parquet")
PARTNERS = (
    entitlement("every", formats=FORMATS),
    entitlement("reports", datasets=("events",), formats=("shadowserver-csv",), networks=("192.0.2.0/24",)),
    entitlement("hosts-only", datasets=("hosts",), retention_days=10),
)


def ask(world, address, from_us=0, until_us=1 << 51):
    with_all = [one for partner in partners(world.data) for one in publications(world.data, partner)]
    number = len(list(world.folder.glob("engine*")))
    folder = world.folder / f"engine{number}"
    folder.mkdir()
    with Engine(folder, 128, 1) as engine:
        return disclosures(
            engine,
            world.data,
            with_all,
            read_entries(world.data / "audit"),
            Asked(address, from_us, until_us),
        )


def us(row) -> int:
    return int(row["timestamp"].timestamp()) * 1_000_000 + row["timestamp"].microsecond


def is_given(row, one) -> bool:
    return row["order_id"] == one.order and (not one.networks or row["src_ip"].startswith("192.0.2."))


def dataset_of(found):
    return "hosts" if "-hosts-" in found.file else "events"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_l33a_every_file_that_has_an_address_is_named_and_no_other(data, rules, tmp_path_factory):
    """Any rows, any address, any time, all formats: the files, how many check-ins each has of it, first and last to the
    microsecond.
    """
    world = Day(tmp_path_factory.mktemp("day"), rules)
    world.record(data.draw(st.lists(record_strategy(rules), min_size=1, max_size=15)))
    world.seal()
    world.export(PARTNERS)
    some = data.draw(st.sampled_from(world.rows))
    address = data.draw(st.sampled_from([some["src_ip"], "203.0.113.99"]))
    from_us = data.draw(st.sampled_from([0, us(some), us(some) + 1]))
    until_us = data.draw(st.sampled_from([1 << 51, us(some), us(some) + 1]))
    found = ask(world, address, from_us, until_us)
    for one in PARTNERS:
        mine = [row for row in world.rows if row["src_ip"] == address and is_given(row, one)]
        within = [row for row in mine if from_us <= us(row) < until_us]
        for form, ending in (
            ("parquet", ".parquet"),
            ("shadowserver-csv", ".csv"),
            ("ocsf-parquet", ".parquet"),
        ):
            if form not in one.formats or "events" not in one.datasets:
                continue
            own = [
                had for had in found
                if had.partner == one.partner and had.file.endswith(ending) and dataset_of(had) == "events"
                and ("network_activity" in had.file) == (form == "ocsf-parquet")
            ]  # fmt: skip
            assert sum(had.rows for had in own) == len(within)
            if within:
                assert min(had.first_us for had in own) == min(map(us, within))
                assert max(had.last_us for had in own) == max(map(us, within))
        hosts = [had for had in found if had.partner == one.partner and dataset_of(had) == "hosts"]
        if "hosts" in one.datasets and within:
            assert hosts
        if not mine:
            assert not hosts
    assert all(had.certain for had in found)


@pytest.fixture
def world(rules, tmp_path):
    made = Day(tmp_path, rules)
    from test_withdrawal import records

    made.record(records(rules))
    made.seal()
    made.export(PARTNERS)
    return made


def test_whoever_fetched_a_file_is_named(world):
    """Accounts by their first fetch and how often; answers without bytes, refusals and lists are none."""
    [csv] = [had.file for had in ask(world, "192.0.2.1") if had.partner == "reports"]

    def pulled(account, status=200, size=10, file=csv, sequence=1):
        world.log.append(
            "pulled",
            AFTER_US + 5,
            partner="reports",
            account=account,
            sequence=sequence,
            file=file,
            bytes=size,
            status=status,
        )

    pulled("main")
    pulled("main", 206)
    pulled("night")
    pulled("head", 200, 0)
    pulled("not-modified", 304)
    pulled("list", file="", sequence=0)
    [had] = [had for had in ask(world, "192.0.2.1") if had.partner == "reports"]
    assert [(one.account, one.times, one.first_us) for one in had.fetched] == [
        ("main", 2, AFTER_US + 5), ("night", 1, AFTER_US + 5),
    ]  # fmt: skip
    assert fetches([]) == {}


def test_what_was_taken_back_is_said(world):
    """A file that lost rows by a withdrawal names it; the withdrawn rows' own file is no disclosure of its own."""
    world.enter_withdrawal(Wanted(ORDER, networks=("192.0.2.1/32",)), PARTNERS)
    world.export(PARTNERS)
    found = ask(world, "192.0.2.1")
    assert {had.withdrawn_by for had in found if had.sequence == 1} == {(2,)}
    assert not [had for had in found if "withdrawn" in had.file]


def test_of_copies_that_are_gone_it_says_what_may_have_stood_there(world):
    """Files whose time is over are told from their manifests and the custody set, and are not called certain."""
    expire(world.log, world.data, PARTNERS, AFTER_US + 11 * DAY_US)
    found = {had.partner: had for had in ask(world, "192.0.2.1") if had.partner in ("hosts-only", "every")}
    assert found["every"].certain
    assert not found["hosts-only"].certain
    assert found["hosts-only"].rows == sum(row["src_ip"] == "192.0.2.1" for row in world.rows)
    assert ask(world, "203.0.113.99") == []


def test_hosts_that_a_withdrawal_gave_are_disclosures(world):
    """The whole day's hosts come again with a withdrawal: their file is named, though the day's own copies are gone."""
    later = AFTER_US + 9 * DAY_US
    world.enter_withdrawal(Wanted(ORDER, networks=("192.0.2.1/32",)), PARTNERS, now_us=later)
    world.export(PARTNERS, now_us=later)
    expire(world.log, world.data, PARTNERS, AFTER_US + 15 * DAY_US)
    address = next(row["src_ip"] for row in world.rows if row["src_ip"] not in ("192.0.2.1", "203.0.113.99"))
    found = {
        (had.sequence, had.dataset, had.certain) for had in ask(world, address) if had.partner == "hosts-only"
    }
    assert found == {(1, "hosts", False), (2, "hosts", True)}


def test_a_day_without_segments_hides_no_other(rules, tmp_path):
    """Of two days whose copies are gone, the first one's rows purged too: what the second's custody set says is still said."""
    one = entitlement("p", retention_days=10)
    world = Day(tmp_path, rules)
    pieces = [pack(time_us=NOON_US + day * DAY_US, src=IPV4_PREFIX + bytes([192, 0, 2, 1])) for day in (0, 1)]
    for day, piece in enumerate(pieces):
        world.record([piece])
        on = DAY + timedelta(days=day)
        seal_day(world.data, SENSOR, on, sealed_at=datetime.now(UTC), kernel_dropped={"tcp": 0, "udp": 0})
        export_day(world.means(), world.log, [one], on, now_us=AFTER_US + day * DAY_US)
    expire(world.log, world.data, [one], AFTER_US + 30 * DAY_US)
    assert {had.sequence for had in ask(world, "192.0.2.1")} == {1, 2}
    for path in (world.data / "segments" / f"date={DAY}").glob("*.parquet"):
        path.unlink()
    assert {had.sequence for had in ask(world, "192.0.2.1")} == {2}


def test_days_outside_the_time_are_not_looked_into(world):
    """The day's first and last microsecond belong to it."""
    begins = NOON_US - 12 * 3_600_000_000
    assert (
        Asked("192.0.2.1", begins + DAY_US, 1 << 60).days(publications(world.data, "every")[0].manifest)
        is False
    )
    assert Asked("192.0.2.1", 0, begins).days(publications(world.data, "every")[0].manifest) is False
    assert (
        Asked("192.0.2.1", begins + DAY_US - 1, 1 << 60).days(publications(world.data, "every")[0].manifest)
        is True
    )
    assert Asked("192.0.2.1", 0, begins + 1).days(publications(world.data, "every")[0].manifest) is True
