"""One stream: the records of one worker on one UTC day, in files that roll.

The open file takes blocks. It is sealed (renamed to its range) when it is old or large enough, when the rules change and at
the end; the clerk takes sealed files only. After any failed write or fsync the descriptor is never used again: what
was acknowledged before stays in that file under its sealed name, the failed records go to a new file whose header begins
at their first number, and a reader lets the later file win.
"""

import contextlib
import os
from pathlib import Path

from collector.ground import files
from collector.journal.format import FileHeader, encode_header, header_checksum, seal_block
from collector.journal.names import open_name, sealed_name

ROLL_BYTES = 64 << 20
"""A sealed file's size at most, so that the clerk converts one in memory (1.1 million records, about 1 GB of columns)."""


class Stream:
    """Appends blocks to the stream's open file. Not thread-safe: one thread at a time."""

    def __init__(self, root: Path, stream: str, day: int, *, sync: bool) -> None:
        self.name = stream
        self.day = day
        self._sync = sync
        self.next = 0
        self.size = 0
        self.opened_us = 0
        self._directory = root / stream
        self._descriptor = -1
        self._first = 0
        self._unnamed: dict[int, int] = {}
        self._rules = ""
        self._rules16 = b""
        self._seed = 0

    @property
    def is_open(self) -> bool:
        """Whether a file is being written."""
        return self._descriptor >= 0

    def append(self, buffer: bytearray, count: int, written: int, rules: str, now_us: int) -> None:
        """Make `count` records, which stand in `buffer` after BLOCK_SIZE free bytes, durable as the next block.

        Raises OSError where the disk refuses; the file is then closed for good, and nothing of the block is numbered.
        """
        try:
            if self._rules != rules:
                with contextlib.suppress(
                    OSError
                ):  # a refused name is tried again later; the new file need not wait
                    self.seal()
            if self._descriptor < 0:
                self._open(rules, now_us)
            block = seal_block(buffer, count, self.next, written, self._rules16, self._seed)
            done = os.write(self._descriptor, block)
            if done != len(block):
                os.write(self._descriptor, block[done:])  # raises what the kernel has against it
                raise OSError(5, "short write")  # noqa: TRY301 - even if the rest fitted: one block, one write
            if self._sync:
                os.fdatasync(self._descriptor)
        except OSError:
            self._abandon()
            raise
        self.next += count
        self.size += len(block)

    def seal(self) -> None:
        """Close the open file and give it the name of its range; an empty one is deleted.

        Raises OSError where the disk refuses the name; the file is closed all the same, and waits for `name_closed`.
        """
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            self._unnamed[self._first] = self.next
            os.close(descriptor)
        self.name_closed()

    def name_closed(self) -> None:
        """Give closed files whose name was refused their sealed name. Raises OSError where it is refused again."""
        for first, following in list(self._unnamed.items()):
            path = self._directory / open_name(self.name, first)
            if following == first:
                path.unlink(missing_ok=True)
            else:
                # After a power cut the old name may be back; recovery then gives the new one again.
                files.rename(
                    path, self._directory / sealed_name(self.name, first, following - 1), durable=False
                )
            del self._unnamed[first]

    def _open(self, rules: str, now_us: int) -> None:
        files.make_directory(self._directory)
        path = self._directory / open_name(self.name, self.next)
        # An older file may stand at this name: one that failed before its first block counted. It holds nothing.
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, files.FILE_MODE
        )
        header = encode_header(FileHeader(self.day, self.next, now_us, rules, self.name))
        try:
            if os.write(descriptor, header) != len(header):
                raise OSError(28, "short write of the header")  # noqa: TRY301 - same way out as a refused one
            if self._sync:
                os.fsync(descriptor)
                files.sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            self._unnamed[self.next] = self.next
            raise
        self._descriptor = descriptor
        self._first = self.next
        self._unnamed.pop(self.next, None)
        self._rules = rules
        self._rules16 = bytes.fromhex(rules)[:16]
        self._seed = header_checksum(header)
        self.size = len(header)
        self.opened_us = now_us

    def _abandon(self) -> None:
        """Never trust this descriptor again; keep what was acknowledged, under its sealed name if the disk lets us."""
        if self._descriptor < 0:
            return
        # What failed must not look recorded after a crash; where even this fails, the sealed name's range still says so.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, self.size)
        try:
            self.seal()
        except OSError:
            # The name stays open until `name_closed`; after a crash recovery cuts it where the next file begins.
            return
