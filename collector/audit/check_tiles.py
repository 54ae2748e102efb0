"""The tiles of a log held against its entries' hashes: every file that stands, and every one that should.

Works on what was read, not on a folder: {path below the log's folder: content}.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from collector.audit.findings import Finding
from collector.audit.tiles import ENTRIES, WIDTH, tile_path, unbundle
from collector.audit.tree import HASH_SIZE, leaf_hash, root

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_REMEDY = "Keep the folder as evidence; tiles follow from log.jsonl, compare both with a copy"


def leaves_of(tiles: Mapping[str, bytes], size: int) -> list[bytes] | None:
    """The first `size` leaf hashes as the tiles have them; None where one is missing or too short.

    A wider tile serves for a narrower one.
    """
    leaves: list[bytes] = []
    for number in range(-(-size // WIDTH)):
        least = min(WIDTH, size - number * WIDTH)
        found = (tiles.get(tile_path(0, number, width), b"") for width in range(least, WIDTH + 1))
        content = next((one for one in found if len(one) >= least * HASH_SIZE), None)
        if content is None:
            return None
        leaves += (content[at : at + HASH_SIZE] for at in range(0, least * HASH_SIZE, HASH_SIZE))
    return leaves


def strange_tiles(tiles: Mapping[str, bytes], leaves: Sequence[bytes]) -> Iterator[Finding]:
    """Files that are no tile of the tree over these leaf hashes."""
    levels = _levels(leaves)
    for path, content in sorted(tiles.items()):
        where = _parse(path)
        if where is None:
            yield Finding(path, "a file that is no tile", "tiles and entry bundles only", _REMEDY)
            continue
        level, number, width = where
        hashes = levels.get(0 if level == ENTRIES else int(level), [])[
            number * WIDTH : number * WIDTH + width
        ]
        if len(hashes) < width:
            expected = f"{len(hashes)} at most, as the log has"
            yield Finding(path, f"a tile of {width}", expected, _REMEDY)
            continue
        held = _bundled(content) if level == ENTRIES else _cut(content)
        if held is None:
            found = "a bundle that ends in the middle of an entry"
            yield Finding(path, found, f"{width} whole entries", _REMEDY)
        elif held != hashes:
            yield _different(path, level, number, held, hashes)


def missing_tiles(tiles: Mapping[str, bytes], size: int) -> Iterator[str]:
    """What a log that is signed at `size` entries should have, and does not; a wider tile serves for a narrower one."""
    count, level = size, 0
    while count:
        for number in range(-(-count // WIDTH)):
            least = min(WIDTH, count - number * WIDTH)
            for kind in (level, ENTRIES) if not level else (level,):
                if not any(tile_path(kind, number, width) in tiles for width in range(least, WIDTH + 1)):
                    yield tile_path(kind, number, least)
        count //= WIDTH
        level += 1


def _levels(leaves: Sequence[bytes]) -> dict[int, list[bytes]]:
    levels = {0: list(leaves)}
    while len(below := levels[len(levels) - 1]) >= WIDTH:
        whole = range(0, len(below) - WIDTH + 1, WIDTH)
        levels[len(levels)] = [root(below[at : at + WIDTH]) for at in whole]
    return levels


def _parse(path: str) -> tuple[str, int, int] | None:
    """Level, number and width of a tile's path."""
    matched = _PATH.fullmatch(path)
    if matched is None:
        return None
    level, groups, last, partial = matched.groups()
    number = int(groups.replace("x", "").replace("/", "") + last)
    width = int(partial) if partial else WIDTH
    return (level, number, width) if tile_path(level, number, width) == path else None


def _bundled(content: bytes) -> list[bytes] | None:
    try:
        return [leaf_hash(entry) for entry in unbundle(content)]
    except ValueError:
        return None


def _cut(content: bytes) -> list[bytes]:
    return [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)]


def _different(path: str, level: str, number: int, held: Sequence[bytes], hashes: Sequence[bytes]) -> Finding:
    if len(held) != len(hashes):
        return Finding(path, f"{len(held)} in it", f"{len(hashes)}", _REMEDY)
    place = number * WIDTH + next(at for at, one in enumerate(hashes) if held[at] != one)
    what = f"hash {place} of level {level}" if level not in {"0", ENTRIES} else f"entry {place + 1}"
    return Finding(path, f"another {what}", "the one that the log has", _REMEDY)
