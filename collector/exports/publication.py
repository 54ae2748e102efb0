"""A publication appears whole or not at all, once, and never changes (law.md L-32).

    exports/<partner>/.lock          held (flock) while a number is given and used
    exports/<partner>/.tmp-<random>  one that is being made; its maker holds a lock (flock) on the folder itself
    exports/<partner>/<NNNNNN>/      one that stands

`stage` gives a folder to write files into; `publish` adds manifest, signature and sums, syncs everything, enters `exported`
in the audit log (L-21: durable before it takes effect), and gives the folder its number. The entry is the decision; the rename
carries it out. Killed before the entry, nothing happened and the folder is swept away. Killed after it, the folder is whole
under its temporary name and the entry has its manifest's hash: `settle`, which every `publish` begins with, gives it its
number. So numbers have no gap and no number is given twice.

Where an entered folder is gone altogether, its number may be used again only if nobody can have seen it: the log has no
`pulled` entry of it (which is durable before a first byte goes out) and no later one was entered. Otherwise CorruptError.

An export takes hours and the key may be replaced meanwhile, so `publish` asks the log which one is in force (`keys`).
"""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.audit.tiles import CHECKPOINT
from collector.exports import sshsig
from collector.exports.keys import key_in_force, signing_turn
from collector.exports.kinds import Kind, Made, WrittenFile
from collector.exports.manifest import (
    MANIFEST,
    OWN_NAMES,
    SIGNATURE,
    SUMS,
    Contents,
    Manifest,
    manifest_bytes,
    parse,
    read_manifest,
    render,
    sums,
)
from collector.exports.means import ExportError
from collector.ground import files
from collector.ground.errors import CorruptError

FOLDER = "exports"
LOCK = ".lock"
_NUMBER = re.compile(r"[0-9]{6}", re.ASCII)
_OPENING = "publish"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RESTORE = (
    "Restore the folder from a copy, or ask a partner for its copy; nothing is published for it until then"
)


class Publication(NamedTuple):
    """One that stands."""

    sequence: int
    folder: Path
    manifest: Manifest


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Wait for the turn in a partner's folder, and keep it. Not to be nested."""
    with files.locked(folder / LOCK):
        yield


@contextmanager
def stage(data_dir: Path, partner: str) -> Iterator[Path]:
    """A new folder below the partner's to write files into; what has not been published when this ends is deleted.

    Raises OSError.
    """
    folder = data_dir / FOLDER / partner
    with turn(folder):
        staged = Path(tempfile.mkdtemp(prefix=files.TEMPORARY_PREFIX, dir=folder))
        descriptor = os.open(staged, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield staged
    finally:
        if not _is_entered(data_dir, partner, staged):
            shutil.rmtree(staged, ignore_errors=True)
        os.close(descriptor)


def publish(
    log: AuditLog,
    data_dir: Path,
    key: Ed25519PrivateKey,
    staged: Path,
    contents: Contents,
    operation: str,
    now_us: int,
) -> Made:
    """Give the staged files a manifest and the next number of the partner's sequence.

    One that stands already for the same kind, date, order and supplement is given back instead, and nothing is published.
    Raises ExportError (the key is not in force any more), CorruptError (the sequence is damaged), ValueError (the staged files
    are not those named), OSError; then nothing has been published, or `settle` will complete it.
    """
    folder = data_dir / FOLDER / contents.partner
    if staged.parent != folder:
        raise ValueError(f"staged in {staged.parent}, expected {folder}")
    with turn(folder), signing_turn(data_dir):
        entries = read_entries(data_dir / "audit")
        ledger = _settle(data_dir, contents.partner, entries)
        before = publications(data_dir, contents.partner)
        for earlier in before:
            if _what(earlier.manifest) == _what(contents):
                return made_of(earlier)
        signer = _signer(key, entries, contents)
        _check_staged(staged, contents, before)
        log.sign()
        last = before[-1] if before else None
        manifest = Manifest(
            **{name: getattr(contents, name) for name in Contents.model_fields},
            manifest_version=1,
            sequence=last.sequence + 1 if last else 1,
            previous_sha256=_entered_hash(ledger, contents.partner, last),
            published=_moment(now_us),
            key=signer,
            audit_checkpoint=(data_dir / "audit" / CHECKPOINT).read_text("utf-8"),
        )
        content = render(manifest)
        parse(content)  # what we could not read ourselves is not published
        _write(staged / MANIFEST, content)
        _write(staged / SIGNATURE, sshsig.sign(key, content))
        _write(staged / SUMS, sums(manifest, content))
        for file in manifest.files:
            _sync(staged / file.name)
        files.sync_directory(staged)
        files.sync_directory(folder)
        log.append(
            "exported",
            now_us,
            operation=operation,
            order=manifest.order,
            partner=manifest.partner,
            sequence=manifest.sequence,
            kind=manifest.kind,
            day=manifest.date.isoformat(),
            supplement=manifest.supplement,
            manifest_sha256=hashlib.sha256(content).hexdigest(),
            files=len(manifest.files),
            rows=sum(file.rows for file in manifest.files),
        )
        target = folder_of(data_dir, manifest.partner, manifest.sequence)
        files.rename(staged, target)
        return made_of(Publication(manifest.sequence, target, manifest))


def settle(data_dir: Path, partner: str) -> None:
    """Complete what a crash left of the last publication, and sweep away what never was one. Raises CorruptError, OSError."""
    with turn(data_dir / FOLDER / partner):
        _settle(data_dir, partner, read_entries(data_dir / "audit"))


def folder_of(data_dir: Path, partner: str, sequence: int) -> Path:
    """Where a publication stands."""
    return data_dir / FOLDER / partner / f"{sequence:06d}"


def partners(data_dir: Path) -> list[str]:
    """Those for whom something was ever begun."""
    root = data_dir / FOLDER
    return sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != ".") if root.is_dir() else []


def sequences(folder: Path) -> list[int]:
    """The numbers that stand in a partner's folder, in order."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name))


def publications(data_dir: Path, partner: str, after: int = 0) -> list[Publication]:
    """What stands for a partner, in order of sequence. Raises CorruptError, OSError."""
    numbers = sequences(data_dir / FOLDER / partner)
    return [read(data_dir, partner, number) for number in numbers if number > after]


def read(data_dir: Path, partner: str, sequence: int) -> Publication:
    """One publication. Raises FileNotFoundError, CorruptError, OSError."""
    folder = folder_of(data_dir, partner, sequence)
    return Publication(sequence, folder, read_manifest(folder))


def made_of(publication: Publication) -> Made:
    """What is told of it to whoever asked for it to be made."""
    manifest = publication.manifest
    written = tuple(WrittenFile(**file.model_dump()) for file in manifest.files)
    return Made(
        manifest.partner,
        manifest.sequence,
        manifest.kind,
        manifest.date,
        manifest.order,
        manifest.supplement,
        sum(file.rows for file in written),
        written,
        hashlib.sha256(render(manifest)).hexdigest(),
    )


def _settle(data_dir: Path, partner: str, entries: list[Entry]) -> Ledger:
    """With the partner's turn. What the log says of it afterwards is what stands."""
    folder = data_dir / FOLDER / partner
    ledger = Ledger.of(entries)
    entered = {number: entry for (name, number), entry in ledger.exported.items() if name == partner}
    standing = set(sequences(folder))
    if strange := standing - set(entered):
        raise _damaged(folder / f"{min(strange):06d}", "stands, and no entry of the log says so")
    for number in sorted(set(entered) - standing):
        digest = entered[number].facts["manifest_sha256"]
        staged = next((path for path in _staged(folder) if _manifest_hash(path) == digest), None)
        if staged is not None:
            files.rename(staged, folder / f"{number:06d}")
            standing.add(number)
        elif number != max(entered) or _was_seen(entries, partner, number):
            raise _damaged(
                folder / f"{number:06d}", f"is gone, and entry {entered[number].number} says it stood"
            )
        else:
            del ledger.exported[partner, number]
    if standing and max(standing) != len(standing):
        raise _damaged(folder, f"{len(standing)} publications, the last with number {max(standing)}")
    for path in _staged(folder):
        _sweep(path)
    return ledger


def _staged(folder: Path) -> list[Path]:
    return [path for path in folder.glob(files.TEMPORARY_PREFIX + "*") if path.is_dir()]


def _sweep(path: Path) -> None:
    """Delete a folder whose maker is gone; one that is still being written is locked, and left."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)


def _is_entered(data_dir: Path, partner: str, staged: Path) -> bool:
    """Whether the log says that this folder is a publication: then it is not ours to delete."""
    digest = _manifest_hash(staged)
    if digest is None:
        return False
    entered = Ledger.of(read_entries(data_dir / "audit")).exported
    return any(
        name == partner and entry.facts["manifest_sha256"] == digest for (name, _), entry in entered.items()
    )


def _manifest_hash(folder: Path) -> str | None:
    try:
        return hashlib.sha256(manifest_bytes(folder)).hexdigest()
    except FileNotFoundError:
        return None


def _was_seen(entries: list[Entry], partner: str, sequence: int) -> bool:
    """Whether somebody may have a byte of it, or its copies were deleted after their time."""
    begun = f"{FOLDER}/{partner}/{sequence:06d}/"
    return any(
        (entry.event == "pulled" and (entry.facts["partner"], entry.facts["sequence"]) == (partner, sequence))
        or (entry.event == "deleted" and any(file["name"].startswith(begun) for file in entry.facts["files"]))
        for entry in entries
    )


def _entered_hash(ledger: Ledger, partner: str, last: Publication | None) -> str | None:
    """The hash of the manifest before, as it stands and as the log has it. Raises CorruptError."""
    if last is None:
        return None
    digest = _manifest_hash(last.folder)
    entry = ledger.exported[partner, last.sequence]
    if digest != entry.facts["manifest_sha256"]:
        raise _damaged(last.folder / MANIFEST, f"is not the one that entry {entry.number} says")
    return digest


def _signer(key: Ed25519PrivateKey, entries: list[Entry], contents: Contents) -> str:
    """The key's fingerprint. Raises ExportError: another one is in force, and a partner that saw that refuses this one."""
    public = key.public_key().public_bytes_raw()
    current = key_in_force(entries)
    if current is not None and public != current:
        raise ExportError(
            f"publish {contents.date} of {contents.order} for {contents.partner}: the signing key was replaced meanwhile\n"
            f"    found:    {sshsig.fingerprint(public)}, with which this export began\n"
            f"    expected: {sshsig.fingerprint(current)}, in force by the audit log\n"
            "    remedy:   export again: it signs with the key in force; nothing of this publication was entered"
        )
    return sshsig.fingerprint(public)


def _check_staged(staged: Path, contents: Contents, before: list[Publication]) -> None:
    there = {path.name: path.lstat().st_size for path in staged.iterdir() if path.name not in OWN_NAMES}
    named = {file.name: file.bytes for file in contents.files}
    if there != named:
        differ = sorted(name for name in there.keys() | named.keys() if there.get(name) != named.get(name))
        raise ValueError(f"staged files are not those of the manifest: {differ[:3]}")
    used = {file.name for earlier in before for file in earlier.manifest.files}
    if taken := sorted(used & set(named)):
        raise ValueError(f"a name that an earlier publication has: {taken[:3]}")


def _what(contents: Contents) -> tuple[Kind, date, str, int]:
    return contents.kind, contents.date, contents.order, contents.supplement


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, files.FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, files.FILE_MODE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _moment(now_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=now_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _damaged(path: Path, cause: str) -> CorruptError:
    return CorruptError(_OPENING, str(path.parent), path.name, cause, _RESTORE)
