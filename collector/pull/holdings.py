"""What stands in the partner's folder, and what is on its way into it.

    DIR/.lock                      held (flock) by the one client that works here
    DIR/trusted.key                the keys taken on first use (trust.py)
    DIR/.tmp-<NNNNNN>/             one that is on its way: a file under its name was whole and verified against the manifest
                                   of that run, `.<name>.part` is not; the next run trusts neither
    DIR/<NNNNNN>/                  one that is all there, as the collector has it
    DIR/security-lake/             only with that layout (lake.py)

There is no other state: what stands says what is missing. So a publication appears whole or not at all, readers never
see half of one, and `pentrap verify DIR` checks the same folder at any time. A cut, a kill or a power cut leaves parts,
and the next run goes on from there.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from collector.exports import sshsig
from collector.exports.manifest import MANIFEST, OWN_NAMES, SIGNATURE, File, Manifest, manifest_bytes, parse
from collector.exports.publication import LOCK, sequences
from collector.ground import files
from collector.ground.errors import BusyError, CorruptError
from collector.pull.errors import PullError

_ASIDE = "move it aside and run again: it is pulled anew"


class Stood(NamedTuple):
    """A publication in the folder, without its record ranges: thousands of them are kept in memory."""

    sequence: int
    sha256: str
    """Of its manifest."""
    previous_sha256: str | None
    signer: bytes
    partner: str
    kind: str
    day: date
    files: tuple[File, ...]
    until: date
    """The last day on which copies of its files are kept (UTC)."""


class Holdings:
    """One folder, with its lock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stood: dict[int, Stood] = {}
        self.names: dict[str, int] = {}
        """Names of files, and in which publication they are."""

    @property
    def last(self) -> Stood | None:
        """The newest."""
        return self.stood[max(self.stood)] if self.stood else None

    def look(self) -> None:
        """Read every manifest that stands, with its signature and its link to the one before. Raises PullError, OSError."""
        for number in sequences(self.folder):
            stood = self._read(number)
            before = self.stood.get(number - 1)
            if before is not None and stood.previous_sha256 != before.sha256:
                raise _damaged(number, "does not follow on the manifest before it")
            self.add(stood)

    def add(self, stood: Stood) -> None:
        """It stands from now on."""
        self.stood[stood.sequence] = stood
        for file in stood.files:
            self.names.setdefault(file.name, stood.sequence)

    def path(self, number: int) -> Path:
        """Where it stands, or will."""
        return self.folder / f"{number:06d}"

    def absent(self, stood: Stood, today: date) -> list[File]:
        """Its files that are not there, though their time is not over. Raises PullError where one has another size."""
        missing = []
        for file in stood.files:
            try:
                size = (self.path(stood.sequence) / file.name).lstat().st_size
            except FileNotFoundError:
                if today <= stood.until:
                    missing.append(file)
                continue
            if size != file.bytes:
                raise PullError(
                    f"{stood.sequence:06d}/{file.name}",
                    f"{size} bytes",
                    f"{file.bytes} bytes",
                    "delete the file and run again; keep published files as they are, and change copies",
                )
        return missing

    def stage(self, number: int) -> Path:
        """The folder of one that is on its way. Raises OSError."""
        staged = self.folder / f"{files.TEMPORARY_PREFIX}{number:06d}"
        files.make_directory(staged)
        return staged

    def finish(self, stood: Stood, staged: Path, verified: Collection[str]) -> None:
        """Give a staged publication its place: whole, or file by file where its manifest stands already. Raises OSError.

        Of its files only those `verified` in this run go along; what else an earlier run left there is deleted.
        """
        for path in staged.iterdir():
            if path.name not in OWN_NAMES and path.name not in verified:
                path.unlink()
        files.sync_directory(staged)
        target = self.path(stood.sequence)
        if not target.exists():
            files.rename(staged, target)
            return
        for path in staged.iterdir():
            if path.name not in OWN_NAMES:
                files.move(path, target / path.name)
        shutil.rmtree(staged)

    def _read(self, number: int) -> Stood:
        folder = self.path(number)
        try:
            content = manifest_bytes(folder)
            with (folder / SIGNATURE).open("rb") as file:
                signer = sshsig.verify(file.read(sshsig.SIGNATURE_MAX + 1), content)
            manifest = parse(content)
        except FileNotFoundError as error:
            raise _damaged(number, f"{Path(error.filename).name} is missing") from None
        except NotADirectoryError:
            raise _damaged(number, "no folder") from None
        except sshsig.SignatureError as error:
            raise _damaged(number, str(error)) from None
        except CorruptError as error:
            raise _damaged(number, f"{MANIFEST}: {error.parts[2]}: {error.parts[3]}") from None
        if manifest.sequence != number:
            raise _damaged(number, f"is publication {manifest.sequence}")
        return stood_of(manifest, content, signer)


@contextmanager
def holdings(folder: Path) -> Iterator[Holdings]:
    """The folder, made where it is missing, for one client at a time. Raises BusyError, OSError."""
    files.make_directory(folder)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"{folder}: another `pentrap pull` is at work here; nothing was changed"
            ) from None
        yield Holdings(folder)
    finally:
        os.close(descriptor)


def stood_of(manifest: Manifest, content: bytes, signer: bytes) -> Stood:
    """What is kept in memory of a publication; `content` are the bytes of its manifest."""
    return Stood(
        manifest.sequence,
        hashlib.sha256(content).hexdigest(),
        manifest.previous_sha256,
        signer,
        manifest.partner,
        manifest.kind,
        manifest.date,
        manifest.files,
        manifest.kept_until,
    )


def today() -> date:
    """By this machine's clock, UTC."""
    return datetime.now(UTC).date()


def _damaged(number: int, found: str) -> PullError:
    return PullError(f"{number:06d}", found, "a publication as it was pulled", _ASIDE)
