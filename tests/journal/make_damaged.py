"""Make the damaged journals kept under damaged/: `python tests/journal/make_damaged.py`. One folder a story.

Each folder holds the files as a death left them and `story.json`: what happened, and what must come out. The bytes come from
the encoder of journal_world, so the fixtures pin the format: a release that can no longer read them has broken old journals.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from journal_world import OTHER_RULES, RECORD, STREAM, block, header, records, small

from collector.journal.names import open_name, sealed_name

HERE = Path(__file__).parent / "damaged"


def story(name: str, told: str, files: dict[str, bytes], recorded: list[int], **outcome: object) -> None:
    """Write one folder; `recorded` are the numbers that must be served after recovery, each exactly once."""
    folder = HERE / name / STREAM
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    facts = {"story": told, "recorded": recorded, **outcome}
    (HERE / name / "story.json").write_text(json.dumps(facts, indent=1) + "\n")


def flipped(content: bytes, *bits: tuple[int, int]) -> bytes:
    """The bytes with single bits turned over: (byte, bit)."""
    changed = bytearray(content)
    for at, bit in bits:
        changed[at] ^= 1 << bit
    return bytes(changed)


def main() -> None:
    """All stories."""
    whole = small((2, 1, 3))
    first = open_name(STREAM, 0)
    middle = whole.blocks[1][0]
    story(
        "killed-in-a-write",
        "kill -9 while the third block was written: 100 of its bytes are there",
        {first: whole.content[: whole.blocks[2][0] + 100]},
        [0, 1, 2],
        torn_bytes=100,
    )
    story(
        "killed-before-the-first-block",
        "kill -9 right after the header was written",
        {first: header()},
        [],
    )
    story(
        "killed-within-the-header",
        "the disk was full: one copy of the header and a part of the other",
        {first: header()[:250]},
        [],
    )
    story(
        "one-rotten-bit",
        "a bit flipped in a record of the second of three blocks",
        {first: flipped(whole.content, (middle + 60, 3))},
        [0, 1, 3, 4, 5],
        corrupt_blocks=1,
    )
    story(
        "rotten-length",
        "the second block's count says 16 million records more",
        {first: flipped(whole.content, (middle + 7, 0))},
        [0, 1, 3, 4, 5],
        corrupt_blocks=1,
    )
    story(
        "one-header-copy-rotten",
        "the first copy of the header has a flipped bit; the second stands",
        {first: flipped(whole.content, (40, 0))},
        list(range(6)),
    )
    story(
        "both-header-copies-rotten",
        "no copy of the header verifies: the file is set aside",
        {first: flipped(whole.content, (40, 0), (192 + 3, 7))},
        [],
        corrupt_blocks=1,
        set_aside=True,
    )
    new = header(first=3)
    story(
        "failed-fsync",
        "fdatasync failed after records 3 to 5 were written; they went to a new file, and the machine lost power "
        "before the old one was cut. The old copy is not to be served",
        {
            first: whole.content[: whole.blocks[1][1]]
            + block(b"\xee" * (3 * RECORD), 3, whole.content[:384]),
            open_name(STREAM, 3): new + block(records(3, 4), 3, new),
        },
        list(range(7)),
    )
    stale = small((2, 2), stream=STREAM, rules=OTHER_RULES).content[384:]
    story(
        "stale-blocks",
        "after a power cut the tail of the file holds blocks of a file that was deleted",
        {first: whole.content + stale},
        list(range(6)),
        torn_bytes=len(stale),
    )
    story(
        "zeros-at-the-end",
        "after a power cut the file has its new length and zeros in it (delayed allocation)",
        {first: whole.content + bytes(4096)},
        list(range(6)),
        torn_bytes=4096,
    )
    story(
        "sealed-and-open",
        "a sealed file, then the one that was being written when the process died",
        {
            sealed_name(STREAM, 0, 5): whole.content,
            open_name(STREAM, 6): small((1, 4), first=6).content[:-3],
        },
        list(range(7)),
        torn_bytes=4 * RECORD + 44 - 3,
    )


if __name__ == "__main__":
    main()
