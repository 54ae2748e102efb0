"""The first equation by day: to the unit over midnights, deaths of the clerk and clean stops; else not stated."""

import json
import time
from datetime import date
from pathlib import Path

from collectors import exchange, get, running
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.exports.manifest import CheckIns
from collector.ground.codes import Fate
from collector.ground.counters import CELL, FATE_0, Board
from collector.service.day_counts import DayCounts

DAY_US = 86_400_000_000
START_US = 1_795_305_600_000_000
FIRST = date(2026, 11, 22)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accept", "end", "drop", "clerk dies", "stop and start"]),
        st.integers(0, 20),
        st.integers(0, 30_000_000_000),
        st.sampled_from(list(Fate)),
    ),
    max_size=30,
)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS)
def test_each_day_balances_whatever_happens_between(steps, tmp_path_factory):
    """A day's accepted, its fates and what is open at its end agree with a plain count, and the manifest accepts them."""
    path = tmp_path_factory.mktemp("counts") / "day-counts.json"
    board = Board(1)
    now = START_US
    counts = DayCounts(path, board, now)
    page = board.workers[0]
    model: dict[int, dict] = {}
    open_now = 0

    def today():
        number = (now - START_US) // DAY_US
        return model.setdefault(number, {"accepted": open_now, "fates": 0, "open": open_now, "drops": 0})

    for what, count, later, fate in steps:
        now += later
        today()
        if what == "accept":
            page.counts[CELL["accepted_tcp"]] += count
            page.counts[CELL["open"]] += count
            today()["accepted"] += count
            open_now += count
        elif what == "end":
            ended = min(count, open_now)
            page.counts[FATE_0 + fate] += ended
            page.counts[CELL["open"]] -= ended
            today()["fates"] += ended
            open_now -= ended
        elif what == "drop":
            page.counts[CELL["kernel_dropped_udp"]] += count
            today()["drops"] += count
        today()["open"] = open_now
        page.publish()
        counts.note(now)
        if what == "clerk dies":
            counts._save(now, stopped=False)  # what it had saved at some look
            counts = DayCounts(path, board, now)
        elif what == "stop and start" and not open_now:
            counts.note(now, stopping=True)
            board = Board(1)
            page = board.workers[0]
            counts = DayCounts(path, board, now)
    for number, expected in model.items():
        said = counts.of(date.fromordinal(FIRST.toordinal() + number))
        assert (said["checkins"]["accepted"], sum(said["checkins"]["fates"].values())) == (
            expected["accepted"],
            expected["fates"],
        )
        assert said["checkins"]["open"] == expected["open"]
        assert said["kernel_dropped"]["udp"] == expected["drops"]
        CheckIns(**said["checkins"])


def test_where_everything_died_no_equation_is_stated(tmp_path: Path) -> None:
    """After a death of all, the days it may concern have none, and other days have theirs."""
    path = tmp_path / "day-counts.json"
    board = Board(1)
    before = DayCounts(path, board, START_US)
    before.note(START_US)
    before.note(START_US + DAY_US)
    after = DayCounts(path, Board(1), START_US + DAY_US + 5_000_000)
    after.note(START_US + 2 * DAY_US)
    assert after.of(date(2026, 11, 22))["checkins"] is not None
    assert after.of(date(2026, 11, 23))["checkins"] is None
    assert after.of(date(2026, 11, 24))["checkins"] is not None


def test_a_running_collectors_file_agrees_with_its_metrics(tmp_path: Path) -> None:
    """After check-ins, a clerk killed with -9 and a clean stop, the day's fates are those that the last scrape told."""
    with running(tmp_path) as collector:
        for _ in range(7):
            exchange(collector.port, get())
        collector.kill_child("clerk")
        time.sleep(2)
        for _ in range(5):
            exchange(collector.port, get())
        fates = collector.settled_fates(12)
        assert collector.stop() == 0
    said = json.loads((collector.data / "day-counts.json").read_text())
    days = said["days"].values()
    assert said["stopped"]
    assert sum(day["accepted"] for day in days) == 12
    assert sum(day["fates"]["recorded"] for day in days) == fates["recorded"]
    assert all(day["whole"] for day in days)
