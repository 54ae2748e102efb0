"""The journal file, byte by byte.

A file holds consecutive records of one stream: first a header, written twice, then blocks.

    header (192 bytes, two copies, so that one flipped bit cannot orphan a minute of victims)
        0    8 s   magic "PENTRAPJ"
        8    u16   version (1)
        10   u16   size of a record (58)
        12   i32   UTC day of every record: days since 1970-01-01
        16   u64   number of the first record that this file may hold
        24   i64   created: microseconds since 1970-01-01 UTC
        32   32 s  rules: SHA-256 of the compiled orders, which name the schedule index that subjects are rows of
        64   96 s  stream, ASCII, zero-padded
        160  28 s  zero
        188  u32   CRC-32 of bytes 0..187
    block (44 bytes, then count x 58 bytes of records)
        0    4 s   magic 9B "PB1"
        4    u32   count: 1 .. BLOCK_RECORDS_MAX
        8    u64   number of the block's first record in the stream
        16   u64   records written before this block by the same process, over all its streams
        24   16 s  first half of the header's rules
        40   u32   CRC-32 of bytes 0..39, then of the records, begun with the header's CRC

Beginning the block's checksum with the header's ties a block to its file: stale bytes of another file do not verify.
Numbers rise without gaps inside an undamaged file. Everything is little-endian.

Reading never trusts a length before the checksum holds. A region that does not verify is skipped to the next
block that does (searched by magic), so rot in one block costs that block only; what follows the last block that
verifies is the torn tail. Where a later file of the same stream begins at a number that this one also holds,
the later file is right: after a failed fsync the records in memory went there (`limit`).

Downsides, known and accepted: no compression (a file lives a minute); CRC-32 finds every single-bit and every burst error
up to 32 bits, but is no defence against a forger (the audit log and signatures are); a flipped bit in the magic of
the last block looks like a torn tail, and is reported as cut bytes rather than as rot.
"""

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from collector.ground.errors import CorruptError, FormatError
from collector.ground.record import RECORD_SIZE

FILE_MAGIC = b"PENTRAPJ"
VERSION = 1
FORMAT_REMEDY = (
    "Start the release that wrote it: it turns its journals into Parquet when it stops. Then start this one"
)
HEADER = Struct("<8sHHiQq32s96s28xI")
HEADER_COPIES = 2
HEADER_SIZE = HEADER.size * HEADER_COPIES
BLOCK_MAGIC = b"\x9bPB1"
BLOCK = Struct("<4sIQQ16sI")
BLOCK_SIZE = BLOCK.size
_BLOCK_CHECKED = BLOCK_SIZE - 4
BLOCK_RECORDS_MAX = 1 << 20
"""Records in a block: bounds what a reader would believe of a length; a commit of 61 MB is beyond any load measured."""
MICROSECONDS_A_DAY = 86_400_000_000


class FileHeader(NamedTuple):
    """What a journal file says of itself; `rules` is a lower-case hex digest."""

    day: int
    first: int
    created_us: int
    rules: str
    stream: str


class Run(NamedTuple):
    """Consecutive records: numbers first .. first + len(records) // RECORD_SIZE - 1."""

    first: int
    records: bytes

    @property
    def last(self) -> int:
        """Number of the run's last record."""
        return self.first + len(self.records) // RECORD_SIZE - 1


@dataclass
class JournalFile:
    """All that could be read of one file, and what could not."""

    header: FileHeader
    runs: list[Run] = field(default_factory=list)
    corrupt_blocks: int = 0
    corrupt_bytes: int = 0
    good_bytes: int = HEADER_SIZE
    torn_bytes: int = 0
    written_by_process: int = 0
    header_damaged: bool = False

    @property
    def records(self) -> int:
        """How many records verify."""
        return sum(len(run.records) for run in self.runs) // RECORD_SIZE


def encode_header(header: FileHeader) -> bytes:
    """The header's bytes, both copies."""
    stream = header.stream.encode("ascii")
    if len(stream) > 96:
        raise ValueError("stream name is over 96 bytes")
    packed = HEADER.pack(
        FILE_MAGIC,
        VERSION,
        RECORD_SIZE,
        header.day,
        header.first,
        header.created_us,
        bytes.fromhex(header.rules),
        stream,
        0,
    )[:-4]
    return (packed + zlib.crc32(packed).to_bytes(4, "little")) * HEADER_COPIES


def header_checksum(encoded: bytes) -> int:
    """The CRC that every block of the file begins with."""
    return int.from_bytes(encoded[HEADER.size - 4 : HEADER.size], "little")


def seal_block(
    buffer: bytearray, count: int, first: int, written: int, rules16: bytes, seed: int
) -> memoryview:
    """Write a block's header into the first BLOCK_SIZE bytes of `buffer`, whose records follow; the whole block's bytes.

    `seed` is the file header's checksum, `rules16` the first half of its rules digest.
    """
    end = BLOCK_SIZE + count * RECORD_SIZE
    BLOCK.pack_into(buffer, 0, BLOCK_MAGIC, count, first, written, rules16, 0)
    view = memoryview(buffer)
    checksum = zlib.crc32(view[BLOCK_SIZE:end], zlib.crc32(view[:_BLOCK_CHECKED], seed))
    buffer[_BLOCK_CHECKED:BLOCK_SIZE] = checksum.to_bytes(4, "little")
    return view[:end]


def decode_header(content: bytes, path: str) -> tuple[FileHeader, int, bool]:
    """The header, its checksum, and whether a copy of it is damaged.

    Raises CorruptError where neither copy verifies, FormatError where the version is not ours.
    """
    good = []
    for copy in range(HEADER_COPIES):
        raw = content[copy * HEADER.size : (copy + 1) * HEADER.size]
        if len(raw) == HEADER.size and zlib.crc32(raw[:-4]) == int.from_bytes(raw[-4:], "little"):
            good.append(raw)
    if not good:
        raise CorruptError(
            "read journal",
            path,
            "offset 0",
            f"no copy of the header verifies in {len(content)} bytes",
            "The file is set aside.",
        )
    magic, version, size, day, first, created_us, rules, stream, checksum = HEADER.unpack(good[0])
    if magic != FILE_MAGIC or version != VERSION or size != RECORD_SIZE:
        raise FormatError(
            "read journal",
            path,
            "offset 8",
            f"found version {version} with records of {size} bytes, expected version {VERSION} with {RECORD_SIZE}",
            FORMAT_REMEDY,
        )
    header = FileHeader(day, first, created_us, rules.hex(), stream.rstrip(b"\0").decode("ascii"))
    return header, checksum, len(good) < HEADER_COPIES


def read_block(content: bytes, offset: int, seed: int) -> tuple[int, int, int] | None:
    """(count, first, written) of the block at `offset`, or None where none verifies there."""
    if content[offset : offset + 4] != BLOCK_MAGIC or offset + BLOCK_SIZE > len(content):
        return None
    _, count, first, written, _, checksum = BLOCK.unpack_from(content, offset)
    end = offset + BLOCK_SIZE + count * RECORD_SIZE
    if not 1 <= count <= BLOCK_RECORDS_MAX or end > len(content):
        return None
    view = memoryview(content)
    found = zlib.crc32(
        view[offset + BLOCK_SIZE : end], zlib.crc32(view[offset : offset + _BLOCK_CHECKED], seed)
    )
    return (count, first, written) if found == checksum else None


def parse_journal(content: bytes, path: str, limit: int | None = None) -> JournalFile:
    """Read a whole file however damaged; records numbered `limit` and above belong to a later file and are left out."""
    header, seed, damaged = decode_header(content, path)
    journal = JournalFile(header, header_damaged=damaged)
    expected = header.first
    offset = HEADER_SIZE
    bad_from = offset
    pieces: list[tuple[int, bytes]] = []
    while offset < len(content):
        block = read_block(content, offset, seed)
        if block is None or block[1] < expected:
            # Rot or a torn tail: go on at the next place that could be a block.
            offset = content.find(BLOCK_MAGIC, offset + 1)
            if offset < 0:
                break
            continue
        if offset > bad_from:
            journal.corrupt_blocks += 1
            journal.corrupt_bytes += offset - bad_from
        count, first, written = block
        start = offset + BLOCK_SIZE
        offset = bad_from = start + count * RECORD_SIZE
        expected = first + count
        journal.written_by_process = max(journal.written_by_process, written + count)
        kept = count if limit is None else max(0, min(count, limit - first))
        if kept:
            pieces.append((first, content[start : start + kept * RECORD_SIZE]))
    journal.good_bytes = min(bad_from, len(content))  # a process may die within the header
    journal.torn_bytes = len(content) - journal.good_bytes
    journal.runs = _join(pieces)
    return journal


def _join(pieces: list[tuple[int, bytes]]) -> list[Run]:
    """Blocks whose numbers follow one another become one run."""
    runs: list[tuple[int, list[bytes]]] = []
    following = -1
    for first, records in pieces:
        if first == following:
            runs[-1][1].append(records)
        else:
            runs.append((first, [records]))
        following = first + len(records) // RECORD_SIZE
    return [Run(first, b"".join(parts)) for first, parts in runs]


def read_journal(path: Path, limit: int | None = None) -> JournalFile:
    """`parse_journal` of a file."""
    return parse_journal(path.read_bytes(), str(path), limit)
