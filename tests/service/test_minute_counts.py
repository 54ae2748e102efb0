"""Check-ins by minute: every one in some minute, to the unit, whatever dies; nothing where nothing ran."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ground.codes import Fate
from collector.ground.counters import CELL, FATE_0, Board
from collector.manage.status.look import MINUTE_COLUMNS
from collector.service.minute_counts import MINUTE_US, MINUTES_KEPT, SPREAD_MAX, MinuteCounts

START_US = 1_795_305_600_000_000
RECORDED, DROPPED, KERNEL = (MINUTE_COLUMNS.index(name) for name in ("recorded", "dropped", "kernel"))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "clerk dies", "all die", "stop and start"]),
        st.sampled_from(list(Fate)),
        st.integers(0, 1000),
        st.integers(0, 10 * MINUTE_US),
    ),
    max_size=40,
)


def total(minutes, column=slice(0, 4)):
    """Over all minutes that are known."""
    return sum(sum(counts[column]) for counts in minutes if counts is not None)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_every_check_in_is_in_a_minute(steps, tmp_path_factory) -> None:
    """Over looks at any distance, deaths of the clerk and clean stops, the minutes add up to all that was counted; only where
    everything dies at once may what came since the last minute be missing. No more than a day is kept.
    """
    path = tmp_path_factory.mktemp("minutes") / "minute-counts.json"
    board = Board(1)
    minutes = MinuteCounts(path, board)
    now, came, unsaved, lost = START_US, 0, 0, 0
    minutes.note(now)
    for what, fate, count, later in steps:
        if what == "come":
            board.workers[0].counts[FATE_0 + fate] += count
            board.workers[0].publish()
            came += count
            unsaved += count
            before, now = now, now + later
            minutes.note(now)
            if now // MINUTE_US != before // MINUTE_US:
                unsaved = 0
        elif what == "clerk dies":
            now += later
            minutes = MinuteCounts(path, board)
            minutes.note(now)
            unsaved = 0
        elif what == "all die":
            board, now = Board(1), now + later
            minutes = MinuteCounts(path, board)
            minutes.note(now)
            lost, unsaved = lost + unsaved, 0
        else:
            minutes.note(now, stopping=True)
            board, now = Board(1), now + later
            minutes = MinuteCounts(path, board)
            minutes.note(now)
            unsaved = 0
    kept = minutes.last(now)
    assert len(kept) == MINUTES_KEPT
    assert came - lost <= total(kept) <= came


def test_what_came_without_a_clerk_is_spread(tmp_path) -> None:
    """Ten minutes without a clerk and 1,003 check-ins: about a hundred in each, 1,003 in all; no peak that never was."""
    board = Board(1)
    MinuteCounts(tmp_path / "m.json", board).note(START_US)
    board.workers[0].counts[FATE_0 + Fate.RECORDED] = 1003
    board.workers[0].publish()
    minutes = MinuteCounts(tmp_path / "m.json", board)
    minutes.note(START_US + 9 * MINUTE_US)
    tenth = [counts[RECORDED] for counts in minutes.last(START_US + 9 * MINUTE_US)[-10:]]
    assert sum(tenth) == 1003
    assert max(tenth) - min(tenth) <= 1


def test_minutes_without_a_collector_are_unknown(tmp_path) -> None:
    """A stop of an hour is an hour of None, not of nothing; and a clock set forward by days is no spread over them."""
    board = Board(1)
    first = MinuteCounts(tmp_path / "m.json", board)
    first.note(START_US, stopping=True)
    later = START_US + 60 * MINUTE_US
    again = MinuteCounts(tmp_path / "m.json", Board(1))
    again.note(later)
    known = again.last(later)
    assert [counts is None for counts in known[-61:]] == [False] + [True] * 59 + [False]
    board.workers[0].counts[FATE_0 + Fate.RECORDED] = 7
    board.workers[0].publish()
    far = START_US + (SPREAD_MAX + 1) * MINUTE_US
    first.note(far)
    assert first.last(far)[-1][RECORDED] == 7


def test_groups_and_what_stands_beside_them(tmp_path) -> None:
    """Fates count for their group; the kernel's drops, refusals and rot have columns of their own; nothing counts backwards."""
    board = Board(1)
    minutes = MinuteCounts(tmp_path / "m.json", board)
    minutes.note(START_US)
    page = board.workers[0]
    for fate in Fate:
        page.counts[FATE_0 + fate] = 1
    page.counts[CELL["kernel_dropped_udp"]] = 5
    page.counts[CELL["fsync_errors"]] = 3
    page.counts[CELL["corrupt_blocks"]] = 2
    page.publish()
    minutes.note(START_US)
    assert minutes.last(START_US)[-1] == (1, 4, 3, 3, 1, 1, 1, 5, 3, 2)
    page.counts[CELL["kernel_dropped_udp"]] = 1
    page.publish()
    minutes.note(START_US)
    assert minutes.last(START_US)[-1][KERNEL] == 5


def test_a_file_that_cannot_be_read_is_begun_anew(tmp_path) -> None:
    """Damage, another form, or other columns cost the picture and nothing else."""
    path = tmp_path / "m.json"
    board = Board(1)
    MinuteCounts(path, board).note(START_US)
    good = json.loads(path.read_text())
    bad = [b"", b"\xff\xfe", b"[]", b"{}", b"null"]
    bad += [
        json.dumps(good | change).encode()
        for change in (
            {"columns": ["recorded"]},
            {"last": [1, 2]},
            {"minutes": {"x": [1] * 10}},
            {"minutes": {"29921760": [1]}},
            {"minutes": [1]},
            {"looked": None},
        )
    ]
    for content in bad:
        path.write_bytes(content)
        minutes = MinuteCounts(path, board)
        minutes.note(START_US)
        assert total(minutes.last(START_US)) == 0
        assert minutes.last(START_US)[-1] is not None


def test_a_full_disk_costs_nothing_but_the_file(tmp_path) -> None:
    """A folder that cannot be written to: the minutes are kept in memory, and nothing is raised."""
    minutes = MinuteCounts(tmp_path / "gone" / "m.json", Board(1))
    minutes.note(START_US)
    assert minutes.last(START_US)[-1] is not None
