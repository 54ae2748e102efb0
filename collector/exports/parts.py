"""A partner's file while it is written: hashed as it grows, synced when it is complete, cut into parts of bounded size.

Hashing what is written and not what is read back: the manifest then says what the writer meant, and a disk that gives
back something else is found by every later verification.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from collector.exports.kinds import FileDataset, FileFormat, WrittenFile
from collector.ground.files import FILE_MODE

PART_BYTES_MAX = 350_000_000
"""Contract: parts of at most 350 MB."""
_BUFFER_BYTES = 1 << 20


class PartFile:
    """A file that is being written, in the form of Python's binary files as far as Arrow asks for it."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        self.path = path
        self._file = os.fdopen(descriptor, "wb", buffering=_BUFFER_BYTES)
        self._hash = hashlib.sha256()
        self._bytes = 0
        self.closed = False

    def write(self, content: Any) -> int:
        """Append."""
        self._file.write(content)
        self._hash.update(content)
        size = memoryview(content).nbytes
        self._bytes += size
        return size

    def tell(self) -> int:
        """How many bytes were written."""
        return self._bytes

    def flush(self) -> None:
        """Everything is flushed at the end."""

    def readable(self) -> bool:
        """No."""
        return False

    def seekable(self) -> bool:
        """No."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True

    def close(self) -> None:
        """Arrow closes what it was given; the file is complete at `complete`."""

    def complete(self, rows: int, dataset: FileDataset, form: FileFormat, schema_version: int) -> WrittenFile:
        """Sync and close it; what the manifest says of it. Raises OSError."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.closed = True
        return WrittenFile(
            self.path.name, self._bytes, rows, self._hash.hexdigest(), dataset, form, schema_version
        )

    def abandon(self) -> None:
        """Close it as it is; its folder goes."""
        self._file.close()
        self.closed = True
