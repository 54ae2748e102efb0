"""Record first, reply after.

Answers wait in `held` until the records of the same batch are durable. With durability "write" that is one write(2) at the end
of each turn of the loop: a record is in the kernel before its answer leaves, so no process's death can lose it. With "sync" a
thread writes and calls fdatasync, at most once per interval, and all answers that gathered meanwhile leave together:
not even a power cut loses an answered check-in.

A refused commit (disk full, I/O error) still answers, and counts its records as dropped_disk.
"""

import asyncio
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from collector.ground import logs
from collector.ground.clock import now_us
from collector.ground.codes import Fate
from collector.ground.counters import CELL, COMMIT_0, DURABLE_0, FATE_0, Page, bucket_of
from collector.intake.farewell import Farewell
from collector.intake.sockets import RawSocket
from collector.journal.format import MICROSECONDS_A_DAY
from collector.journal.writer import Batch, Journal

EXIT_BROKEN = 70
"""EX_SOFTWARE of sysexits.h: what the supervisor logs of a worker that ended itself."""

Held = tuple[RawSocket, bytes]

_MORE = int(socket.MSG_MORE)
_SHUT_WR = int(socket.SHUT_WR)
_RECORDED = FATE_0 + Fate.RECORDED
_DROPPED_DISK = FATE_0 + Fate.DROPPED_DISK
_COMMIT_SUM = CELL["commit_sum_us"]
_DURABLE_SUM = CELL["durable_sum_us"]
_REFUSED = CELL["disk_refused"]
_ERRORS = CELL["fsync_errors"]
_BYTES = CELL["journal_bytes"]


class _Group(NamedTuple):
    """What one commit makes durable, and who waits for it since when (monotonic seconds)."""

    batches: list[Batch]
    held: list[Held]
    oldest: float


class _Outcome(NamedTuple):
    """What became of a group: (records, durable) for each batch, and the journal's state afterwards."""

    results: list[tuple[int, bool]]
    start: float
    end: float
    errors: int
    refused: bool
    open_bytes: int


class Committer:
    """Owns the journal of this worker. `batch` takes records of [`day_start`, `day_end`); `turn` when one is outside.

    Who was recorded waits in `held`, who was not in `ready`; both lists belong to the turn of the loop that `flush` ends.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        journal: Journal,
        page: Page,
        farewell: Farewell,
        rules: str,
        sync_interval: float | None,
        after_commit: Callable[[], None],
    ) -> None:
        self.held: list[Held] = []
        self.ready: list[Held] = []
        self._loop = loop
        self._journal = journal
        self._page = page
        self._after_commit = after_commit
        self._farewell = farewell
        self._closed: list[Batch] = []
        self._records_in_flight = 0
        self._oldest: float | None = None
        self._interval = sync_interval
        self._next_start = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._in_flight = False
        self._idle = asyncio.Event()
        self._work: queue.SimpleQueue[_Group] = queue.SimpleQueue()
        self._begin(now_us() // MICROSECONDS_A_DAY, rules)
        if sync_interval is not None:
            threading.Thread(target=self._commit_in_thread, name="commit", daemon=True).start()

    def _begin(self, day: int, rules: str) -> None:
        self.batch = Batch(day, rules)
        self.day_start = day * MICROSECONDS_A_DAY
        self.day_end = self.day_start + MICROSECONDS_A_DAY

    @property
    def open(self) -> int:
        """Check-ins that wait for their record to be durable."""
        return self.batch.count + sum(batch.count for batch in self._closed) + self._records_in_flight

    def turn(self, moment_us: int, rules: str | None = None) -> None:
        """Begin a batch for the UTC day of `moment_us`, under `rules` where they have changed."""
        if self.batch.count:
            self._closed.append(self.batch)
        self._begin(moment_us // MICROSECONDS_A_DAY, rules or self.batch.rules)

    def flush(self, began: float) -> None:
        """End a turn of the loop that began at `began` (monotonic seconds): commit now, or see that it happens in time."""
        if self._interval is None:
            if self.batch.count or self._closed:
                self._commit_here(began)
            if self.held or self.ready:
                self.release(self.held + self.ready)
                self.held.clear()
                self.ready.clear()
            return
        if self.ready:
            self.release(self.ready)
            self.ready.clear()
        if self.batch.count or self._closed:
            if self._oldest is None:
                self._oldest = began
            if not self._in_flight and self._timer is None:
                self._start_when_due()

    def tick(self) -> None:
        """Once in a while (every second): seal what is due, even if nothing arrives."""
        if self._interval is None:
            self._journal.roll(now_us())
        elif not self._in_flight:
            self._start()

    async def drain(self) -> None:
        """Commit everything and seal the journal (a clean stop). Raises OSError where sealing is refused."""
        began = time.monotonic()
        while True:
            self.flush(began)
            if self._timer is not None:
                self._timer.cancel()
                self._start()
            if not self._in_flight:
                break
            self._idle.clear()
            await self._idle.wait()
        self._journal.close()

    def release(self, held: list[Held]) -> None:
        """Send the answers, say that nothing follows, and leave the rest to the farewell."""
        gone = []
        for sock, answer in held:
            try:
                if answer:
                    # MSG_MORE lets the answer wait for the FIN that follows: one segment instead of two.
                    sock.send(answer, _MORE)
                sock.shutdown(_SHUT_WR)
            except OSError:
                sock.close()  # the client has gone; its record stands
            else:
                gone.append(sock)
        if gone:
            self._farewell.add(gone)

    def _commit_here(self, began: float) -> None:
        start = time.monotonic()
        batches = [*self._closed, self.batch] if self._closed else [self.batch]
        self._closed = []
        results = [(batch.count, self._journal.commit(batch, now_us())) for batch in batches if batch.count]
        self.batch.count = 0
        self._count(self._outcome(results, start), began)

    def _start_when_due(self) -> None:
        wait = self._next_start - self._loop.time()
        if wait <= 0:
            self._start()
        else:
            self._timer = self._loop.call_later(wait, self._start)

    def _start(self) -> None:
        """Hand everything that waits to the thread."""
        if self._timer is not None:
            self._timer.cancel()  # `tick` may come before it; fired later, it would start a second commit beside ours
            self._timer = None
        batches = [batch for batch in (*self._closed, self.batch) if batch.count]
        group = _Group(batches, self.held, self._oldest if self._oldest is not None else time.monotonic())
        self._closed = []
        self.held = []
        self._oldest = None
        self._records_in_flight = sum(batch.count for batch in batches)
        self._in_flight = True
        self._next_start = self._loop.time() + (self._interval or 0.0)
        self._begin(self.batch.day, self.batch.rules)
        self._work.put(group)

    def _commit_in_thread(self) -> None:
        try:
            self._commit_for_ever()
        except BaseException as error:
            # Without this thread nobody would be answered again, and the loop would tick on: better to die and be replaced.
            logs.get("commit").error("commit_failed", place=logs.place(error))
            os._exit(EXIT_BROKEN)

    def _commit_for_ever(self) -> None:
        while True:
            group = self._work.get()
            # Only what has been published is sealed: a death between sealing and publishing would count records as lost.
            self._journal.roll(now_us())
            start = time.monotonic()
            results = [(batch.count, self._journal.commit(batch, now_us())) for batch in group.batches]
            self._loop.call_soon_threadsafe(self._committed, group, self._outcome(results, start))

    def _outcome(self, results: list[tuple[int, bool]], start: float) -> _Outcome:
        journal = self._journal
        return _Outcome(
            results, start, time.monotonic(), journal.errors, journal.is_refused, journal.open_bytes
        )

    def _committed(self, group: _Group, outcome: _Outcome) -> None:
        self._in_flight = False
        self._records_in_flight = 0
        self._count(outcome, group.oldest)
        self._after_commit()
        self.release(group.held)
        self._idle.set()
        if self.batch.count or self._closed:
            self._start_when_due()

    def _count(self, outcome: _Outcome, oldest: float) -> None:
        counts = self._page.counts
        counts[_REFUSED] = outcome.refused
        counts[_ERRORS] = outcome.errors
        counts[_BYTES] = outcome.open_bytes
        records = 0
        for count, durable in outcome.results:
            records += count
            counts[_RECORDED if durable else _DROPPED_DISK] += count
        if records:
            took = outcome.end - outcome.start
            counts[COMMIT_0 + bucket_of(took)] += 1
            counts[_COMMIT_SUM] += int(took * 1e6)
            waited = outcome.end - oldest
            counts[DURABLE_0 + bucket_of(waited)] += records
            counts[_DURABLE_SUM] += int(waited * 1e6) * records
