"""The index file: deterministic, damaged bytes are found, and every listed name is reached."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.ground.errors import CorruptError
from collector.orders.index import HEADER_AT, MAGIC, MARKER, PAGE, Index, verify
from collector.orders.index_build import build_index, nested
from collector.orders.schedule import Schedule

HEADER = "domain,family,action,registry,valid_from,valid_until\n"


def make(target: Path, lines: list[str]) -> Path:
    schedule = Schedule()
    schedule.read((HEADER + "".join(line + "\n" for line in lines)).encode(), "a.csv", 0, 0)
    assert not schedule.problems
    build_index(schedule, ["avalanche"], target)
    return target


def lines_of(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    tops = ("com", "ru", "co.uk", "duckdns.org")
    return [
        f"n{number}.{rng.choice(tops)},{rng.choice(['tinba', 'rovnix'])},redirect,r{rng.randint(0, 3)},"
        f"2026-11-{rng.randint(1, 9):02},2026-12-01"
        for number in range(count)
    ]


def test_the_same_rows_give_the_same_bytes(tmp_path):
    """In whatever order they stand in the file, and whenever they are made."""
    lines = [*lines_of(500, 1), "two.com,a,redirect,r,,2026-01-01", "two.com,a,register,r,2026-01-01,"]
    shuffled = list(lines)
    random.Random(2).shuffle(shuffled)
    one, two = make(tmp_path / "1.index", lines), make(tmp_path / "2.index", shuffled)
    assert one.read_bytes() == two.read_bytes()


def test_every_listed_name_is_found_with_its_columns(tmp_path):
    """Names, families and registries come back; an unlisted name does not; the header counts domains once."""
    lines = lines_of(3000, 3)
    index = Index(make(tmp_path / "i.index", lines))
    for line in lines:
        domain, family, _, registry, *_ = line.split(",")
        (row,) = index.rows_of(domain.encode())
        term = index.terms_of_rows[row]
        assert index.name(row) == domain.encode()
        assert index.families[index.families_of_terms[term]] == family
        assert index.registries[index.registries_of_terms[term]] == registry
        assert index.operations[index.operations_of_terms[term]] == "avalanche"
        assert index.find(b"www." + domain.encode()) == {0: range(row, row + 1)}
        assert not index.rows_of(b"www." + domain.encode())
    assert index.header.domains == 3000
    assert index.count == 3002  # co.uk and duckdns.org are markers
    assert sum(term == MARKER for term in index.terms_of_rows) == 2
    index.close()


def test_a_marker_never_stands_for_a_listed_name(tmp_path):
    """Markers have no window, no operation is found by them."""
    index = Index(make(tmp_path / "i.index", ["evil.co.uk,a,redirect,r,,"]))
    assert len(index.rows_of(b"co.uk")) == 1
    assert index.find(b"co.uk") == {}
    assert index.find(b"x.co.uk") == {}
    assert index.term_from[MARKER] == index.term_until[MARKER] == 0


def test_arrow_can_take_the_names_as_they_lie(tmp_path):
    """int32 offsets of one more than the rows, into one run of bytes."""
    index = Index(make(tmp_path / "i.index", lines_of(100, 4)))
    assert (index.name_offsets.format, index.terms_of_rows.format) == ("i", "I")
    assert len(index.name_offsets) == index.count + 1
    assert index.name_offsets[index.count] == len(index.name_bytes)
    assert bytes(index.name_bytes[index.name_offsets[7] : index.name_offsets[8]]) == index.name(7)


def test_an_empty_schedule_is_an_index_too(tmp_path):
    """An operation with services only."""
    index = Index(make(tmp_path / "i.index", []))
    assert (index.count, index.header.domains) == (0, 0)
    assert index.find(b"evil.com") == {}
    index.close()


def test_a_flipped_byte_anywhere_is_found(tmp_path):
    """By opening when it is in the header, by `verify` wherever it is."""
    path = make(tmp_path / "i.index", lines_of(20, 5))
    good = path.read_bytes()
    verify(path)
    rng = random.Random(6)
    places = {*range(64), len(good) - 1, PAGE, *rng.sample(range(len(good)), 400)}
    length = int.from_bytes(good[8:12], "little")
    for place in sorted(places):
        damaged = bytearray(good)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CorruptError):
            verify(path)
        if place < HEADER_AT + length:
            with pytest.raises(CorruptError):
                Index(path)


@pytest.mark.parametrize("cut", [0, 7, 15, 16, 100, PAGE, -PAGE, -1])
def test_a_cut_file_is_not_opened(tmp_path, cut):
    """However much is missing; nor is one with bytes after its end."""
    path = make(tmp_path / "i.index", lines_of(20, 7))
    good = path.read_bytes()
    path.write_bytes(good[:cut])
    with pytest.raises(CorruptError) as caught:
        Index(path)
    assert str(path) in str(caught.value)
    path.write_bytes(good + b"\0")
    with pytest.raises(CorruptError, match="should have"):
        Index(path)


def test_another_version_is_not_opened(tmp_path):
    """The version is in the magic."""
    path = make(tmp_path / "i.index", [])
    path.write_bytes(MAGIC[:7] + b"\xfe" + path.read_bytes()[8:])
    with pytest.raises(CorruptError, match="of this version"):
        Index(path)


NAMES = st.lists(st.sampled_from("abc"), min_size=2, max_size=6).map(lambda labels: ".".join(labels).encode())


@given(st.sets(NAMES, max_size=20))
def test_every_listed_name_is_reached_by_steps(names):
    """From its last two labels, each step leads to its suffix of that many labels, which is listed or a marker."""
    steps = nested(sorted(names))
    for name in names:
        labels = name.split(b".")
        depth = 2
        seen = [depth]
        while depth < len(labels):
            suffix = b".".join(labels[-depth:])
            assert suffix in steps
            assert depth < steps[suffix] <= len(labels)
            depth = steps[suffix]
            seen.append(depth)
        listed_above = [count for count in range(2, len(labels)) if b".".join(labels[-count:]) in names]
        assert set(listed_above) <= set(seen)
