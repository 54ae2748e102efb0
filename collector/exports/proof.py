"""Holds published files against manifest, signature, sums, chain and the log (law.md L-25): whatever differs is found.

A publication proves itself: its signature covers its manifest, and that covers every byte of the files. A partner's tree proves
that nothing is missing between two publications: each manifest has the hash of the one before. What no tree shows by itself is
that its end was cut off; for that somebody must remember more: `head` (a number and its manifest's hash, as a partner keeps
them), or the audit log's `exported` entries.

Copies whose time is over are deleted, and their manifests stay: the log's `deleted` entries tell (`gone`), or, where there is
no log, the manifest's own `retention_days`. That is said and is no finding.
"""

import csv
import hashlib
import stat
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from collector.audit.findings import Finding
from collector.exports import sshsig
from collector.exports.manifest import (
    MANIFEST,
    OWN_NAMES,
    REMEDY,
    SIGNATURE,
    SUMS,
    File,
    Manifest,
    manifest_bytes,
    parse,
    sums,
)
from collector.exports.publication import FOLDER, LOCK, sequences
from collector.ground.errors import CorruptError
from collector.ground.files import TEMPORARY_PREFIX

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""
BESIDE = (LOCK, "trusted.key", "security-lake")
"""What may stand beside publications: `pentrap pull` puts its lock, its pinned keys and its other layout there."""
_SUMS_MAX = 64 << 20


class Head(NamedTuple):
    """A publication that somebody remembers."""

    sequence: int
    sha256: str


@dataclass
class Proof:
    """What was looked at, what does not hold (`findings`), and what is worth saying all the same (`notes`)."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    publications: int = 0
    files: int = 0
    rows: int = 0
    signers: set[str] = field(default_factory=set)
    """Fingerprints of the keys that signed."""
    head: Head | None = None
    """The last publication of a tree, to be remembered."""

    def add(self, place: str, found: str, expected: str, remedy: str = REMEDY) -> None:
        """Something does not hold."""
        self.findings.append(Finding(place, found, expected, remedy))


def verify_publication(
    folder: Path,
    keys: Collection[bytes] = (),
    *,
    gone: Mapping[str, str] | None = None,
    today: date | None = None,
    only: str = "",
) -> Proof:
    """One publication. `keys` are the public keys that may sign; none: any, and the caller says which it was (`signers`).

    `gone` has the names of files that are rightly deleted, each with why; without it the manifest's retention counts, by
    `today`. With `only`, the manifest and that one file. Raises OSError where the folder cannot be read.
    """
    proof = Proof()
    _verify(proof, folder, folder.name, keys, gone, today, only)
    return proof


def verify_tree(
    tree: Path,
    keys: Collection[bytes] = (),
    *,
    head: Head | None = None,
    entered: Mapping[int, str] | None = None,
    gone: Mapping[str, str] | None = None,
    today: date | None = None,
    progress: Progress | None = None,
) -> Proof:
    """All publications of one partner. `entered` has each manifest's hash by number, as the audit log says; `gone` has names
    as `<NNNNNN>/<file>`. Raises OSError.
    """
    proof = Proof()
    _verify_listing(proof, tree)
    # A file of such a name is told by the listing, and nothing can be read in it.
    numbers = [number for number in sequences(tree) if (tree / f"{number:06d}").is_dir()]
    chain: dict[int, str] = {}
    manifests: dict[int, Manifest] = {}
    for done, number in enumerate(numbers, 1):
        name = f"{number:06d}"
        here = None if gone is None else _below(gone, name)
        manifest = _verify(proof, tree / name, name, keys, here, today)
        if manifest is not None:
            manifests[number] = manifest
            chain[number] = hashlib.sha256(manifest_bytes(tree / name)).hexdigest()
        if progress:
            progress(done, len(numbers))
    _verify_chain(proof, tree, numbers, manifests, chain)
    _verify_remembered(proof, tree, chain, head, entered)
    if numbers and numbers[-1] in chain:
        proof.head = Head(numbers[-1], chain[numbers[-1]])
    return proof


def _verify(
    proof: Proof,
    folder: Path,
    place: str,
    keys: Collection[bytes],
    gone: Mapping[str, str] | None,
    today: date | None,
    only: str = "",
) -> Manifest | None:
    proof.publications += 1
    there = {path.name: path for path in folder.iterdir() if not only or path.name in {only, *OWN_NAMES}}
    for name, path in sorted(there.items()):
        if not stat.S_ISREG(path.lstat().st_mode):
            proof.add(f"{place}/{name}", "no regular file", "files only")
            del there[name]  # a folder cannot be read, and a pipe would be waited for
    if MANIFEST not in there:
        proof.add(f"{place}/{MANIFEST}", "missing", "a manifest")
        return None
    content = manifest_bytes(folder)
    signer = _verify_signature(proof, folder, place, content, keys)
    try:
        manifest = parse(content)
    except CorruptError as error:
        _, _, where, cause, _ = error.parts
        proof.add(f"{place}/{MANIFEST}: {where}", cause, "a manifest as the collector writes it")
        return None
    if signer is not None and manifest.key != sshsig.fingerprint(signer):
        proof.add(f"{place}/{MANIFEST}: key", manifest.key, f"{sshsig.fingerprint(signer)}, which signed it")
    if folder.name.isdecimal() and int(folder.name) != manifest.sequence:
        proof.add(place, f"number {manifest.sequence} in its manifest", f"number {int(folder.name)}")
    if SUMS not in there:
        proof.add(f"{place}/{SUMS}", "missing", "the list that follows from the manifest")
    elif _content(there[SUMS], _SUMS_MAX) != sums(manifest, content):
        proof.add(f"{place}/{SUMS}", "another list", "the list that follows from the manifest")
    named = {file.name: file for file in manifest.files if not only or file.name == only}
    for name in sorted(there.keys() - named.keys() - set(OWN_NAMES)):
        proof.add(f"{place}/{name}", "in no manifest", "only files that the manifest names")
    expired = 0
    for name, file in sorted(named.items()):
        if name in there:
            _verify_file(proof, there[name], f"{place}/{name}", file)
        elif _is_excused(manifest, name, gone, today):
            expired += 1
        else:
            proof.add(f"{place}/{name}", "missing", f"{file.bytes} bytes, SHA-256 {file.sha256}")
    if expired:
        why = next(iter(gone.values())) if gone else f"{manifest.retention_days} days are over"
        proof.notes.append(
            f"{place}: {expired} of {len(named)} files are deleted, their time is over ({why})"
        )
    return manifest


def _verify_signature(
    proof: Proof, folder: Path, place: str, content: bytes, keys: Collection[bytes]
) -> bytes | None:
    path = folder / SIGNATURE
    if not path.is_file():
        proof.add(f"{place}/{SIGNATURE}", "missing", "the signature over the manifest")
        return None
    try:
        signer = sshsig.verify(_content(path, sshsig.SIGNATURE_MAX), content)
    except sshsig.SignatureError as error:
        proof.add(f"{place}/{SIGNATURE}", str(error), "the collector's signature over the manifest")
        return None
    found = sshsig.fingerprint(signer)
    if keys and signer not in keys:
        expected = " or ".join(sorted(map(sshsig.fingerprint, keys)))
        proof.add(f"{place}/{SIGNATURE}", f"signed by {found}", f"signed by {expected}")
        return None
    proof.signers.add(found)
    return signer


def _verify_file(proof: Proof, path: Path, place: str, file: File) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        proof.add(place, f"unreadable: {error.strerror}", f"{file.bytes} bytes")
        return
    proof.files += 1
    if (size, digest) != (file.bytes, file.sha256):
        found = f"{size} bytes, SHA-256 {digest}"
        proof.add(place, found, f"{file.bytes} bytes, SHA-256 {file.sha256}")
        return
    try:
        rows = rows_in(path)
    except (pa.ArrowException, csv.Error, UnicodeDecodeError, OSError) as error:
        proof.add(place, f"unreadable ({type(error).__name__})", f"a file of {file.rows} rows")
        return
    if rows is not None and rows != file.rows:
        proof.add(place, f"{rows} rows", f"{file.rows} rows")
    proof.rows += file.rows


def rows_in(path: Path, suffix: str = "") -> int | None:
    """How many rows a published file has; None where its kind has none. `suffix` where it has not its name yet.

    Raises pa.ArrowException, csv.Error, OSError.
    """
    suffix = suffix or path.suffix
    if suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if suffix != ".csv":
        return None
    with path.open(encoding="utf-8", newline="") as file:
        return max(sum(1 for _ in csv.reader(file)) - 1, 0)


def _is_excused(manifest: Manifest, name: str, gone: Mapping[str, str] | None, today: date | None) -> bool:
    if gone is not None:
        return name in gone
    return today is not None and manifest.kept_until < today


def _verify_listing(proof: Proof, tree: Path) -> None:
    for path in sorted(tree.iterdir()):
        if path.name.startswith(TEMPORARY_PREFIX):
            proof.notes.append(f"{path.name}: not finished; it is swept away, or completed, at the next run")
        elif not (path.name in BESIDE or (path.is_dir() and len(path.name) == 6 and path.name.isdecimal())):
            proof.add(path.name, "no publication", "folders of six digits only")


def _verify_chain(
    proof: Proof,
    tree: Path,
    numbers: list[int],
    manifests: Mapping[int, Manifest],
    chain: Mapping[int, str],
) -> None:
    for number in sorted(set(range(1, (numbers[-1] if numbers else 0) + 1)) - set(numbers)):
        proof.add(f"{number:06d}", "missing", "every number of the sequence")
    partners = {manifest.partner for manifest in manifests.values()}
    if tree.parent.name == FOLDER and partners - {tree.name}:
        proof.add(str(tree), f"publications of {sorted(partners - {tree.name})}", f"those of {tree.name}")
    elif len(partners) > 1:
        proof.add(str(tree), f"publications of {sorted(partners)}", "those of one partner")
    used: dict[str, int] = {}
    for number, manifest in manifests.items():
        before = chain.get(number - 1)
        if before is not None and manifest.previous_sha256 != before:
            found = f"follows {manifest.previous_sha256}"
            proof.add(
                f"{number:06d}/{MANIFEST}", found, f"follows {before}, the manifest of {number - 1:06d}"
            )
        for file in manifest.files:
            if file.name in used:
                proof.add(f"{number:06d}/{file.name}", f"a name of {used[file.name]:06d} too", "its own name")
            used[file.name] = number


def _verify_remembered(
    proof: Proof,
    tree: Path,
    chain: Mapping[int, str],
    head: Head | None,
    entered: Mapping[int, str] | None,
) -> None:
    known = {} if entered is None else dict(entered)
    for number, digest in sorted(known.items()):
        _verify_known(proof, tree, chain, number, digest, "as the audit log says", last=number == max(known))
    if entered is not None:
        for number in sorted(set(chain) - set(entered)):
            proof.add(f"{number:06d}", "no entry of the audit log", "an `exported` entry of each publication")
    if head is not None and known.get(head.sequence) != head.sha256:
        _verify_known(proof, tree, chain, head.sequence, head.sha256, "as was remembered", last=False)


def _verify_known(
    proof: Proof, tree: Path, chain: Mapping[int, str], number: int, digest: str, words: str, *, last: bool
) -> None:
    name = f"{number:06d}"
    if number in chain:
        if chain[number] != digest:
            proof.add(f"{name}/{MANIFEST}", f"SHA-256 {chain[number]}", f"SHA-256 {digest}, {words}")
    elif last and any(_manifest_is(path, digest) for path in tree.glob(TEMPORARY_PREFIX + "*")):
        proof.notes.append(f"{name}: entered, and whole under its temporary name; the next run completes it")
    elif not (tree / name).is_dir():
        proof.add(name, "missing", f"a publication whose manifest has SHA-256 {digest}, {words}")


def _manifest_is(folder: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(manifest_bytes(folder)).hexdigest() == digest
    except OSError:
        return False


def _below(gone: Mapping[str, str], folder: str) -> dict[str, str]:
    start = folder + "/"
    return {name.removeprefix(start): why for name, why in gone.items() if name.startswith(start)}


def _content(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)
