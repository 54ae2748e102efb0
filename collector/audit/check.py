"""The whole log read again and held against its checkpoints. Trusts the verifier key that it is given, and nothing else.

What is found (law.md L-22): any byte, place or number of a signed entry changed; entries removed, swapped, added or cut
off; another log under the same name, whoever signed it, once one checkpoint of the true one is at hand (`witnesses`:
each partner's manifest carries one); tiles, checkpoint and texts that differ. What nobody can find who has the folder
alone: a log cut back to an older state together with its checkpoint, or rewritten and signed with the stolen key; the
witnesses are there for these. Entries after the checkpoint are not signed yet and are told apart.
"""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from collector.audit import texts
from collector.audit.check_tiles import leaves_of, missing_tiles, strange_tiles
from collector.audit.events import check_facts
from collector.audit.findings import Finding
from collector.audit.log import LOCK_NAME, LOG_NAME, VKEY, Entry, make_entry, parse_entry
from collector.audit.note import Checkpoint, NoteError, Verifier, open_checkpoint
from collector.audit.tiles import CHECKPOINT, WIDTH, tile_files
from collector.audit.tree import Frontier, leaf_hash, root
from collector.ground.errors import CorruptError

TEXT_FACTS = ("configuration", "answer", "schedules", "contents")
"""Facts whose hashes are those of texts kept beside the log."""
EVIDENCE = "Keep the folder as evidence, compare it with a copy or a partner's checkpoint, and tell counsel"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_AGAIN = "Start pentrap serve once: it writes again what a crash left out. If that was no crash, keep it as evidence"

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""


@dataclass
class LogCheck:
    """What was looked at, what does not hold (`findings`), and what is worth saying all the same (`notes`)."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    """Every line that is an entry, signed or not."""
    signed: int = 0
    tiles: int = 0
    texts: int = 0
    witnesses: int = 0


class _Snapshot(NamedTuple):
    """What stood in the folder while nobody wrote."""

    log: bytes | None
    checkpoint: bytes | None
    vkey: bytes | None
    tiles: dict[str, bytes]


def check_log(
    directory: Path,
    verifier: Verifier,
    witnesses: Mapping[str, bytes] | None = None,
    progress: Progress | None = None,
) -> LogCheck:
    """Check `data_dir/audit`, or a copy. `witnesses` are other checkpoints of this log, by the name to call them.

    Raises OSError where the folder cannot be read.
    """
    check = LogCheck()
    there = _read(directory)
    if there.log is None:
        check.findings.append(Finding(LOG_NAME, "no log", "the log of a collector", EVIDENCE))
        return check
    *lines, torn = there.log.split(b"\n")
    leaves = [leaf_hash(line) for line in lines]
    named = list(_check_lines(check, lines))
    if torn:
        check.notes.append(
            f"{LOG_NAME}: {len(torn)} bytes of a line that was never finished; its act never took effect"
        )
    checkpoint = _check_checkpoint(check, there, verifier, leaves)
    _check_tiles(check, there.tiles, leaves, checkpoint)
    _check_key(check, there.vkey, verifier)
    for name, note in (witnesses or {}).items():
        _check_witness(check, name, note, verifier, leaves)
    _check_texts(check, directory, named, progress)
    return check


def _read(directory: Path) -> _Snapshot:
    with _quiet(directory):
        tiles = {name: (directory / name).read_bytes() for name in tile_files(directory)}
        log, checkpoint, vkey = (_content(directory / name) for name in (LOG_NAME, CHECKPOINT, VKEY))
        return _Snapshot(log, checkpoint, vkey, tiles)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _quiet(directory: Path) -> Iterator[None]:
    """Nobody appends meanwhile, where this is the living log and its lock may be had; a copy has nobody who would."""
    try:
        lock = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield
    finally:
        os.close(lock)


def _check_lines(check: LogCheck, lines: Sequence[bytes]) -> Iterator[str]:
    """Each line by itself; gives the hashes of the texts that entries name."""
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_entry(line)
            again = make_entry(entry.number, entry.time_us, entry.event, entry.facts)
            if again.line != line:
                raise ValueError("an entry that is not written as this program writes")  # noqa: TRY301
            check.entries.append(entry)
            check_facts(entry.event, set(entry.facts))
        except (ValueError, RecursionError) as error:
            _add(check, f"line {number}", str(error), "an audit entry")
            continue
        if entry.number != number:
            _add(
                check,
                f"line {number}",
                f"entry {entry.number}",
                f"entry {number}: numbers follow one another",
            )
        for fact in TEXT_FACTS:
            yield from _hashes(entry.facts.get(fact))
    back = sum(later.time_us < earlier.time_us for earlier, later in pairwise(check.entries))
    if back:
        check.notes.append(
            f"{LOG_NAME}: {back} entries are dated before the one before them: the clock was set back"
        )


def _hashes(fact: Any) -> Iterator[str]:
    """Every SHA-256 in a fact, however deep."""
    if isinstance(fact, str):
        if _SHA256.fullmatch(fact):
            yield fact
    elif isinstance(fact, (list, dict)):
        for part in fact.values() if isinstance(fact, dict) else fact:
            yield from _hashes(part)


def _check_checkpoint(
    check: LogCheck, there: _Snapshot, verifier: Verifier, leaves: Sequence[bytes]
) -> Checkpoint | None:
    if there.checkpoint is None:
        if leaves:
            found = "none beside a log that has entries"
            check.findings.append(Finding(CHECKPOINT, found, "the signed state of the log", _AGAIN))
        return None
    try:
        checkpoint = open_checkpoint(there.checkpoint, verifier)
    except NoteError as error:
        expected = f"a checkpoint signed by {verifier.name}+{verifier.key_id.hex()}"
        check.findings.append(Finding(CHECKPOINT, str(error), expected, EVIDENCE))
        return None
    if checkpoint.size > len(leaves):
        _add(check, LOG_NAME, f"{len(leaves)} entries", f"at least the {checkpoint.size} of the checkpoint")
        return checkpoint
    check.signed = checkpoint.size
    if root(leaves[: checkpoint.size]) != checkpoint.root:
        _add(check, *_first_difference(there.tiles, leaves, checkpoint))
    if checkpoint.size < len(leaves):
        check.notes.append(
            f"{LOG_NAME}: {len(leaves) - checkpoint.size} entries after the checkpoint are not signed yet"
        )
    return checkpoint


def _first_difference(
    tiles: Mapping[str, bytes], leaves: Sequence[bytes], checkpoint: Checkpoint
) -> tuple[str, str, str]:
    """Where the log leaves what was signed, as far as the tiles still know."""
    signed = leaves_of(tiles, checkpoint.size)
    if signed is None or root(signed) != checkpoint.root:
        place = f"{LOG_NAME}, somewhere in entries 1 to {checkpoint.size}"
        return place, "another log than the one signed", "the Merkle root of the checkpoint"
    number = next(at for at, leaf in enumerate(signed) if leaves[at] != leaf)
    bundle = f"tile/entries, number {number // WIDTH}"
    return f"{LOG_NAME}, entry {number + 1}", "another than was signed", f"the entry as {bundle} has it"


def _check_tiles(
    check: LogCheck, tiles: Mapping[str, bytes], leaves: Sequence[bytes], checkpoint: Checkpoint | None
) -> None:
    check.tiles = len(tiles)
    size = min(checkpoint.size, len(leaves)) if checkpoint else 0
    check.findings += strange_tiles(tiles, leaves)
    missing = list(missing_tiles(tiles, size))
    if missing and size < len(leaves) and all(".p/" in path for path in missing):
        check.notes.append(f"{len(missing)} tiles at the right edge are not written yet")
        return
    check.findings += (
        Finding(path, "missing", "a tile that the checkpoint covers", _AGAIN) for path in missing
    )


def _check_key(check: LogCheck, beside: bytes | None, verifier: Verifier) -> None:
    if beside is not None and beside.decode("utf-8", "replace").strip() != verifier.text:
        _add(check, VKEY, "another verifier key", "the key that the log was checked with")
    for entry in check.entries:
        if entry.facts.get("vkey", verifier.text) != verifier.text:
            found = "another verifier key in this entry"
            _add(check, f"entry {entry.number}", found, "the key that the log was checked with")


def _check_witness(
    check: LogCheck, name: str, note: bytes, verifier: Verifier, leaves: Sequence[bytes]
) -> None:
    check.witnesses += 1
    try:
        seen = open_checkpoint(note, verifier)
    except NoteError as error:
        remedy = "Ask who gave it for the file as it came, and compare the keys"
        check.findings.append(Finding(name, str(error), "a checkpoint of this log", remedy))
        return
    frontier = Frontier()
    for leaf in leaves[: seen.size]:
        frontier.append(leaf)
    if frontier.size < seen.size:
        _add(check, name, f"{frontier.size} entries here", f"at least the {seen.size} that were shown to it")
    elif frontier.root() != seen.root:
        found = f"another log: the first {seen.size} entries are not those that were shown to it"
        _add(check, name, found, "one log for everybody")


def _check_texts(check: LogCheck, directory: Path, named: Sequence[str], progress: Progress | None) -> None:
    wanted, kept = set(named), set(texts.kept(directory))
    every = sorted(wanted | kept)
    for done, digest in enumerate(every, 1):
        if progress:
            progress(done, len(every))
        try:
            texts.read(directory, digest)
            check.texts += 1
        except FileNotFoundError:
            _add(check, f"texts/{digest}", "missing", "the text that an entry names")
        except CorruptError:
            _add(check, f"texts/{digest}", "another text", "bytes with the SHA-256 of its name")
    if kept - wanted:
        check.notes.append(f"texts: {len(kept - wanted)} are named by no entry (kept just before a crash)")


def _add(check: LogCheck, place: str, found: str, expected: str) -> None:
    check.findings.append(Finding(place, found, expected, EVIDENCE))
