"""The log as files that other people's tools read: C2SP tlog-tiles.

    <folder>/checkpoint                        the signed state (note.py)
    <folder>/tile/<L>/<N>[.p/<W>]              up to 256 hashes of level L; level 0 are the entries' leaf hashes
    <folder>/tile/entries/<N>[.p/<W>]          up to 256 entries, each with its length before it (u16, big-endian)

N is written in groups of three digits, all but the last with an x before them: 1234067 is x001/x234/067. A tile of less
than 256 is partial, `.p/<W>` says how many it holds, and it goes when a wider one stands. All of this follows from the
entries, so it is not synced on its own: whoever opens the log writes again what is missing at its right edge.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from collector.audit.tree import HASH_SIZE, leaf_hash, root
from collector.ground import files

WIDTH = 256
ENTRY_MAX = 65_535
"""Bytes of an entry: its length is a u16 in a bundle."""
CHECKPOINT = "checkpoint"
TILE = "tile"
ENTRIES = "entries"
_LENGTH = struct.Struct(">H")


def tile_path(level: int | str, number: int, width: int = WIDTH) -> str:
    """Where a tile stands below the log's folder; `level` is a number or "entries"."""
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    return f"{TILE}/{level}/{'/'.join(groups)}" + (f".p/{width}" if width != WIDTH else "")


def bundle(entries: Iterable[bytes]) -> bytes:
    """Entries as a bundle holds them."""
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def unbundle(content: bytes) -> Iterator[bytes]:
    """The entries of a bundle. Raises ValueError where it ends in the middle of one."""
    place = 0
    while place < len(content):
        if place + _LENGTH.size > len(content):
            raise ValueError("a bundle that ends in the middle of a length")
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        if place + length > len(content):
            raise ValueError("a bundle that ends in the middle of an entry")
        yield content[place : place + length]
        place += length


def tiles_of(leaves: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """All hash tiles of a tree, partial ones last of their level: (path, content)."""
    level = 0
    hashes = list(leaves)
    while hashes:
        above = []
        for number, start in enumerate(range(0, len(hashes), WIDTH)):
            held = hashes[start : start + WIDTH]
            yield tile_path(level, number, len(held)), b"".join(held)
            if len(held) == WIDTH:
                above.append(root(held))
        hashes = above
        level += 1


def bundles_of(entries: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """All entry bundles: (path, content)."""
    for number, start in enumerate(range(0, len(entries), WIDTH)):
        held = entries[start : start + WIDTH]
        yield tile_path(ENTRIES, number, len(held)), bundle(held)


class TileWriter:
    """Keeps a folder's tiles in step with a growing log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: list[bytes] = []
        self._levels: list[list[bytes]] = [[]]
        self._done = [0]
        """Whole tiles of each level."""
        self._whole: list[tuple[str, bytes]] = []
        """Whole tiles that may not be on disk yet."""

    def append(self, entry: bytes) -> None:
        """Take an entry. This writes nothing, so that no refusal of the disk's can leave an entry half taken."""
        self._entries.append(entry)
        joined: bytes | None = leaf_hash(entry)
        level = 0
        while joined is not None:
            if level == len(self._levels):
                self._levels.append([])
                self._done.append(0)
            hashes = self._levels[level]
            hashes.append(joined)
            joined = None
            if len(hashes) == WIDTH:
                number = self._done[level]
                self._whole.append((tile_path(level, number), b"".join(hashes)))
                if not level:
                    self._whole.append((tile_path(ENTRIES, number), bundle(self._entries)))
                    self._entries = []
                joined = root(hashes)
                self._levels[level] = []
                self._done[level] += 1
            level += 1

    def publish(self) -> None:
        """Write whole tiles that are not there, and the partial ones at the right edge; narrower ones go. Raises OSError."""
        while self._whole:
            self._complete(*self._whole[0])
            del self._whole[0]
        if self._entries:
            width = len(self._entries)
            self._partial(tile_path(ENTRIES, self._done[0], width), bundle(self._entries))
        for level, hashes in enumerate(self._levels):
            if hashes:
                self._partial(tile_path(level, self._done[level], len(hashes)), b"".join(hashes))

    def _complete(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if not path.exists():
            files.make_directory(path.parent)
            files.publish_bytes(path, content)
        partial = path.with_name(path.name + ".p")
        if partial.is_dir():
            for narrower in partial.iterdir():
                narrower.unlink(missing_ok=True)
            partial.rmdir()

    def _partial(self, name: str, content: bytes) -> None:
        path = self._folder / name
        if not path.parent.is_dir():
            files.make_directory(path.parent)
        files.publish_bytes(path, content, durable=False)
        for other in path.parent.iterdir():
            if other.name != path.name:
                other.unlink(missing_ok=True)


def read_leaves(folder: Path, size: int) -> list[bytes]:
    """The leaf hashes of a log of `size` entries from its level-0 tiles. Raises OSError, ValueError."""
    leaves: list[bytes] = []
    for number in range(-(-size // WIDTH)):
        width = min(WIDTH, size - number * WIDTH)
        content = (folder / tile_path(0, number, width)).read_bytes()
        if len(content) != width * HASH_SIZE:
            raise ValueError(
                f"tile {number} of level 0 has {len(content)} bytes, expected {width * HASH_SIZE}"
            )
        leaves += (content[place : place + HASH_SIZE] for place in range(0, len(content), HASH_SIZE))
    return leaves


def tile_files(folder: Path) -> list[str]:
    """All tiles that stand in a log's folder, as paths below it."""
    return sorted(
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder / TILE)
        for name in names
        if not name.startswith(files.TEMPORARY_PREFIX)
    )
