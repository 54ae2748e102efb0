"""Durable files. Only this module renames: write a temporary, fsync it, rename, fsync the directory.

After a rename returns, a power cut leaves either the old file or the new one, whole (POSIX rename; the directory's
fsync makes the new entry itself durable).
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
TEMPORARY_PREFIX = ".tmp-"
"""A name that begins so is unfinished work of a process that died; it may be deleted when nobody writes."""


def make_directory(path: Path) -> None:
    """Create `path` and its parents (0700), each entry durable."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    for directory in reversed(missing):
        directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        sync_directory(directory.parent)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory (creations, renames, deletions) durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock file `path` (flock), made where it is missing, and hold it. Not to be nested."""
    make_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def rename(source: Path, target: Path, *, durable: bool = True) -> None:
    """Rename within one directory. The content must have been synced by the caller.

    Not `durable` is for names that recovery gives again after a power cut.
    """
    os.rename(source, target)
    if durable:
        sync_directory(target.parent)


def publish(
    target: Path, write: Callable[[Path], None], mode: int = FILE_MODE, *, durable: bool = True
) -> None:
    """Let `write` fill a temporary file beside `target`, sync it and give it its name: whole or not at all.

    Not `durable` is for what can be made again after a power cut.
    """
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=target.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        write(temporary)
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        rename(temporary, target, durable=durable)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def publish_bytes(target: Path, content: bytes, mode: int = FILE_MODE, *, durable: bool = True) -> None:
    """`publish` for what is already in memory."""
    publish(target, lambda path: _write_all(path, content), mode, durable=durable)


def move(source: Path, target: Path) -> None:
    """Rename between two directories of one file system; both entries are durable when it returns."""
    os.rename(source, target)
    sync_directory(target.parent)
    sync_directory(source.parent)


def remove(path: Path) -> None:
    """Delete a file durably; one that is already gone is fine (a crashed step is repeated)."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def clear_temporaries(directory: Path) -> int:
    """Delete what a crash left unfinished under `directory`; how many there were."""
    leftovers = [p for p in directory.rglob(TEMPORARY_PREFIX + "*") if p.is_file()]
    for path in leftovers:
        path.unlink(missing_ok=True)
    return len(leftovers)


def _write_all(path: Path, content: bytes) -> None:
    path.write_bytes(content)
