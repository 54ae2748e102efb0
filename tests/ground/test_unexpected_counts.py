"""The table of unexpected check-ins: exact beside a plain model, whoever is killed when; bounded, and made of numbers only."""

import time
from collections import Counter

from forked import killed_in_the_end
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ground.counters import Board
from collector.ground.unexpected import (
    CELL_BYTES,
    COUNT_MASK,
    DAY_BITS,
    HEAD_BYTES,
    SETS,
    TABLE_BYTES,
    WAYS,
    tables,
)

DAY = 20_779  # 2026-11-22


def words(table) -> list[int]:
    return list(memoryview(table.read()[0]).cast("Q"))


def told(table) -> dict[tuple[int, int], int]:
    """By key and day, what the table says; key 0: what found no cell."""
    numbers = words(table)
    found = {(0, number >> DAY_BITS): number & COUNT_MASK for number in numbers[1:3] if number & COUNT_MASK}
    for at in range(HEAD_BYTES // 8, len(numbers), CELL_BYTES // 8):
        key, _, *days = numbers[at : at + 4]
        found |= {(key, number >> DAY_BITS): number & COUNT_MASK for number in days if number & COUNT_MASK}
    return found


# Keys of few sets, so that sets fill up; days that go on, with stragglers of the day before.
KEYS = st.integers(1, 60).map(lambda n: (n % 2) + SETS * n)
STEPS = st.lists(st.tuples(KEYS, st.integers(0, 1), st.integers(0, 1)), max_size=120)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_the_table_counts_as_a_plain_model_does(steps):
    """Today's and yesterday's numbers by key are exact; beyond WAYS keys of a set the rest is in one sum; nothing is lost."""
    [table] = tables(1)
    day = DAY
    model: dict[int, Counter[int]] = {}
    homes: dict[int, dict[int, int]] = {0: {}, 1: {}}  # by set: key -> the last day that it was counted on
    for key, later, straggles in steps:
        day += later
        when = day - straggles
        home = homes[key % SETS]
        if key not in home and len(home) == WAYS:
            stale = [other for other, last in home.items() if last < when - 1]
            if not stale:
                model.setdefault(when, Counter())[0] += 1
                table.count(key, 7, when)
                continue
            # Which of the stale ones goes is the table's affair: the one that is not there any more.
            table.count(key, 7, when)
            there = {cell for cell, _ in told(table)}
            [gone] = [other for other in stale if other not in there] or [None]
            if gone is not None:
                del home[gone]
                for counts in model.values():
                    counts.pop(gone, None)
            home[key] = when
            model.setdefault(when, Counter())[key] += 1
            continue
        home[key] = max(when, home.get(key, 0))
        model.setdefault(when, Counter())[key] += 1
        table.count(key, 7, when)
    found = told(table)
    for when in (day, day - 1):
        assert {key: count for (key, on), count in found.items() if on == when} == model.get(when, Counter())
    assert table.total == len(steps)


def test_a_full_set_counts_the_rest_without_names_and_makes_room_two_days_later():
    """WAYS entries of one set have cells; the next is in the sum of its day. Two days on, a cell is taken over whole."""
    [table] = tables(1)
    for way in range(WAYS + 3):
        table.count(5 + way * SETS, 1000 + way, DAY)
    assert told(table)[0, DAY] == 3
    table.count(5 + 99 * SETS, 1, DAY + 1)
    assert told(table)[0, DAY + 1] == 1  # yesterday's are still needed
    table.count(5 + 99 * SETS, 1, DAY + 2)
    assert told(table)[5 + 99 * SETS, DAY + 2] == 1
    assert (5, DAY) not in told(table)
    assert (5 + 99 * SETS, DAY) not in told(table)  # nothing of its predecessor's
    assert told(table)[5 + SETS, DAY] == 1
    assert table.total == WAYS + 5


def test_the_hint_follows_a_reload_and_a_day_beyond_the_words_room_is_no_error():
    """The same key with another hint keeps its count; an absurd clock changes no other day's number and raises nothing."""
    [table] = tables(1)
    table.count(9, 100, DAY)
    table.count(9, 200, DAY)
    at = HEAD_BYTES // 8 + 9 % SETS * WAYS * 4
    assert words(table)[at : at + 2] == [9, 200]
    assert told(table) == {(9, DAY): 2}
    table.count(8, 1, 1 << 40)
    table.count(8, 1, -5)
    assert told(table)[9, DAY] == 2


def test_each_worker_has_a_table_of_its_own_and_the_sum_is_all_of_theirs():
    """What one counts is not in the other's; the total is what was counted; a worker's death takes nothing back."""
    board = Board(2)
    board.unexpected[0].count(1, 1, DAY)
    board.unexpected[1].count(1, 1, DAY)
    board.unexpected[1].count(2, 1, DAY)
    board.retire(1, None)
    assert told(board.unexpected[0]) == {(1, DAY): 1}
    assert told(board.unexpected[1]) == {(1, DAY): 1, (2, DAY): 1}
    assert board.unexpected_total() == 3


def test_l10_the_table_of_unexpected_ones_has_room_for_numbers_only():
    """L-10: a head of four words, cells of four words (key, hint, two days' counts), and not a byte left over for anything."""
    assert (HEAD_BYTES, CELL_BYTES) == (4 * 8, 4 * 8)
    assert TABLE_BYTES == HEAD_BYTES + SETS * WAYS * CELL_BYTES == 32 + 65_536 * 32
    [table] = tables(1)
    for key in range(1, 500):
        table.count(key << 40 | key, key, DAY)
    raw = words(table)
    assert raw[3] == 0
    for at in range(4, len(raw), 4):
        assert all(number == 0 or number >> DAY_BITS == DAY for number in raw[at + 2 : at + 4])


def test_a_worker_that_is_killed_while_it_counts_leaves_true_numbers():
    """Killed at random moments, over midnight too: numbers only grow, and the sum is theirs but for one a death."""
    [table] = tables(1)
    before: dict[tuple[int, int], int] = {}
    for death in range(60):

        def count_forever(day=DAY + death // 40):
            key = 0
            while True:
                key = key % 300 + 1
                table.count(key * SETS + 3, key, day)  # one set: most find no cell

        with killed_in_the_end(count_forever):
            until = time.monotonic() + 0.003 + death % 5 * 0.001
            while time.monotonic() < until:
                first, second = table.read()
                assert len(first) == len(second) == TABLE_BYTES
        after = told(table)
        assert all(after[place] >= count for place, count in before.items())
        assert 0 <= sum(after.values()) - table.total <= death + 1
        before = after
    assert {day for _, day in before} == {DAY, DAY + 1}
    assert table.total > 1000
