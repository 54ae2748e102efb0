"""The bytes of a journal are those of its docstring, and what is written is what is read."""

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_world import (
    DAY,
    HEADERS,
    NOON_US,
    OTHER_RULES,
    RECORD,
    RULES,
    STREAM,
    block,
    header,
    records,
    served,
    small,
)

from collector.ground.errors import CorruptError
from collector.ground.record import RECORD_SIZE
from collector.journal import format as specification
from collector.journal.format import (
    BLOCK,
    BLOCK_SIZE,
    HEADER,
    HEADER_SIZE,
    FileHeader,
    decode_header,
    encode_header,
    header_checksum,
    parse_journal,
    read_block,
    seal_block,
)
from collector.journal.names import (
    JournalName,
    list_journals,
    open_name,
    parse_name,
    sealed_name,
    stream_name,
)

SIZES = {"s": 1, "u16": 2, "i32": 4, "u32": 4, "u64": 8, "i64": 8}


def table(name: str) -> list[tuple[int, int]]:
    """(offset, size) of each field that the docstring tells under `header` or `block`."""
    text = specification.__doc__.partition(f"\n    {name} (")[2]
    rows = []
    for line in text.splitlines()[1:]:
        match = re.match(r" {8}(\d+) +(?:(\d+) )?(s|u16|i32|u32|u64|i64|zero)\b", line)
        if match is None:
            break
        size = int(match[2]) if match[2] else SIZES[match[3]]
        rows.append((int(match[1]), size))
    return rows


@pytest.mark.parametrize(("name", "size", "fields"), [("header", 192, 9), ("block", 44, 6)])
def test_the_docstring_is_the_specification(name, size, fields):
    """The docstring's table has no hole and no overlap, and is as long as the struct that packs it."""
    rows = table(name)
    assert len(rows) >= fields
    at = 0
    for offset, width in rows:
        assert offset == at
        at += width
    assert at == size == {"header": HEADER.size, "block": BLOCK.size}[name]
    assert (HEADER_SIZE, BLOCK_SIZE, RECORD_SIZE) == (HEADERS, 44, RECORD)


def test_a_header_has_the_bytes_of_the_specification():
    """`encode_header` gives, to the byte, what an encoder written from the docstring gives."""
    mine = encode_header(FileHeader(DAY, 7, NOON_US, RULES, STREAM))
    assert mine == header(first=7)
    assert mine[:192] == mine[192:]
    assert header_checksum(mine) == struct.unpack_from("<I", mine, 188)[0]


@given(
    day=st.integers(-(1 << 31), (1 << 31) - 1),
    first=st.integers(0, (1 << 64) - 1),
    created=st.integers(-(1 << 63), (1 << 63) - 1),
    rules=st.binary(min_size=32, max_size=32),
    stream=st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=96),
)
def test_every_header_reads_back_as_it_was_written(day, first, created, rules, stream):
    """Encode and decode are inverse over the whole range of each field."""
    wanted = FileHeader(day, first, created, rules.hex(), stream)
    found, seed, damaged = decode_header(encode_header(wanted), "x")
    assert (found, damaged) == (wanted, False)
    assert seed == header_checksum(encode_header(wanted))


@given(count=st.integers(1, 40), first=st.integers(0, 1 << 40), written=st.integers(0, 1 << 40))
def test_a_block_has_the_bytes_of_the_specification(count, first, written):
    """`seal_block` gives the docstring's bytes, and `read_block` takes them back."""
    head = header(first=first)
    body = records(first, count)
    made = bytes(
        seal_block(
            bytearray(44) + body + b"beyond",
            count,
            first,
            written,
            bytes.fromhex(RULES)[:16],
            header_checksum(head),
        )
    )
    assert made == block(body, first, head, written)
    assert read_block(b"??" + made, 2, header_checksum(head)) == (count, first, written)


def test_a_stream_name_too_long_is_refused_before_it_is_cut():
    """A name that the header cannot hold is an error, not a shorter name."""
    with pytest.raises(ValueError, match="96"):
        encode_header(FileHeader(DAY, 0, 0, RULES, "a" * 97))


@pytest.mark.parametrize("version", [0, 2, 65535])
def test_another_version_is_refused_by_name(version):
    """A file of another version is not read as if it were this one; the error tells both numbers."""
    with pytest.raises(CorruptError, match=f"version {version} .*expected version 1"):
        parse_journal(header(version=version), "x")


def test_every_bit_of_either_header_copy_may_flip():
    """A flip in one copy is survived and told: all records are served, whichever bit of whichever copy it was."""
    whole = small()
    wanted = served(parse_journal(whole.content, "x"))
    for bit in range(HEADERS * 8):
        damaged = bytearray(whole.content)
        damaged[bit >> 3] ^= 1 << (bit & 7)
        journal = parse_journal(bytes(damaged), "x")
        assert journal.header_damaged
        assert journal.header == FileHeader(DAY, 0, NOON_US, RULES, STREAM)
        assert served(journal) == wanted


@given(st.integers(0, 192 * 8 - 1), st.integers(0, 192 * 8 - 1))
def test_a_flip_in_both_header_copies_is_refused(one, other):
    """With no good copy left nothing is guessed: CorruptError, and nothing served."""
    damaged = bytearray(small().content)
    damaged[one >> 3] ^= 1 << (one & 7)
    damaged[192 + (other >> 3)] ^= 1 << (other & 7)
    with pytest.raises(CorruptError, match="no copy of the header"):
        parse_journal(bytes(damaged), "x")


def test_what_a_reader_is_told_of_a_whole_file():
    """An undamaged file: one run, no damage, the process's count."""
    journal = parse_journal(small((2, 1, 3), first=10).content, "x")
    assert [(run.first, run.last) for run in journal.runs] == [(10, 15)]
    assert journal.records == 6
    assert journal.written_by_process == 16
    assert (journal.corrupt_blocks, journal.corrupt_bytes, journal.torn_bytes) == (0, 0, 0)
    assert not journal.header_damaged


def test_a_record_of_other_rules_does_not_verify():
    """The checksum begins with the header's, so a block moved under a header with other rules is not served."""
    mine, other = header(), header(rules=OTHER_RULES)
    journal = parse_journal(other + block(records(0, 2), 0, mine), "x")
    assert journal.records == 0
    assert journal.torn_bytes > 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{STREAM}-{0:020d}.journal", JournalName(STREAM, 0, None)),
        (f"{STREAM}-{5:020d}-{9:020d}.journal", JournalName(STREAM, 5, 9)),
        (f"{STREAM}-{5:020d}-{9:020d}.damaged", None),
        (f"{STREAM}-5-9.journal", None),
        (f"{STREAM}-{0:020d}.journal.tmp", None),
        (f".tmp-{STREAM}-{0:020d}.journal", None),
        (f"Sink.0.{0:016d}-{0:020d}.journal", None),
        ("lost+found", None),
        ("", None),
    ],
)
def test_a_name_says_exactly_what_it_is(text, found):
    """Names are read strictly: what is no journal's name is no journal."""
    assert parse_name(text) == found


@given(
    st.integers(0, 255),
    st.integers(0, 10**16 - 1),
    st.integers(0, (1 << 63) - 1),
    st.integers(0, (1 << 63) - 1),
)
def test_names_read_back_and_sort_by_number(worker, start, first, more):
    """A name made is a name read, and the order of names is the order of numbers."""
    stream = stream_name("a-1", worker, start)
    assert parse_name(open_name(stream, first)) == JournalName(stream, first, None)
    assert parse_name(sealed_name(stream, first, first + more)) == JournalName(stream, first, first + more)
    assert (open_name(stream, first) < open_name(stream, first + more)) == (more > 0)


def test_a_listing_is_by_stream_and_first_record(tmp_path):
    """`list_journals` finds journals only, each stream's in order."""
    for stream, name in [
        ("b.0.0000000000000001", open_name("b.0.0000000000000001", 12)),
        ("b.0.0000000000000001", sealed_name("b.0.0000000000000001", 2, 11)),
        ("a.0.0000000000000001", open_name("a.0.0000000000000001", 3)),
        ("a.0.0000000000000001", "a.0.0000000000000001-00000000000000000003.damaged"),
        ("a.0.0000000000000001", "notes.txt"),
    ]:
        (tmp_path / stream).mkdir(exist_ok=True)
        (tmp_path / stream / name).touch()
    assert [(name.stream[0], name.first) for _, name in list_journals(tmp_path)] == [
        ("a", 3),
        ("b", 2),
        ("b", 12),
    ]
