# Invariant: whatever the bytes, reading them as a note, a checkpoint, a verifier key, an audit entry or a bundle raises
# nothing but what each declares (NoteError; ValueError), and what was read gives the same bytes when it is written again.
"""Coverage-guided fuzzing of the audit log's readers: `python tests/fuzz/fuzz_audit.py -runs=1000000`.

The first byte of an input says which reader the rest is for. Wants cryptography beside atheris, as the audit room does.
"""

import contextlib
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

try:
    import atheris
except ImportError:
    sys.exit(
        "fuzz_audit: atheris is not installed; it is no part of the lock file: pip install atheris==3.0.0"
    )

with atheris.instrument_imports(include=["collector.audit"]):
    from collector.audit.check_tiles import missing_tiles, strange_tiles
    from collector.audit.log import make_entry, parse_entry
    from collector.audit.note import NoteError, Verifier, open_note, parse_checkpoint
    from collector.audit.tiles import bundle, unbundle

PETER = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"


def read_note(data: bytes) -> None:
    """A note gives the text that was signed; there is one that this key ever signed."""
    with contextlib.suppress(NoteError):
        assert open_note(data, PETER) == TEXT


def read_checkpoint(data: bytes) -> None:
    """A checkpoint's first three lines come out again."""
    text = data.decode("utf-8", "replace")
    try:
        checkpoint = parse_checkpoint(text)
    except NoteError:
        return
    assert text.startswith(checkpoint.text)


def read_key(data: bytes) -> None:
    """A key's text comes out again, but for white space around it."""
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(NoteError):
        assert Verifier.parse(text).text == text.strip()


def read_entry(data: bytes) -> None:
    """An entry written again and read again is the same entry."""
    try:
        entry = parse_entry(data)
        again = make_entry(entry.number, entry.time_us, entry.event, entry.facts)
    except (ValueError, RecursionError):  # deep nesting is refused in reading or, a level later, in writing
        return
    if again.line == data:
        assert parse_entry(again.line) == entry


def read_bundle(data: bytes) -> None:
    """A bundle's entries make the same bundle."""
    try:
        entries = list(unbundle(data))
    except ValueError:
        return
    assert bundle(entries) == data


def read_tile_path(data: bytes) -> None:
    """A path of any form is a tile's or a finding, and serves for what is missing or does not."""
    tiles = {data.decode("utf-8", "replace"): b""}
    found = list(strange_tiles(tiles, []))
    assert len(found) == 1
    assert len(list(missing_tiles(tiles, 1))) == 2 - any(
        path.startswith(("tile/0/000", "tile/entries/000")) and finding.found.startswith("a tile of")
        for path, finding in zip(tiles, found, strict=True)
    )


READERS = (read_note, read_checkpoint, read_key, read_entry, read_bundle, read_tile_path)


def one_input(data: bytes) -> None:
    """Check the invariant on one input."""
    if data:
        READERS[data[0] % len(READERS)](data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
