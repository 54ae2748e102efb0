"""A journal cut, flipped, overwritten or mixed with others' bytes: whole blocks are served, nothing else, and it is told."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import (
    HEADERS,
    OTHER_RULES,
    RECORD,
    STREAM,
    block,
    header,
    records,
    served,
    small,
)

from collector.ground.errors import CorruptError
from collector.journal.format import BLOCK_RECORDS_MAX, parse_journal

MAGIC = b"\x9bPB1"


def test_a_journal_cut_at_every_byte_gives_the_whole_blocks_before_the_cut():
    """For every length: exactly the blocks that end before it, and each byte after them is counted as torn."""
    whole = small((2, 1, 3, 1))
    for cut in range(len(whole.content) + 1):
        if cut < HEADERS // 2:
            with pytest.raises(CorruptError):
                parse_journal(whole.content[:cut], "x")
            continue
        journal = parse_journal(whole.content[:cut], "x")
        assert b"".join(run.records for run in journal.runs) == whole.whole(cut)
        good = max([min(cut, HEADERS), *(end for _, end, _ in whole.blocks if end <= cut)])
        assert journal.good_bytes == good
        assert journal.torn_bytes == cut - good
        assert journal.corrupt_blocks == 0
        assert journal.header_damaged == (cut < HEADERS)


def test_every_single_flipped_bit_of_the_blocks_is_found():
    """For every bit: told, the block that holds it is not served, every other block is."""
    whole = small((2, 1, 3))
    wanted = served(parse_journal(whole.content, "x"))
    for bit in range(HEADERS * 8, len(whole.content) * 8):
        damaged = bytearray(whole.content)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        journal = parse_journal(bytes(damaged), "x")
        [(start, end, first)] = [b for b in whole.blocks if b[0] <= bit >> 3 < b[1]]
        lost = range(first, first + (end - start - 44) // RECORD)
        assert served(journal) == {n: raw for n, raw in wanted.items() if n not in lost}
        if end == len(whole.content):
            assert (journal.torn_bytes, journal.corrupt_blocks) == (end - start, 0)
        else:
            assert (journal.corrupt_bytes, journal.corrupt_blocks, journal.torn_bytes) == (end - start, 1, 0)


@given(st.integers(HEADERS * 8, len(small().content) * 8 - 32), st.integers(1, (1 << 32) - 1))
def test_every_burst_of_32_bits_is_found(at, pattern):
    """CRC-32's promise, as the docstring gives it: a burst of up to 32 bits never leaves a block that verifies."""
    whole = small((2, 1, 3))
    wanted = served(parse_journal(whole.content, "x"))
    number = int.from_bytes(whole.content, "little") ^ (pattern << at)
    damaged = number.to_bytes(len(whole.content), "little")
    changed = [n for n, (one, other) in enumerate(zip(whole.content, damaged, strict=True)) if one != other]
    lost = {
        n
        for start, end, first in whole.blocks
        if any(start <= place < end for place in changed)
        for n in range(first, first + (end - start - 44) // RECORD)
    }
    journal = parse_journal(damaged, "x")
    assert served(journal) == {n: raw for n, raw in wanted.items() if n not in lost}
    assert journal.corrupt_blocks or journal.torn_bytes


# What may stand in a file instead of a block of its own: noise, bait that looks like one, and others' blocks.
FOREIGN = st.one_of(
    st.binary(min_size=1, max_size=90),
    st.just(MAGIC),
    st.just(MAGIC * 30),
    st.binary(min_size=1, max_size=20).map(lambda raw: MAGIC + raw),
    st.just(MAGIC + (BLOCK_RECORDS_MAX + 1).to_bytes(4, "little") + bytes(36)),
    st.just(MAGIC + b"\xff" * 40),
    st.just(MAGIC + bytes(40)),
    st.integers(0, 50).map(lambda n: block(records(n, 2), n, header(stream=STREAM.replace("1.0.", "1.1.")))),
    st.integers(0, 50).map(lambda n: block(records(n, 1), n, header(rules=OTHER_RULES))),
    st.integers(1, 100).map(lambda n: block(records(0, 2), 0, header())[:n]),
    st.sampled_from([b"\0" * 60, header(), header(rules=OTHER_RULES)]),
)
PIECES = st.lists(
    st.one_of(
        st.integers(1, 5).map(lambda count: ("block", count)),
        st.integers(1, 9).map(lambda gap: ("gap", gap)),
        FOREIGN.map(lambda raw: ("foreign", raw)),
        st.just(("again", b"")),
    ),
    max_size=14,
)


@settings(max_examples=400, deadline=None)
@given(pieces=PIECES, first=st.integers(0, 30), cut=st.integers(0, 400), limit=st.none() | st.integers(0, 60))
def test_a_reader_agrees_with_a_simple_model(pieces, first, cut, limit):
    """Any sequence of blocks, gaps, repetitions, noise, others' blocks and a cut: exactly the own blocks that rise.

    The model knows what was put where; the reader sees bytes only.
    """
    content = head = header(first=first)
    number = first
    wanted: dict[int, bytes] = {}
    ends = [(len(content), dict(wanted), 0, 0)]  # after this byte: (records, corrupt regions, corrupt bytes)
    bad = regions = lost = 0
    last = b""
    for kind, value in pieces:
        if kind == "gap":
            number += value
            continue
        if kind == "block":
            piece = block(records(number, value), number, head)
            wanted |= {number + n: records(number + n, 1) for n in range(value)}
            number += value
            last = piece
            regions += bad > 0
            lost += bad
            bad = 0
        else:
            piece = last if kind == "again" else value
            bad += len(piece)
        content += piece
        if kind == "block":
            ends.append((len(content), dict(wanted), regions, lost))
    content = content[: max(HEADERS, len(content) - cut)]
    end, wanted, regions, lost = [entry for entry in ends if entry[0] <= len(content)][-1]
    journal = parse_journal(content, "x", limit)
    assert served(journal) == {n: raw for n, raw in wanted.items() if limit is None or n < limit}
    assert (journal.good_bytes, journal.torn_bytes) == (end, len(content) - end)
    assert (journal.corrupt_blocks, journal.corrupt_bytes) == (regions, lost)
    firsts = [run.first for run in journal.runs]
    assert firsts == sorted(firsts)
    assert all(one.last + 1 < other.first for one, other in zip(journal.runs, journal.runs[1:], strict=False))


def test_stale_blocks_of_another_file_never_verify():
    """A disk that gives back old blocks (same numbers, same records, another file's header) has none of them served."""
    for other in (
        header(stream="sinkhole-1.0.1795348800000001"),
        header(first=1),
        header(created_us=0),
        header(day=1),
    ):
        stale = block(records(0, 3), 0, other)
        mine = header()
        journal = parse_journal(mine + stale + block(records(3, 2), 3, mine) + stale, "x")
        assert sorted(served(journal)) == [3, 4]
        assert (journal.corrupt_blocks, journal.corrupt_bytes, journal.torn_bytes) == (
            1,
            len(stale),
            len(stale),
        )


def test_random_rot_never_makes_a_record():
    """Ten thousand files with random bytes overwritten: each served record is one that was written, at its number."""
    dice = random.Random(20_261_122)
    whole = small((3, 1, 2, 5))
    wanted = served(parse_journal(whole.content, "x"))
    for _ in range(10_000):
        damaged = bytearray(whole.content)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(192, len(damaged))
            damaged[at : at + 8] = dice.randbytes(len(damaged[at : at + 8]))
        journal = parse_journal(bytes(damaged), "x")
        found = served(journal)
        assert found.items() <= wanted.items()
        if bytes(damaged) != whole.content:
            assert journal.corrupt_blocks or journal.torn_bytes or journal.header_damaged


@pytest.mark.parametrize("limit", range(8))
def test_records_from_the_limit_on_belong_to_the_later_file(limit):
    """`limit` cuts by record number, through the middle of a block if need be; damage is told as without it."""
    journal = parse_journal(small((2, 1, 3)).content, "x", limit)
    assert sorted(served(journal)) == list(range(min(limit, 6)))
    assert (journal.corrupt_blocks, journal.torn_bytes) == (0, 0)
    assert journal.written_by_process == 6
