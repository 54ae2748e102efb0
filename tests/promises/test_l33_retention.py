"""L-33: the custody set stays until the return has been delivered; deletion is entered first and leaves a tombstone."""

import hashlib
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "court"))
sys.path.insert(0, str(Path(__file__).parent.parent / "custody"))
sys.path.insert(0, str(Path(__file__).parent.parent / "segments"))

import return_world
import segment_world
from custody_world import LATER_US, RETURN_US, World
from segment_world import DAY_US, NOON_US

from collector.court.delivery import deliver
from collector.custody.inventory import inventory
from collector.custody.purge import daily, purge
from collector.custody.quarantine import find, release, set_aside
from collector.orders.rules import Rules
from collector.segments.catalogue import marker_path, seal_day
from collector.segments.write import write_segments


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return segment_world.small_rules(tmp_path_factory.mktemp("rules"))


@pytest.fixture
def world(tmp_path, rules):
    made = World(tmp_path / "house", rules)
    made.write(0, [0, 0])
    made.write(2, [2])
    made.write(3, [0, 2])
    made.seal()
    return made


def act(world, now_us=LATER_US, **options):
    return purge(world.data, world.log, [], now_us, actor="p-1", **options)


def test_l33_nothing_goes_before_delivery(world):
    """Whatever its age, undelivered rows stay, and an order asked for by name is refused with the reason."""
    before = world.segments()
    made = act(world, NOON_US + 3000 * DAY_US)
    assert (made.deleted, world.segments()) == ([], before)
    assert "does not have the return of avalanche-1" in str(
        act(world, order="avalanche-1").plan.orders["avalanche-1"]
    )
    assert not world.entries("deleted")


def test_l33_the_chain_the_hold_and_the_neighbour(world):
    """Delivered rows go; not those that share a file with an undelivered order's, and none under a hold."""
    world.deliver("avalanche-1", "avalanche-2")
    world.hold("avalanche-1")
    assert act(world).deleted == []
    world.hold("avalanche-1", lift=True)
    digest = hashlib.sha256((world.data / world.segments()[0]).read_bytes()).hexdigest()
    first = world.segments()[0]
    made = act(world)
    assert made.deleted == [first]
    assert world.segments()
    assert first not in world.segments()
    [entry] = world.entries("deleted")
    assert entry.facts["why"] == "retention"
    assert [(file["name"], file["sha256"], file["rows"]) for file in entry.facts["files"]] == [
        (first, digest, 2)
    ]
    world.deliver("zero-1")
    assert len(act(world).deleted) == 2
    assert world.segments() == []
    assert marker_path(world.data, "sinkhole-1", segment_world_day()).exists()
    states = {
        item.name: item.state for item in inventory(world.data, world.ledger()) if item.kind == "segment"
    }
    assert set(states.values()) == {"deleted"}
    assert len(states) == 3


def segment_world_day():
    from custody_world import DAY

    return DAY


def test_l33_what_came_after_the_return_stays(world):
    """A segment written after the delivered return was made is in no return yet."""
    late = world.write(5, [2], written_us=RETURN_US + 1)
    world.deliver("zero-1", "avalanche-1", "avalanche-2")
    daily(world.data, world.log, [], LATER_US)
    assert world.segments() == [str(late.path(Path()))]


@pytest.fixture
def court_world(tmp_path):
    """Two operations' rows, all as old as they say, so that no file's time is later than the return."""
    made = return_world.make_world(tmp_path / "court", rows=3)
    for path in made.data.glob("segments/*/*.parquet"):
        as_of(path)
    return made


def as_of(path):
    """Give a file the time that a copy which keeps times gives it."""
    written_us = return_world.us("2026-09-05T00:00:00Z")
    os.utime(path, ns=(written_us * 1000, written_us * 1000))


def delivered(world, log):
    """The final return of the chain is made, and the court has it."""
    sha256 = world.make(world.folder / "final.tar")
    deliver(world.data, log, "avalanche-1", sha256, "p-1", "docketed")


def purged(world, log):
    """A purge of avalanche's rows, years later: what went, and why the rest stays."""
    made = purge(
        world.data, log, [], return_world.us("2030-01-01T00:00:00Z"), actor="p-1", order="avalanche-1"
    )
    return made.deleted, {staying.holding.name: staying.reasons for staying in made.plan.stay}


NOT_IN_IT = "it is not in the return of avalanche-1 that the court has"


def test_l33_what_was_in_quarantine_at_the_return_stays(court_world):
    """Set aside before the final return, released after it was delivered: in no return, so it stays, whatever its time."""
    [segment, other] = sorted(court_world.data.glob("segments/date=2026-09-0[12]/sinkhole-1.0.*.parquet"))
    log = court_world.log()
    set_aside(court_world.data, log, find(court_world.data, segment.name), actor="p-1", reason="odd")
    delivered(court_world, log)
    release(
        court_world.data, log, find(court_world.data, segment.name), actor="p-1", reason="right after all"
    )
    name = str(segment.relative_to(court_world.data))
    gone, kept = purged(court_world, log)
    assert gone == [str(other.relative_to(court_world.data))]
    assert NOT_IN_IT in kept[name]
    delivered(court_world, log)  # again, and with it
    assert purged(court_world, log)[0] == [name]
    log.close()


def test_l33_rows_that_another_sensor_brings_after_the_return_stay(court_world):
    """Copied in after delivery with the time that they had: they are in no return, and stay."""
    log = court_world.log()
    delivered(court_world, log)
    [loaded] = [entry for entry in court_world.entries() if entry.event == "orders_loaded"]
    rules = Rules.load(court_world.data / "rules", loaded.facts["rules"])
    start_us = return_world.us("2026-09-01T08:00:00Z")
    records = b"".join(return_world._records(rules, "avalanche", 2, start_us))
    [segment] = write_segments(court_world.data, records, 0, f"sinkhole-2.0.{start_us:016d}", rules)
    as_of(segment.path(court_world.data))
    sealed_at = datetime(2026, 9, 2, tzinfo=UTC)
    seal_day(court_world.data, "sinkhole-2", segment.day, sealed_at=sealed_at, kernel_dropped={})
    gone, kept = purged(court_world, log)
    assert len(gone) == 2
    assert kept[str(segment.path(Path()))] == (NOT_IN_IT,)
    log.close()


def test_l33_nothing_goes_when_the_list_of_the_return_is_lost(court_world):
    """The entry of a return names the list of its files; without the list nothing is known, so all of them stay."""
    log = court_world.log()
    delivered(court_world, log)
    [made] = [entry for entry in court_world.entries() if entry.event == "returned"]
    kept = court_world.data / "audit/texts" / made.facts["contents"]
    assert kept.read_text().splitlines() == sorted(
        str(path.relative_to(court_world.data))
        for path in court_world.data.glob("segments/*/*.parquet")
        if ".1." not in path.name  # zero's own
    )
    content = kept.read_bytes()
    kept.unlink()
    gone, reasons = purged(court_world, log)
    assert gone == []
    assert all("restore audit/texts" in " ".join(reason) for reason in reasons.values())
    kept.write_bytes(content)
    assert len(purged(court_world, log)[0]) == 2
    log.close()


def test_l33_a_release_after_a_return_without_a_list_is_newer(world):
    """A return of an earlier release has no list of its files: what was released after it was not in it."""
    name = world.segments()[0]
    segment = find(world.data, name)
    log = world.log
    log.append("quarantined", NOON_US, segment=name, sha256="0" * 64, actor="p-1", reason="odd")
    world.deliver("zero-1", "avalanche-1", "avalanche-2")
    log.append("released", RETURN_US + 1, segment=name, sha256="0" * 64, actor="p-1", reason="right")
    made = act(world)
    assert len(made.deleted) == 2
    assert world.segments() == [str(segment.path(Path()))]
    assert "released from quarantine after the return of avalanche-1" in made.plan.stay[0].reasons[0]


def test_l33_retention_days_count_whole_days(world):
    """Ninety days: on the ninetieth day after they stay, on the next they go."""
    world.deliver("zero-1", "avalanche-1", "avalanche-2")
    assert act(world, NOON_US + 90 * DAY_US + DAY_US // 2 - 1).deleted == []
    assert len(act(world, NOON_US + 90 * DAY_US + DAY_US // 2).deleted) == 3


def test_l33_old_rules_go_and_needed_ones_stay(world):
    """Rules in force and those that a journal needs stay whatever their age."""
    folder = world.data / "rules"
    folder.mkdir()
    for letter, index in (("a", "b"), ("c", "d")):
        (folder / f"{letter * 64}.json").write_text(f'{{"index": "{index * 64}"}}')
        (folder / f"{index * 64}.index").write_bytes(b"")
    (folder / "current").write_text("a" * 64 + "\n")
    made = act(world)
    assert made.rules == [f"rules/{'c' * 64}.json", f"rules/{'d' * 64}.index"]
    assert sorted(path.name[0] for path in folder.iterdir()) == ["a", "b", "c"]
    assert (folder / "current").exists()


def test_l33_rules_stay_a_week_after_they_were_last_in_force(world):
    """Not a week after they were put in force: days of last week are still told by the schedule that they had."""
    folder = world.data / "rules"
    folder.mkdir()
    for letter, index in (("a", "b"), ("c", "d")):
        (folder / f"{letter * 64}.json").write_text(f'{{"index": "{index * 64}"}}')
        (folder / f"{index * 64}.index").write_bytes(b"")
    (folder / "current").write_text("a" * 64 + "\n")
    world.log.append("orders_loaded", NOON_US, rules="c" * 64, orders=1)
    world.log.append("orders_loaded", LATER_US - 6 * DAY_US, rules="a" * 64, orders=1)
    assert act(world).rules == []
    assert len(act(world, LATER_US + 2 * DAY_US).rules) == 2


CALLS = ("unlink", "fsync", "fdatasync", "write", "rename")


def purge_process(world, trace, inject=""):
    """The purge as a process of its own under strace; its exit code."""
    program = (
        "import sys; from pathlib import Path; from collector.audit.key import checkpoint_key; from collector.audit.log import"
        " AuditLog; from collector.custody.purge import purge; house = Path(sys.argv[1]);"
        " log = AuditLog(house / 'data/audit', checkpoint_key(house / 'signing.key', 'sinkhole-1'));"
        " purge(house / 'data', log, [], int(sys.argv[2]), actor='p-1')"
    )
    command = ["strace", "-f", "-y", "-s", "0", "-o", str(trace), "-e", "trace=" + ",".join(CALLS)]
    command += ["-e", f"inject={inject}"] if inject else []
    command += [sys.executable, "-c", program, str(world.folder), str(LATER_US)]
    return subprocess.run(command, timeout=60, check=False, capture_output=True, env=os.environ).returncode


def test_l33_a_killed_purge_never_deletes_without_its_entry(tmp_path, rules):
    """Kill -9 on entering each durable call of a purge: what is gone is entered, and the next purge finishes the rest."""

    def fresh(name):
        made = World(tmp_path / name, rules)
        for first in range(3):
            made.write(first, [0])
        made.seal()
        made.deliver("avalanche-1", "avalanche-2")
        return made

    whole = fresh("whole")
    assert purge_process(whole, tmp_path / "trace") == 0
    assert whole.segments() == []
    counts = dict.fromkeys(CALLS, 0)
    points = []
    for line in (tmp_path / "trace").read_text().splitlines():
        match = re.match(r"\d+ +(\w+)\(", line)
        if match and match[1] in counts:
            counts[match[1]] += 1
            if f"{whole.data}/" in line:
                points.append((match[1], counts[match[1]]))
    assert {"unlink", "fdatasync", "write"} <= {call for call, _ in points}
    struck = 0
    for number, (call, nth) in enumerate(points):
        world = fresh(f"{number}")
        code = purge_process(world, tmp_path / f"trace-{number}", f"{call}:signal=KILL:when={nth}")
        struck += code != 0
        entered = {file["name"] for entry in world.entries("deleted") for file in entry.facts["files"]}
        meant = {f"segments/date=2026-11-22/{path.name}" for path in whole.data.glob("x")} | entered
        gone = {name for name in names_of(world) if not (world.data / name).exists()}
        assert gone <= entered, (call, nth)
        assert meant >= gone
        again = World.__new__(World)
        again.__dict__ = dict(world.__dict__)
        assert act(again).kept_back == {}
        assert world.segments() == []
        items = inventory(world.data, world.ledger(), hashes=True)
        assert {item.state for item in items if item.kind == "segment"} == {"deleted"}
    assert struck >= len(points) - 2


def names_of(world):
    return [item.name for item in inventory(world.data, world.ledger()) if item.kind == "segment"]


def test_l33_a_hold_set_after_a_crash_still_holds(world):
    """A file whose deletion was entered and not reached is kept where its order was held since, and said to be."""
    world.deliver("zero-1", "avalanche-1", "avalanche-2")
    name = world.segments()[0]
    content = (world.data / name).read_bytes()
    act(world)
    (world.data / name).write_bytes(content)
    world.hold("avalanche-1")
    made = act(world)
    assert "held" in made.kept_back[name]
    assert (world.data / name).exists()
    world.hold("avalanche-1", lift=True)
    assert act(world).finished == [name]


def test_l33_a_file_that_nobody_loaded_changes_no_retention():
    """What the log has loaded decides: an edited file with a shorter retention, not reloaded, lets nothing go earlier."""
    from types import SimpleNamespace

    from collector.audit.ledger import Ledger
    from collector.custody.known_orders import known_orders

    ledger = Ledger()
    ledger.orders["o-1"] = {
        "operation": "o", "order": "o-1", "kind": "pen-trap", "starts": "2026-01-01T00:00:00Z",
        "ends": "2026-02-01T00:00:00Z", "fields": [], "retention_days": 90,
    }  # fmt: skip
    edited = {"starts_us": 0, "ends_us": 1, "extends": None, "retention_days": 1}
    orders = [SimpleNamespace(id="o-1", **edited), SimpleNamespace(id="o-2", **edited)]
    known = known_orders(ledger, [SimpleNamespace(name="o", orders=orders)])
    assert known["o-1"].retention_days == 90
    assert known["o-1"].ends_us == 1769904000000000
    assert known["o-2"].retention_days == 1
