"""A worker's journal: which stream a record goes to, and what happens when the disk says no.

The hot path packs records straight into a `Batch`'s buffer; a commit makes the batch one block. Streams are per UTC day: a
record of another day than the batch's (a connection accepted before midnight whose verdict fell after it, or a clock
set back) gets a batch of its own, so each file belongs to exactly one day.

When the disk refuses, the commit is tried once more in a new file (an I/O error can be one file's trouble; a full disk
refuses again at once). If that fails too, the records are lost and counted, the machines are answered, and for RETRY_US
nothing more is tried; then the next commit tries again, so recording resumes by itself.
"""

import contextlib
from pathlib import Path

from collector.ground.record import RECORD_SIZE
from collector.journal.format import BLOCK_SIZE, MICROSECONDS_A_DAY
from collector.journal.names import stream_name
from collector.journal.stream import ROLL_BYTES, Stream

RETRY_US = 1_000_000
"""Pause after a refused commit: well inside the promised 10 s, and far from hammering a full disk."""
BATCH_RECORDS = 256
"""Room that a batch starts with; it grows by doubling."""


class Batch:
    """Records on their way to one block: `buffer` has BLOCK_SIZE free bytes, then `count` records of `day` under `rules`."""

    __slots__ = ("buffer", "count", "day", "room", "rules")

    def __init__(self, day: int, rules: str) -> None:
        self.day = day
        self.rules = rules
        self.count = 0
        self.room = BATCH_RECORDS
        self.buffer = bytearray(BLOCK_SIZE + BATCH_RECORDS * RECORD_SIZE)

    def grow(self) -> None:
        """Double the room."""
        self.buffer.extend(bytes(self.room * RECORD_SIZE))
        self.room *= 2


class Journal:
    """The streams of one worker. `commit` may run in a thread, one at a time; the rest belongs to that same owner."""

    def __init__(
        self, root: Path, sensor: str, worker: int, *, sync: bool, seal_us: int, settle_us: int
    ) -> None:
        self.errors = 0
        self.written = 0
        self._root = root
        self._sensor = sensor
        self._worker = worker
        self._sync = sync
        self._seal_us = seal_us
        self._settle_us = settle_us
        self._streams: dict[int, Stream] = {}
        self._refused_until = 0
        self._last_start = 0

    @property
    def open_bytes(self) -> int:
        """Bytes in files that are not sealed yet."""
        return sum(stream.size for stream in self._streams.values() if stream.is_open)

    @property
    def is_refused(self) -> bool:
        """Whether the last commit was refused by the disk."""
        return self._refused_until != 0

    def commit(self, batch: Batch, now_us: int) -> bool:
        """Make a batch durable; False where the disk refused, and the records are lost."""
        if now_us < self._refused_until <= now_us + RETRY_US:
            return False
        for _ in range(2):
            try:
                stream = self._stream(batch.day, now_us)
                stream.append(batch.buffer, batch.count, self.written, batch.rules, now_us)
            except OSError:
                self.errors += 1
                continue
            self.written += batch.count
            self._refused_until = 0
            return True
        self._refused_until = now_us + RETRY_US
        return False

    def roll(self, now_us: int) -> None:
        """Seal what is due: by age, by size, or because its day is over and no connection of it can be open any more.

        A refused name is tried again at each roll.
        """
        for day, stream in list(self._streams.items()):
            over = (
                now_us >= (day + 1) * MICROSECONDS_A_DAY + self._settle_us
                or now_us < day * MICROSECONDS_A_DAY
            )
            due = stream.is_open and (
                now_us - stream.opened_us >= self._seal_us
                or now_us < stream.opened_us
                or stream.size >= ROLL_BYTES
            )
            with contextlib.suppress(OSError):
                if due or over:
                    stream.seal()
                else:
                    stream.name_closed()
                if over:
                    del self._streams[day]

    def close(self) -> None:
        """Seal everything (a clean stop). Raises OSError where the disk refuses; recovery then does it."""
        for stream in self._streams.values():
            stream.seal()
        self._streams.clear()

    def _stream(self, day: int, now_us: int) -> Stream:
        stream = self._streams.get(day)
        if stream is None:
            # Two streams may begin in one microsecond only if one clock reading served both.
            self._last_start = max(now_us, self._last_start + 1)
            name = stream_name(self._sensor, self._worker, self._last_start)
            stream = self._streams[day] = Stream(self._root, name, day, sync=self._sync)
        return stream
