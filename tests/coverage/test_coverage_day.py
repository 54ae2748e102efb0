"""Which day is meant, by which schedule it is told, and what has to be said of it."""

from datetime import date

import pytest
from coverage_world import BEGINS_US, DAY, DAY_US, MONTH, SENSOR, World, address, operation
from hypothesis import given
from hypothesis import strategies as st
from segment_world import NOON_US

from collector.audit.log import Entry
from collector.cli.coverage_output import heading, windows
from collector.coverage.day import CoverageError, rules_of, shown_day
from collector.custody import quarantine
from collector.ground import files
from collector.ground.errors import ConfigurationError
from collector.segments.catalogue import segments_of
from collector.segments.segment import aside_directory, day_directory

SCHEDULE = "evil.com,a,redirect,r,,\n"
INSTALLED = date(2026, 11, 10)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.load({"op": (operation("op"), SCHEDULE)}, {"op-1": MONTH})
    made.come([(b"evil.com", NOON_US, address(1)), (b"evil.com", NOON_US + 1, address(2))])
    return made


def folders(data, *days):
    for day in days:
        files.make_directory(day_directory(data, day))


def test_without_a_date_it_is_yesterday_or_the_latest_before_it_or_today(tmp_path):
    """Yesterday where it has a folder; else the latest day before it; today where nothing else is there."""
    today = date(2026, 11, 23)
    assert shown_day(tmp_path, None, today, today) == today
    folders(tmp_path, today)
    assert shown_day(tmp_path, None, today, today) == today
    folders(tmp_path, date(2026, 11, 12), date(2026, 11, 20))
    assert shown_day(tmp_path, None, today, INSTALLED) == date(2026, 11, 20)
    folders(tmp_path, date(2026, 11, 22), date(2026, 11, 24))
    assert shown_day(tmp_path, None, today, INSTALLED) == date(2026, 11, 22)


def test_a_day_that_nothing_can_be_known_of_is_refused_with_the_days_that_can(tmp_path):
    """Before the collector was installed, or to come; a day with rows of another sensor from before is known."""
    today = date(2026, 11, 23)
    for asked, reason in (
        (date(2026, 11, 9), "before anything was collected"),
        (date(2026, 11, 24), "has not begun"),
    ):
        with pytest.raises(ConfigurationError, match=f"{reason}(.|\n)*2026-11-10 to 2026-11-23"):
            shown_day(tmp_path, asked, today, INSTALLED)
    for asked in (INSTALLED, date(2026, 11, 15), today):
        assert shown_day(tmp_path, asked, today, INSTALLED) == asked
    folders(tmp_path, date(2026, 11, 1))
    assert shown_day(tmp_path, date(2026, 11, 1), today, INSTALLED) == date(2026, 11, 1)


LOADS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=6)


@given(loads=LOADS, begins=st.integers(0, 30), length=st.integers(1, 10))
def test_the_rules_of_a_time_are_those_in_force_in_some_instant_of_it(loads, begins, length):
    """Against asking at every instant; the latest stands first, each once."""
    loads.sort(key=lambda load: load[0])
    entries = [
        Entry(n, moment, "orders_loaded", {"rules": rules}, b"") for n, (moment, rules) in enumerate(loads, 1)
    ]
    entries.append(Entry(99, 0, "started", {}, b""))
    instants: list[str] = []
    for instant in range(begins, begins + length):
        before = [rules for moment, rules in loads if moment <= instant]
        # Of several at one instant the last counts from then on; the others were in force for no time, and are told too.
        instants += (
            before[-1:] if instant == begins else [rules for moment, rules in loads if moment == instant]
        )
    wanted = list(dict.fromkeys(reversed(instants)))
    assert rules_of(entries, begins, begins + length) == wanted


def test_a_day_is_told_by_its_own_schedule_as_long_as_that_is_kept(world):
    """Afterwards by the oldest that is left, which is said."""
    assert world.day().as_it_was
    first = world.digest
    for number in range(2):
        schedule = SCHEDULE + f"more-{number}.com,a,redirect,r,,\n"
        world.load({"op": (operation("op"), schedule)}, {"op-1": MONTH}, BEGINS_US + (number + 1) * DAY_US)
    day = world.day()
    assert (day.rules, day.as_it_was) == ((first,), True)
    (world.data / "rules" / f"{first}.json").unlink()
    day = world.day()
    assert not day.as_it_was
    assert [row["domain"] for row in world.told()[0]] == ["evil.com", "more-0.com"]


def test_it_says_that_a_day_is_not_over_or_not_sealed(world):
    """And by whom not; once it is sealed there is nothing to say."""
    assert world.day(today=DAY).notes == ("the day is not over: what has reached Parquet until now is shown",)
    assert world.day(sensors=(SENSOR, "other")).notes == (
        f"not sealed yet by other, {SENSOR}: what is there is shown, more may come",
    )
    world.seal()
    assert world.day().notes == ()


def test_it_says_what_the_days_equation_has_of_check_ins_without_a_row(world):
    """From the marker: suppressed by clock and window, refused by the disk; and that nothing came at all."""
    fates = {"recorded": 2, "suppressed_scope": 9, "suppressed_window": 3, "dropped_disk": 1}
    world.seal(checkins={"accepted": 15, "open": 0, "fates": fates})
    [note] = world.day().notes
    assert note == "check-ins that left no row, for whichever name: suppressed_window 3, dropped_disk 1"


def test_a_day_on_which_nothing_was_accepted_is_told_as_that(tmp_path):
    """Every domain is silent, and the first question is whether the collector ran."""
    world = World(tmp_path)
    world.load({"op": (operation("op"), SCHEDULE)}, {"op-1": MONTH})
    world.seal(checkins={"accepted": 0, "open": 0, "fates": {"recorded": 0}})
    assert world.day().notes == ("no check-in at all was accepted that day: was the collector running?",)
    assert [row["state"] for row in world.told()[0]] == ["silent"]


def test_rows_in_quarantine_are_not_counted_and_it_says_so(world):
    """As for partners: set aside until an officer decides."""
    [segment] = segments_of(world.data, DAY)
    files.make_directory(aside_directory(world.data, DAY))
    segment.path(world.data).rename(segment.path_aside(world.data))
    assert any(note == "2 rows in quarantine are not counted" for note in world.day().notes)
    assert [row["state"] for row in world.told()[0]] == ["silent"]


def enter_deletion(world, *names):
    tombstones = [
        {"name": f"segments/date={DAY}/{name}", "sha256": "0" * 64, "bytes": 1, "rows": 1} for name in names
    ]
    world.log.append("deleted", NOON_US + 100 * DAY_US, files=tombstones, why="retention")


def test_a_purged_day_is_no_silent_one(world):
    """Its rows were deleted when their time was over: that cannot be told any more, and is not told as silence."""
    world.seal()
    [segment] = segments_of(world.data, DAY)
    segment.path(world.data).unlink()
    assert any("pentrap verify" in note for note in world.day().notes)  # gone, and no entry says why
    enter_deletion(world, segment.name)
    with pytest.raises(CoverageError, match="rows of 2026-11-22 were deleted"):
        world.day()


def test_a_day_of_which_some_files_were_deleted_says_how_many(world):
    """The rest is counted."""
    world.come([(b"evil.com", NOON_US + 2, address(3))])
    world.seal()
    first, second = segments_of(world.data, DAY)
    first.path(world.data).unlink()
    enter_deletion(world, first.name)
    assert world.day().notes == ("1 of the day's files were deleted, and are not counted",)
    assert [row["check_ins"] for row in world.told()[0]] == [second.rows]


@pytest.mark.parametrize("before_the_seal", [True, False])
def test_a_day_whose_rows_were_destroyed_out_of_quarantine_is_no_silent_one(world, before_the_seal):
    """It is told; where nothing else is left, nobody says silent, whether the marker named the segment or not."""
    [segment] = segments_of(world.data, DAY)
    if not before_the_seal:
        world.seal()
    quarantine.set_aside(world.data, world.log, segment, actor="p-1", reason="content")
    if before_the_seal:
        world.seal()
    quarantine.destroy(world.data, world.log, segment, actor="p-1", reason="content")
    note = "2 rows were destroyed out of quarantine, and are not counted"
    assert world.day().notes == (f"{note}: nothing is left that could tell what was silent",)
    rows, registries = world.told()
    assert [(row["state"], row["check_ins"]) for row in rows] == [(None, 0)]
    assert [one.state for one in registries] == [""]
    world.come([(b"evil.com", NOON_US + 5, address(1))])
    assert world.day().notes == (note,)
    assert [row["state"] for row in world.told()[0]] == ["reached"]


def test_nothing_was_recorded_before_an_order_was_loaded(tmp_path):
    """An order's window may begin earlier: a day before its loading has no silent domain, a day within it a part of one."""
    world = World(tmp_path)
    later = BEGINS_US + DAY_US + 7
    world.load({"op": (operation("op"), SCHEDULE)}, {"op-1": MONTH}, at_us=later)
    day = world.day()
    assert (day.recorded, day.as_it_was, day.had_rules) == ({}, False, False)
    assert [row["state"] for row in world.told()[0]] == [None]
    assert heading(day).endswith("by the schedule of a later day: none was loaded that day")
    [note] = windows(day, ["op"])
    assert note.startswith("no order of op was loaded and in force")
    world = World(tmp_path / "noon")
    world.load({"op": (operation("op"), SCHEDULE)}, {"op-1": MONTH}, at_us=NOON_US)
    day = world.day()
    assert (day.recorded, day.as_it_was) == ({"op": ((NOON_US, BEGINS_US + DAY_US),)}, True)
    world.load(
        {"op": (operation("op"), SCHEDULE + "more.com,a,redirect,r,,\n")}, {"op-1": MONTH}, at_us=later
    )
    assert world.day().recorded == day.recorded


def test_the_times_in_which_an_order_was_in_force_are_joined_by_operation(tmp_path):
    """An order and its extension that meet are one time; a gap stays a gap; another operation's are its own."""
    world = World(tmp_path)
    orders = {
        "op-1": ("2026-11-01T00:00:00Z", "2026-11-22T06:00:00Z"),
        "op-2": ("2026-11-22T06:00:00Z", "2026-11-22T08:00:00Z"),
        "op-3": ("2026-11-22T09:00:00Z", "2026-12-22T00:00:00Z"),
    }
    world.load(
        {"op": (operation("op", orders=orders), SCHEDULE), "two": (operation("two"), SCHEDULE)},
        orders | {"two-1": MONTH},
    )
    hour = 3_600_000_000
    assert world.day().recorded == {
        "op": ((BEGINS_US, BEGINS_US + 8 * hour), (BEGINS_US + 9 * hour, BEGINS_US + DAY_US)),
        "two": ((BEGINS_US, BEGINS_US + DAY_US),),
    }
