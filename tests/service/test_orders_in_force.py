"""The life of orders in a real collector: no order, several at once, chains with a gap, clocks that step over an edge."""
# ruff: noqa: E501 - a row of a table stays on one line

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collectors import Collector, exchange, get, running, write_operation
from test_days import LIBRARY, faked, set_clock

needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="needs libfaketime: apt-get install faketime")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def instant(moment: datetime) -> str:
    """As TOML has it."""
    return moment.isoformat().replace("+00:00", "Z")


def order(name: str, starts: datetime, ends: datetime, more: str = "") -> str:
    """One order."""
    return f"""
[[order]]
id = "{name}"
kind = "pen-trap"
docket = "D"
issued = {instant(starts)}
starts = {instant(starts)}
ends = {instant(ends)}
officers = ["A"]
{more}
"""


def ask_until(collector: Collector, end: datetime, host: bytes = b"evil-one.com") -> int:
    """Check-ins one after the other until an instant; each must be answered. How many there were."""
    for count in itertools.count():
        if datetime.now(UTC) >= end:
            return count
        assert b"malware" in exchange(collector.port, get(host))
    raise AssertionError


def test_l01_without_an_order_machines_are_answered_and_nothing_is_recorded(tmp_path: Path) -> None:
    """Ready, answering with the operation's own answer, saying that it does not record; no row, no journal."""
    with running(tmp_path, operation={"orders": ""}) as collector:
        for host in (b"evil-one.com", b"www.evil-two.net"):
            assert exchange(collector.port, get(host)).startswith(
                b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\n"
            )
        assert collector.settled_fates(2) == {"accepted": 2, "suppressed_window": 2, "open": 0}
        state = collector.ready()
        assert (state["ready"], state["recording"], state["not_recording_because"]) == (
            True,
            False,
            ["no order in force"],
        )
        assert collector.metrics()["pentrap_recording"] == 0
        assert collector.stop() == 0
    assert collector.rows() == []
    assert list(collector.data.rglob("*.journal")) == []


def test_l03_l09_a_chain_with_a_gap_and_an_order_beside_it(tmp_path: Path) -> None:
    """Under load: each check-in is recorded once, under the order that its instant belongs to; in the gap none is; all answered."""
    made = Collector(tmp_path)
    begin = datetime.now(UTC) + timedelta(seconds=3)
    edges = [begin + timedelta(seconds=step) for step in (0, 1, 2, 3)]
    early = begin - DAY
    orders = order("a-1", early, edges[0]) + order("a-2", edges[0], edges[1], 'extends = "a-1"')
    orders += order("a-3", edges[2], edges[3], 'extends = "a-2"')
    write_operation(
        tmp_path / "operations",
        orders=orders + order("beside", early + HOUR, edges[0] + timedelta(seconds=0.5)),
    )
    with made.start():
        asked = ask_until(made, edges[3] + timedelta(seconds=0.3))
        fates = made.settled_fates(asked)
        made.stop()
    rows = made.rows()
    assert fates["accepted"] == asked == fates["recorded"] + fates["suppressed_window"]
    assert len(rows) == fates["recorded"]
    windows = {"a-1": (early, edges[0]), "beside": (edges[0], edges[0] + timedelta(seconds=0.5)), "a-2": (edges[0] + timedelta(seconds=0.5), edges[1]), "a-3": (edges[2], edges[3])}  # fmt: skip
    for row in rows:
        starts, ends = windows[row["order_id"]]
        assert starts <= row["timestamp"] < ends, row
    assert {row["order_id"] for row in rows} == set(windows)


def test_l09_one_record_for_each_check_in_with_several_operations_in_force(tmp_path: Path) -> None:
    """Two operations list the same domain, three orders are in force: one row for each check-in, of the order that began first."""
    now = datetime.now(UTC).replace(microsecond=0)
    late, first = now - 2 * HOUR, now - 3 * HOUR
    write_operation(
        tmp_path / "operations",
        name="one",
        orders=order("one-1", late, now + DAY) + order("one-2", late, now + DAY),
    )
    write_operation(tmp_path / "operations", name="two", orders=order("two-1", first, now + DAY))
    made = Collector(tmp_path)
    with made.start():
        for _ in range(20):
            assert b"malware" in exchange(made.port, get())
        assert made.settled_fates(20)["recorded"] == 20
        made.stop()
    rows = made.rows()
    assert [(row["order_id"], row["infection"]) for row in rows] == [("two-1", "two-andromeda")] * 20
    assert len({(row["src_port"], row["timestamp"]) for row in rows}) == 20


@needs_faketime
@pytest.mark.parametrize("edge", ["starts", "ends"])
@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY, -DAY], ids=["+1h", "-1h", "+1d", "-1d"])
def test_l06_a_step_over_an_orders_edge_records_nothing(tmp_path: Path, step: timedelta, edge: str) -> None:
    """Forward and back, into a window and out of it: the clock is in doubt, so nothing is recorded, and all are answered."""
    with faked(tmp_path, timedelta(0)) as made:
        between = datetime.now(UTC) + step / 2
        window = (between, between + 20 * DAY) if edge == "starts" else (between - 20 * DAY, between)
        write_operation(tmp_path / "operations", starts=window[0], ends=window[1])
        inside = window[0] <= datetime.now(UTC) < window[1]
        made.start()
        assert b"malware" in exchange(made.port, get())
        set_clock(tmp_path, step)
        time.sleep(0.1)
        for _ in range(5):
            assert b"malware" in exchange(made.port, get())
        before = {"recorded": 1} if inside else {"suppressed_window": 1}
        assert made.settled_fates(6) == before | {"suppressed_clock": 5, "accepted": 6, "open": 0}
        assert made.ready()["ready"]
        made.stop()
        rows = made.rows()
    assert len(rows) == inside
    assert all(window[0] <= row["timestamp"] < window[1] for row in rows)


@needs_faketime
@pytest.mark.parametrize(("edge", "step"), [("ends", 1.0), ("ends", -1.0), ("ends", -0.9), ("starts", 0.9)])
def test_l06_a_second_over_an_edge_leaves_every_row_inside_its_window(
    tmp_path: Path, step: float, edge: str
) -> None:
    """Up to a second is believed, a hair more is not: under load around the edge, either way, each row's own instant lies in the
    window, and all are answered.
    """
    with faked(tmp_path, timedelta(0)) as made:
        between = datetime.now(UTC) + timedelta(seconds=4)
        window = (between, between + 20 * DAY) if edge == "starts" else (between - 20 * DAY, between)
        write_operation(tmp_path / "operations", starts=window[0], ends=window[1])
        made.start()
        turn = between + timedelta(seconds=0.4 if step < 0 else -0.4)
        timer = threading.Timer(
            (turn - datetime.now(UTC)).total_seconds(), set_clock, (tmp_path, timedelta(seconds=step))
        )
        timer.start()
        asked = ask_until(made, between + timedelta(seconds=1.5))
        timer.join()
        fates = made.settled_fates(asked)
        made.stop()
        rows = made.rows()
    told = sum(fates.get(fate, 0) for fate in ("recorded", "suppressed_window", "suppressed_clock"))
    assert fates["accepted"] == asked == told
    if abs(step) < 1:
        assert "suppressed_clock" not in fates
        assert fates["suppressed_window"] > 0 < fates["recorded"]
    assert len(rows) == fates.get("recorded", 0)
    assert all(window[0] <= row["timestamp"] < window[1] for row in rows)
