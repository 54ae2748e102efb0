"""What the tests of the journal share: an encoder written from format's docstring alone, and files made with it.

The offsets stand here as numbers on purpose: nothing of the code under test says how its own bytes should look.
"""

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

RECORD = 58
DAY = 20_779  # 2026-11-22
DAY_US = 86_400_000_000
NOON_US = DAY * DAY_US + DAY_US // 2
RULES = bytes(range(32)).hex()
OTHER_RULES = bytes(range(1, 33)).hex()
STREAM = "sinkhole-1.0.1795348800000000"
HEADERS = 384


def header(
    stream: str = STREAM,
    first: int = 0,
    day: int = DAY,
    rules: str = RULES,
    created_us: int = NOON_US,
    version: int = 1,
) -> bytes:
    """Both copies of a header, by the table in format's docstring."""
    one = bytearray(192)
    one[0:8] = b"PENTRAPJ"
    struct.pack_into("<H", one, 8, version)
    struct.pack_into("<H", one, 10, RECORD)
    struct.pack_into("<i", one, 12, day)
    struct.pack_into("<Q", one, 16, first)
    struct.pack_into("<q", one, 24, created_us)
    one[32:64] = bytes.fromhex(rules)
    one[64 : 64 + len(stream)] = stream.encode()
    struct.pack_into("<I", one, 188, zlib.crc32(one[:188]))
    return bytes(one) * 2


def block(records: bytes, first: int, head: bytes, written: int | None = None) -> bytes:
    """One block of the file that `head` begins."""
    raw = bytearray(44)
    raw[0:4] = b"\x9bPB1"
    struct.pack_into("<I", raw, 4, len(records) // RECORD)
    struct.pack_into("<Q", raw, 8, first)
    struct.pack_into("<Q", raw, 16, first if written is None else written)
    raw[24:40] = head[32:48]
    seed = struct.unpack_from("<I", head, 188)[0]
    struct.pack_into("<I", raw, 40, zlib.crc32(records, zlib.crc32(raw[:40], seed)))
    return bytes(raw) + records


def records(first: int, count: int) -> bytes:
    """`count` records that name their number, so that a record in the wrong place shows."""
    return b"".join(struct.pack("<Q", first + n) + bytes([(first + n) % 251]) * 50 for n in range(count))


class Small(NamedTuple):
    """A small journal: its bytes, and of each block where it begins, where it ends and its first record's number."""

    content: bytes
    blocks: list[tuple[int, int, int]]

    def whole(self, cut: int) -> bytes:
        """The records of all blocks that end at or before `cut`."""
        return b"".join(self.content[start + 44 : end] for start, end, _ in self.blocks if end <= cut)


def small(counts: tuple[int, ...] = (2, 1, 3), first: int = 0, **fields: object) -> Small:
    """A journal with blocks of so many records."""
    content = head = header(first=first, **fields)  # type: ignore[arg-type]
    blocks = []
    for count in counts:
        piece = block(records(first, count), first, head)
        blocks.append((len(content), len(content) + len(piece), first))
        content += piece
        first += count
    return Small(content, blocks)


def served(journal) -> dict[int, bytes]:
    """Every record that a JournalFile serves, by its number."""
    return {
        run.first + n: run.records[n * RECORD : (n + 1) * RECORD]
        for run in journal.runs
        for n in range(len(run.records) // RECORD)
    }


def put(root: Path, name: str, content: bytes, stream: str = STREAM) -> Path:
    """A file in its stream's folder."""
    folder = root / stream
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def listing(root: Path) -> dict[str, bytes]:
    """All files under `root` with their content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
