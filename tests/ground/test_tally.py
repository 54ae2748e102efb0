"""Counters with labels in shared memory: exact whoever dies, found again by a successor, and never more than their bound."""

import mmap
import os
import signal
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ground.tally import LABEL_BYTES_MAX, OTHER, SIZE, SLOTS, Tally

LABEL = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)


def memory() -> memoryview:
    return memoryview(mmap.mmap(-1, SIZE))


@given(st.lists(st.tuples(LABEL, LABEL, st.integers(0, 9), st.booleans())))
def test_a_tally_counts_as_a_dictionary_does(adds):
    """Whatever is added, by whichever of two processes' views (one at a time): labels and counts are a dictionary's."""
    shared = memory()
    first, second = Tally(shared, 2), Tally(shared, 2)
    model: dict[tuple[str, str], int] = {}
    for one, other, by, successor in adds:
        (second if successor else first).add((one, other), by)
        model[one, other] = model.get((one, other), 0) + by
    assert dict(first.items()) == dict(second.items()) == dict(Tally(shared, 2).items()) == model


def test_beyond_its_slots_everything_counts_as_other():
    """No more than SLOTS series, whatever comes, and the sum stays exact."""
    tally = Tally(memory(), 2)
    for number in range(SLOTS + 500):
        tally.add((f"partner-{number}", "200"))
        tally.add((f"partner-{number}", "200"))
    found = dict(tally.items())
    assert len(found) == SLOTS
    assert sum(found.values()) == 2 * (SLOTS + 500)
    assert found[OTHER, OTHER] == 2 * 501


def test_labels_longer_than_a_slot_are_refused():
    """No configuration's names are that long; nothing is cut off silently."""
    tally = Tally(memory(), 1)
    tally.add(("x" * (LABEL_BYTES_MAX - 1),))
    with pytest.raises(ValueError, match="121 bytes"):
        tally.add(("x" * LABEL_BYTES_MAX,))
    assert len(tally.items()) == 1


def test_a_death_takes_nothing_back():
    """Counting processes are killed at random moments; each reading afterwards is at least the one before it."""
    shared = memory()
    reader = Tally(shared, 1)
    before: dict[tuple[str, ...], int] = {}
    for death in range(60):
        child = os.fork()
        if not child:
            tally = Tally(shared, 1)
            number = death
            while True:
                tally.add((str(number % 700),))
                number += 1
        until = time.monotonic() + 0.003 + death % 7 * 0.0005
        while time.monotonic() < until:
            now = dict(reader.items())
            assert all(now[labels] >= count for labels, count in before.items())
            before = now
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert len(before) == 700
