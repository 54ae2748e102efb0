"""The shared counters: a reader sees whole publications only, whoever dies when, and a death is counted out to the unit."""

import time
from functools import partial

import pytest
from forked import killed_in_the_end
from hypothesis import given
from hypothesis import strategies as st

from collector.ground.codes import Fate
from collector.ground.counters import (
    CELL,
    CELLS,
    COMMIT_BOUNDS,
    FATE_0,
    GAUGES,
    KEPT,
    Board,
    bucket_of,
    cumulative,
)

DEATHS = 150


def publish_forever(page, start: int) -> None:
    """A worker that publishes as fast as it can; in each publication all cells are equal."""
    number = start
    while True:
        number += 1
        page.counts[:] = [number] * len(CELLS)
        page.publish()


def test_a_reader_never_sees_half_a_publication():
    """While a process publishes and is killed at random moments: all cells of each reading are of one publication."""
    board = Board(1)
    page = board.workers[0]
    seen = 0
    for death in range(DEATHS):
        before = page.read()[0]
        with killed_in_the_end(partial(publish_forever, page, before)):
            until = time.monotonic() + 0.004 + death % 7 * 0.0005
            while time.monotonic() < until:
                values = page.read()
                assert len(set(values)) == 1, "torn while publishing"
                seen += values[0] != before
        values = page.read()
        assert len(set(values)) == 1, "torn by the death"
        assert values[0] >= before
        assert board.total() == list(values)
    assert seen > 0
    assert page.read()[0] > DEATHS


def test_a_successor_publishes_over_what_a_killed_one_left():
    """After a death in the middle of a publication the page works on: what is published next is what is read."""
    board = Board(1)
    page = board.workers[0]
    for number in range(1, 30):
        with killed_in_the_end(partial(publish_forever, page, 1000)):
            time.sleep(0.003)
        page.counts[:] = [number] * len(CELLS)
        page.publish()
        assert set(page.read()) == {number}


@given(
    fates=st.lists(st.integers(0, 1000), min_size=len(Fate), max_size=len(Fate)),
    tcp_more=st.integers(0, 500),
    udp_more=st.integers(0, 500),
    still_open=st.integers(0, 500),
    in_journals=st.none() | st.integers(0, 500),
)
def test_a_death_is_counted_out_to_the_unit(fates, tcp_more, udp_more, still_open, in_journals):
    """`retire`: accepted = fates + open before it and after it; what was open, or accepted unpublished, is dropped_crash.

    Records found in the journals beyond the published count were recorded, not lost.
    """
    board = Board(2)
    other = board.workers[1]
    other.counts[CELL["accepted_tcp"]] = other.counts[FATE_0 + Fate.RECORDED] = 5
    other.publish()
    page = board.workers[0]
    page.counts[FATE_0 : FATE_0 + len(Fate)] = fates
    page.counts[CELL["accepted_tcp"]] = sum(fates) + still_open
    page.counts[CELL["open"]] = still_open
    page.counts[CELL["kernel_dropped_udp"]] = 3
    page.publish()
    page.note_tcp(sum(fates) + still_open + tcp_more)
    page.note_udp(udp_more)
    unpublished = still_open + tcp_more + udp_more
    durable = None if in_journals is None else fates[Fate.RECORDED] + min(in_journals, unpublished)
    lost = board.retire(0, durable)
    found = board.total()
    assert lost == unpublished - (0 if in_journals is None else min(in_journals, unpublished))
    assert found[CELL["open"]] == 0
    accepted = found[CELL["accepted_tcp"]] + found[CELL["accepted_udp"]]
    assert accepted == sum(found[FATE_0 : FATE_0 + len(Fate)]) == sum(fates) + unpublished + 5
    assert found[FATE_0 + Fate.DROPPED_CRASH] == fates[Fate.DROPPED_CRASH] + lost
    assert found[FATE_0 + Fate.RECORDED] == 5 + (fates[Fate.RECORDED] if durable is None else durable)
    assert found[CELL["kernel_dropped_udp"]] == 3  # the socket lives on, and its own count with it
    assert page.noted == (0, 0)


def test_retiring_twice_adds_nothing():
    """A page that was retired holds nothing that could be counted again, but for the deaths themselves."""
    board = Board(1)
    board.workers[0].counts[CELL["accepted_tcp"]] = board.workers[0].counts[FATE_0] = 7
    board.workers[0].publish()
    assert board.retire(0, None) == 0
    before = board.total()
    assert board.retire(0, None) == 0
    before[CELL["restarts"]] += 1
    assert board.total() == before


def test_a_total_taken_while_deaths_are_retired_always_balances():
    """A scrape in one process while another moves dead pages to `retired`: each total balances, none falls."""
    board = Board(2)

    def die_and_be_retired() -> None:
        while True:
            for number in range(2):
                page = board.workers[number]
                page.counts[CELL["accepted_tcp"]] = 11
                page.counts[FATE_0 : FATE_0 + 3] = [4, 3, 2]
                page.counts[CELL["open"]] = 2
                page.publish()
                page.note_tcp(13)
                board.retire(number, None)
                time.sleep(0.0002)  # deaths are rare, and a total needs a moment between two of them

    most = 0
    with killed_in_the_end(die_and_be_retired):
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            found = board.total()
            accepted = found[CELL["accepted_tcp"]]
            assert accepted == sum(found[FATE_0 : FATE_0 + len(Fate)]) + found[CELL["open"]]
            assert accepted >= most, "a death was counted twice for a moment"
            most = accepted
    assert most > 200


def test_gauges_of_the_dead_are_not_added_up():
    """What states how things are now (open bytes, doubts, pids) dies with the worker; what counts stays."""
    board = Board(1)
    page = board.workers[0]
    page.counts[:] = [9] * len(CELLS)
    page.counts[CELL["accepted_tcp"]] = 9 * len(Fate)
    page.publish()
    board.retire(0, None)
    left = {name for name in CELLS if board.total()[CELL[name]]}
    kept = {CELLS[cell] for cell in range(len(CELLS)) if cell not in GAUGES}
    # The sockets live on, with their own counts; the page knows who died in it.
    assert left == kept | {CELLS[cell] for cell in KEPT}
    assert board.total()[CELL["restarts"]] == 10


def test_a_clerks_death_takes_nothing_back():
    """`retire_clerk`: what it had counted stays in the sum, its successor counts on; the page notes death and CPU time."""
    board = Board(1)
    board.clerk.counts[CELL["segments_rows"]] = 7
    board.clerk.counts[CELL["kernel_dropped_tcp"]] = 2
    board.clerk.publish()
    board.retire_clerk(1_500_000)
    assert board.total()[CELL["segments_rows"]] == 7
    board.clerk.counts[CELL["segments_rows"]] += 1  # the successor's, forked with this list
    board.clerk.publish()
    found = board.total()
    assert (found[CELL["segments_rows"]], found[CELL["kernel_dropped_tcp"]]) == (8, 2)
    page = board.clerk.read()
    assert (page[CELL["restarts"]], page[CELL["cpu_gone_us"]]) == (1, 1_500_000)


def test_journals_of_an_earlier_process_do_not_upset_the_count():
    """A worker's journals may be recovered a death too late (the disk refused): the equation holds all the same."""
    board = Board(1)
    page = board.workers[0]
    page.counts[CELL["accepted_tcp"]] = 5
    page.counts[FATE_0 : FATE_0 + 2] = [2, 1]
    page.publish()
    assert board.retire(0, 10_000) == 0
    found = board.total()
    assert (found[CELL["accepted_tcp"]], found[FATE_0], found[FATE_0 + 1]) == (5, 4, 1)


@pytest.mark.parametrize(("seconds", "bucket"), [(0.0, 0), (0.0005, 0), (0.00051, 1), (2.5, 11), (99.0, 12)])
def test_a_latency_falls_into_its_bucket(seconds, bucket):
    """Bounds are upper bounds, inclusive, and the last bucket takes the rest."""
    assert bucket_of(seconds) == bucket
    assert len(COMMIT_BOUNDS) == 12


def test_buckets_accumulate():
    """A histogram's buckets each include the ones below."""
    counts = [0] * len(CELLS)
    first = CELL["commit_bucket_0"]
    counts[first : first + 13] = [1] * 13
    assert cumulative(counts, first) == list(range(1, 14))
