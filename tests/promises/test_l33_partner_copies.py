"""L-33: partners' copies expire per order and partner, beside the custody set's own clock; deletion leaves a tombstone."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "exports"))
from publication_world import NOW_US, ORDER, PARTNER, Exports

from collector import cli
from collector.exports.expiry import expire
from collector.exports.kinds import Entitlement
from collector.exports.manifest import OWN_NAMES
from collector.exports.publication import publications

DAY_US = 86_400_000_000


def permitted(partner=PARTNER, order=ORDER, days=90) -> Entitlement:
    return Entitlement(partner, order, "avalanche", (), (), (), (), "AMBER", (), (), days, "x")


@pytest.fixture
def world(tmp_path):
    """A publication on each of three days, kept 90 days; one of another order kept 10; another partner's."""
    made = Exports(tmp_path)
    for day in range(3):
        made.publish(day, now_us=NOW_US + day * DAY_US)
    made.publish(order="zero-1", retention_days=10)
    made.publish(partner="fkie", retention_days=30)
    return made


def copies(world, partner=PARTNER) -> dict[str, int]:
    """How many copies stand in each publication."""
    return {
        one.folder.name: len([path for path in one.folder.iterdir() if path.name not in OWN_NAMES])
        for one in publications(world.data, partner)
    }


def test_l33_copies_go_by_order_and_partner(world):
    """The day after `retention_days` days from publication the files are gone, not a day before; others are untouched."""
    everything = {"000001": 2, "000002": 2, "000003": 2, "000004": 2}
    expire(world.log, world.data, [], NOW_US + 10 * DAY_US)
    assert copies(world) == everything
    made = expire(world.log, world.data, [], NOW_US + 11 * DAY_US)
    assert [len(made.deleted), copies(world)] == [2, everything | {"000004": 0}]
    expire(world.log, world.data, [], NOW_US + 31 * DAY_US)
    assert [copies(world, "fkie"), copies(world)["000001"]] == [{"000001": 0}, 2]
    expire(world.log, world.data, [], NOW_US + 90 * DAY_US)
    assert copies(world)["000001"] == 2
    expire(world.log, world.data, [], NOW_US + 92 * DAY_US)
    assert copies(world) == {"000001": 0, "000002": 0, "000003": 2, "000004": 0}


def test_l33_a_shorter_time_counts_a_longer_one_does_not(world):
    """A partner's or annex's retention made shorter counts for what is published already; one made longer does not."""
    later = NOW_US + 6 * DAY_US
    expire(world.log, world.data, [permitted(days=300), permitted(order="zero-1", days=5)], later)
    assert copies(world) == {"000001": 2, "000002": 2, "000003": 2, "000004": 0}
    expire(world.log, world.data, [permitted(days=300)], NOW_US + 91 * DAY_US)
    assert copies(world)["000001"] == 0


def test_l33_the_deletion_of_a_copy_is_entered_with_its_hash(world):
    """The entry names each file with hash, bytes and rows, its order and operation, and stands before the file goes."""
    one = publications(world.data, PARTNER)[3]
    made = expire(world.log, world.data, [], NOW_US + 11 * DAY_US, actor="p-1", reason="agreed")
    [entry] = world.entries("deleted")
    assert made.entries == [entry.number]
    assert entry.facts["files"] == [
        {
            "name": f"exports/{PARTNER}/000004/{file.name}",
            "sha256": file.sha256,
            "bytes": file.bytes,
            "rows": 5,
        }
        for file in one.manifest.files
    ]
    said = {key: entry.facts[key] for key in ("why", "actor", "reason", "order", "operation")}
    assert said == {
        "why": "partner copy", "actor": "p-1", "reason": "agreed", "order": "zero-1", "operation": "zero",
    }  # fmt: skip


def test_l33_the_sequence_stays_provable(world, capsys):
    """Verification says which copies are gone by which entry, and holds; the next publication follows as before."""
    expire(world.log, world.data, [], NOW_US + 200 * DAY_US)
    world.publish(9, now_us=NOW_US + 200 * DAY_US)
    assert cli.main(["verify", str(world.data)]) == 0
    assert "files are deleted, their time is over (entry" in capsys.readouterr().out
    assert copies(world) == {"000001": 0, "000002": 0, "000003": 0, "000004": 0, "000005": 2}


def test_l33_a_copy_that_is_gone_without_an_entry_is_found(world, capsys):
    """Nobody else may delete, even when the time is over."""
    min((world.tree / "000004").glob("*.csv")).unlink()
    assert cli.main(["verify", str(world.tree)]) == 1
    assert "missing" in capsys.readouterr().out


def test_l33_a_held_orders_copies_stay(world):
    """A hold keeps every file of its order, and it is told."""
    world.log.append("hold_set", NOW_US, operation="zero", order="zero-1", actor="p-1", reason="appeal")
    made = expire(world.log, world.data, [], NOW_US + 11 * DAY_US)
    assert (made.deleted, copies(world)["000004"]) == ([], 2)
    assert set(made.kept_back.values()) == {"zero-1 is held"}


def test_l33_a_deletion_that_a_crash_cut_off_is_finished(world, monkeypatch):
    """Killed after the entry: the next run deletes what is left, with no second entry, and leaves another file of that name."""
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            expire(world.log, world.data, [], NOW_US + 11 * DAY_US)
    assert copies(world)["000004"] == 2
    other = min((world.tree / "000004").glob("*.csv"))
    other.write_text("another")
    made = expire(world.log, world.data, [], NOW_US + 11 * DAY_US)
    assert [len(made.finished), len(world.entries("deleted")), len(made.kept_back)] == [1, 1, 1]
    assert other.read_text() == "another"


def test_l33_a_dry_run_deletes_nothing(world):
    """It tells what would go."""
    made = expire(world.log, world.data, [], NOW_US + 11 * DAY_US, dry_run=True)
    assert [len(made.deleted), copies(world)["000004"], world.entries("deleted")] == [2, 2, []]
