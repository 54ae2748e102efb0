"""L-17: a segment found to hold content is set aside, its day exports nothing, and nothing of it is taken for loss."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "custody"))
sys.path.insert(0, str(Path(__file__).parent.parent / "segments"))

import segment_world
from custody_world import DAY, SENSOR, World

from collector.custody import quarantine
from collector.custody.inventory import inventory
from collector.custody.known_orders import known_orders
from collector.custody.outside import rows_outside, standing
from collector.custody.quarantine import QuarantineError, held_days
from collector.segments.catalogue import late_segments, lost_segments, read_marker

WHO = {"actor": "p-1", "reason": "a host name in it"}


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return segment_world.small_rules(tmp_path_factory.mktemp("rules"))


@pytest.fixture
def world(tmp_path, rules):
    return World(tmp_path / "house", rules)


def states(world):
    return {
        item.name: item.state
        for item in inventory(world.data, world.ledger(), hashes=True)
        if item.kind == "segment"
    }


def test_l17_aside_released_destroyed_of_a_sealed_day(world):
    """Each step is entered; the marker's segment is quarantined, present again, deleted: never lost."""
    segment = world.write(0, [0, 0])
    world.write(2, [0])
    world.seal()
    place = quarantine.place_of(segment)
    quarantine.set_aside(world.data, world.log, segment, **WHO)
    assert held_days(world.ledger()) == {DAY}
    assert states(world)[place] == "quarantined"
    assert lost_segments(world.data, SENSOR, DAY) == []
    quarantine.set_aside(world.data, world.log, segment, **WHO)
    assert len(world.entries("quarantined")) == 1
    quarantine.release(world.data, world.log, segment, **WHO)
    assert held_days(world.ledger()) == set()
    assert states(world)[place] == "present"
    quarantine.set_aside(world.data, world.log, segment, **WHO)
    world.hold("avalanche-1")
    with pytest.raises(QuarantineError, match="avalanche-1"):
        quarantine.destroy(world.data, world.log, segment, **WHO)
    world.hold("avalanche-1", lift=True)
    quarantine.destroy(world.data, world.log, segment, **WHO)
    assert world.entries("deleted")[0].facts["why"] == "quarantine"
    assert held_days(world.ledger()) == set()
    assert states(world) == {place: "deleted", **dict.fromkeys(world.segments(), "present")}


def test_l17_a_day_is_sealed_around_what_is_aside(world):
    """The marker names it apart, its numbers are no gap, it cannot be destroyed before, and released it is late."""
    world.write(0, [0])
    segment = world.write(1, [0, 0])
    world.write(3, [0])
    quarantine.set_aside(world.data, world.log, segment, **WHO)
    with pytest.raises(QuarantineError, match="not sealed"):
        quarantine.destroy(world.data, world.log, segment, **WHO)
    world.seal()
    marker = read_marker(world.data, SENSOR, DAY)
    assert [entry["name"] for entry in marker["quarantined"]] == [segment.name]
    assert marker["rows"] == 2
    assert [stream["gaps"] for stream in marker["streams"].values()] == [[]]
    quarantine.release(world.data, world.log, segment, **WHO)
    assert late_segments(world.data, SENSOR, DAY) == [segment]
    assert set(states(world).values()) == {"present"}


@pytest.mark.parametrize("event", ["quarantined", "released"])
def test_l17_killed_between_entry_and_move(world, event):
    """Whatever the log said last is where the file stands after the next command."""
    segment = world.write(0, [0])
    quarantine.set_aside(world.data, world.log, segment, **WHO)
    if event == "released":
        quarantine.release(world.data, world.log, segment, **WHO)
    here, there = segment.path(world.data), segment.path_aside(world.data)
    (there if event == "quarantined" else here).rename(here if event == "quarantined" else there)
    quarantine.settle(world.data)
    assert (there.exists(), here.exists()) == ((event == "quarantined"), (event == "released"))


def test_l17_a_repeated_conversion_does_not_bring_it_back(world):
    """A journal converted again after a crash leaves a quarantined segment's name free."""
    segment = world.write(0, [0, 0])
    quarantine.set_aside(world.data, world.log, segment, **WHO)
    from segment_world import NOON_US, STREAM, pack

    from collector.segments.write import write_segments

    records = b"".join(pack(time_us=NOON_US + place, src_port=40_000 + place) for place in range(2))
    write_segments(world.data, records, 0, STREAM, world.rules)
    assert world.segments() == []


def test_l25_lost_changed_and_strange_files_are_found(world):
    """A file gone, one byte changed, a stranger: each is told apart from what was set aside or deleted."""
    gone, changed, kept = world.write(0, [0]), world.write(1, [0]), world.write(2, [0])
    world.seal()
    late = world.write(3, [0])
    gone.path(world.data).unlink()
    content = bytearray(changed.path(world.data).read_bytes())
    content[20] ^= 1
    changed.path(world.data).write_bytes(content)
    (kept.path(world.data).parent / "notes.txt").write_text("x")
    found = {item.name: item for item in inventory(world.data, world.ledger(), hashes=True)}
    place = quarantine.place_of
    assert found[place(gone)].state == found[place(changed)].state == "lost"
    assert found[place(kept)].state == found[place(late)].state == "present"
    assert (found[place(kept)].late, found[place(late)].late) == (False, True)
    assert found["segments/date=2026-11-22/notes.txt"].state == "unexpected"


def test_l02_rows_after_a_late_termination_are_counted(world):
    """By footers where they suffice, by rows where a file straddles the end: the count is exact."""
    world.write(0, [0, 2, 0, 0])
    world.write(4, [0, 0], day=1)
    known = known_orders(world.ledger())
    cut = segment_world.NOON_US + 2  # rows stand at 0, 2 and 3 microseconds after noon
    known["avalanche-1"] = known["avalanche-1"]._replace(ends_us=cut)
    found = rows_outside(standing(world.data), known)
    assert (found["avalanche-1"].rows, found["avalanche-1"].outside, found["avalanche-1"].first_us) == (
        5,
        4,
        cut,
    )
    assert (found["zero-1"].rows, found["zero-1"].outside) == (1, 0)
