"""Appends entries: on disk before the act that each records takes effect (law.md L-21).

    audit/log.jsonl     one JSON object a line: {"number":1,"time":"2026-11-22T10:00:00.000000Z","event":"started",…}
    audit/checkpoint    how many entries there are and their Merkle root, signed (note.py)
    audit/tile/         the same log in the form of C2SP tlog-tiles (tiles.py)
    audit/vkey          the verifier key of its checkpoints, to be compared with the one noted at installation
    audit/lock          held (flock) by whoever appends: the supervisor, the clerk, an officer's command

A line without its newline is an entry's bytes. One line, one fdatasync: then the entry stands, and the act may follow.
Checkpoint and tiles come after it and follow from it; whoever opens the log with the key makes good what a crash left out. A
line torn by a crash was never durable, so its act never took effect: it is cut. A log that is shorter than its
checkpoint, or another, has been tampered with or lost: CorruptError, and nothing is appended to it.

A process that has no key (the supervisor: its children read from the network) appends without signing; somebody
with the key signs a moment later.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from collector.audit.events import check_facts
from collector.audit.key import CheckpointKey
from collector.audit.note import Checkpoint, NoteError, open_checkpoint
from collector.audit.tiles import CHECKPOINT, ENTRY_MAX, TILE, TileWriter
from collector.audit.tree import Frontier, leaf_hash
from collector.ground import files
from collector.ground.errors import CorruptError

FOLDER = "audit"
LOG_NAME = "log.jsonl"
VKEY = "vkey"
LOCK_NAME = "lock"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPENING = "open audit log"
_REMEDY = "Keep the folder as evidence; restore it from a copy, or move it aside to begin a new log, and tell counsel"


class Entry(NamedTuple):
    """One entry. `number` counts from 1; `line` is what is hashed."""

    number: int
    time_us: int
    event: str
    facts: dict[str, Any]
    line: bytes


class AuditLog:
    """One process's hold on the log. Thread-safe only as far as each thread has its own."""

    def __init__(self, directory: Path, key: CheckpointKey | None = None) -> None:
        """Open, or begin, the log. Raises OSError; CorruptError where it does not agree with its checkpoint."""
        files.make_directory(directory)
        self._directory = directory
        self._path = directory / LOG_NAME
        self._key = key
        self._descriptor = -1
        self._lock = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
        self._read = 0
        self._frontier = Frontier()
        self._tiles = TileWriter(directory) if key else None
        self._installed_us: int | None = None
        self._signed: int | None = None
        self._refused: CorruptError | None = None
        try:
            with self._turn():
                self._clear()
                self._open()
                self._catch_up()
                self._publish_verifier()
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """How many entries this process knows of."""
        return self._frontier.size

    @property
    def checkpoint(self) -> Checkpoint | None:
        """What the entries come to, for this log's key; None without one."""
        return Checkpoint(self._key.origin, self.size, self._frontier.root()) if self._key else None

    @property
    def installed_us(self) -> int:
        """When the first entry was written. Only after there is one."""
        if self._installed_us is None:
            with open(self._path, "rb") as file:
                self._installed_us = parse_entry(file.readline().removesuffix(b"\n")).time_us
        return self._installed_us

    def append(self, event: str, now_us: int, **facts: Any) -> Entry:
        """Write one entry; it is durable when this returns. Raises OSError, CorruptError, and the act must then not happen.

        A checkpoint that cannot be written does not undo the entry: the next one, or `sign`, makes it good.
        """
        check_facts(event, set(facts))
        with self._turn():
            self._catch_up()
            entry = make_entry(self.size + 1, now_us, event, facts)
            self._write(entry.line + b"\n")
            self._take(entry.line)
            self._read += len(entry.line) + 1
            if self._key:
                with suppress(OSError):
                    self._publish()
        return entry

    def sign(self) -> bool:
        """With the key: bring checkpoint and tiles up to the entries; whether there was anything to do."""
        with self._turn():
            self._catch_up()
            if self._key is None or self._signed == self.size:
                return False
            self._publish()
            return True

    def close(self) -> None:
        """Give the descriptors back."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    @contextmanager
    def _turn(self) -> Iterator[None]:
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _clear(self) -> None:
        """Delete what a crash left of checkpoint and tiles. Texts are written without the lock: theirs stay."""
        for path in self._directory.glob(files.TEMPORARY_PREFIX + "*"):
            path.unlink(missing_ok=True)
        files.clear_temporaries(self._directory / TILE)

    def _publish_verifier(self) -> None:
        path = self._directory / VKEY
        if self._key and not path.exists():
            with suppress(OSError):
                files.publish_bytes(path, f"{self._key.verifier.text}\n".encode())

    def _open(self) -> None:
        if self._descriptor >= 0:
            # Forgotten first: should opening fail, the number may be another file's by the next entry.
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, files.FILE_MODE)
        files.sync_directory(self._directory)

    def _catch_up(self) -> None:
        """Take in what others appended, and cut what a crash left of a line."""
        if self._refused:
            raise self._refused
        size = os.fstat(self._descriptor).st_size
        if size == self._read and self._signed is not None:
            return
        if size < self._read:
            self._refuse(f"{size} bytes", f"is shorter than the {self._read} bytes that were there")
        content = os.pread(self._descriptor, size - self._read, self._read)
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            os.ftruncate(self._descriptor, self._read + whole)
            os.fsync(self._descriptor)
        checkpoint = self._read_checkpoint()
        for line in content[:whole].split(b"\n")[:-1]:
            self._take(line)
            if checkpoint and self.size == checkpoint.size and self._frontier.root() != checkpoint.root:
                self._refuse(
                    f"entry {self.size} or one before it", "is not what the checkpoint was signed over"
                )
        self._read += whole
        if checkpoint and self.size < checkpoint.size:
            self._refuse(f"{self.size} entries", f"are fewer than the {checkpoint.size} of its checkpoint")
        self._signed = checkpoint.size if checkpoint else 0

    def _read_checkpoint(self) -> Checkpoint | None:
        if self._key is None:
            return None
        try:
            note = (self._directory / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return open_checkpoint(note, self._key.verifier)
        except NoteError as error:
            self._refuse(CHECKPOINT, f"{error}; the key may have been replaced")

    def _take(self, line: bytes) -> None:
        self._frontier.append(leaf_hash(line))
        if self._tiles:
            self._tiles.append(line)

    def _write(self, line: bytes) -> None:
        before = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(28, "short write of an audit entry")  # noqa: TRY301 - undone like any refused write
            os.fdatasync(self._descriptor)
        except OSError:
            # What the kernel says about a descriptor after a failed fsync is not to be believed: cut, and open anew.
            os.ftruncate(self._descriptor, before)
            self._open()
            raise

    def _publish(self) -> None:
        checkpoint = self.checkpoint
        if checkpoint is None or self._key is None or self._tiles is None:
            return
        self._tiles.publish()
        files.publish_bytes(self._directory / CHECKPOINT, self._key.sign(checkpoint.text))
        self._signed = checkpoint.size

    def _refuse(self, place: str, cause: str) -> NoReturn:
        # For good: what was taken in before the flaw must not be taken in again, nor appended to.
        self._refused = CorruptError(_OPENING, str(self._path), place, cause, _REMEDY)
        raise self._refused


def parse_entry(line: bytes) -> Entry:
    """One line of the log, without its newline. Raises ValueError."""
    try:
        facts = json.loads(line)
        number, moment, event = facts.pop("number"), facts.pop("time"), facts.pop("event")
        time_us = (datetime.fromisoformat(moment) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise ValueError("a line that is no audit entry") from None
    if type(number) is not int or not isinstance(event, str):
        raise ValueError("an audit entry without its number or event")
    return Entry(number, time_us, event, facts, line)


class LogReader:
    """Reads a log that grows: each call of `new` gives what was appended since the one before.

    This trusts the file; `check` does not.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOG_NAME
        self._offset = 0
        self._line = 0

    def new(self) -> list[Entry]:
        """Whole entries not read before; none where there is no log. Raises CorruptError, OSError."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content.rfind(b"\n") + 1
        entries = []
        for line in content[:whole].split(b"\n")[:-1]:
            self._line += 1
            try:
                entries.append(parse_entry(line))
            except ValueError as error:
                place = f"line {self._line}"
                raise CorruptError("read audit log", str(self._path), place, str(error), _REMEDY) from None
        self._offset += whole
        return entries


def read_entries(directory: Path) -> list[Entry]:
    """All whole entries of `data_dir/audit`, as they stand. Raises CorruptError, OSError."""
    return LogReader(directory).new()


def make_entry(number: int, now_us: int, event: str, facts: dict[str, Any]) -> Entry:
    """An entry and its line. Raises ValueError where it is too long."""
    moment = (_EPOCH + timedelta(microseconds=now_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    whole = {"number": number, "time": moment, "event": event, **facts}
    line = json.dumps(whole, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    if len(line) > ENTRY_MAX:
        raise ValueError(f"audit entry {event} of {len(line)} bytes, expected at most {ENTRY_MAX}")
    return Entry(number, now_us, event, facts, line)
