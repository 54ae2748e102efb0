"""One intake process: its sockets, its loop, its journal streams.

It reads the rules that `rules/current` names, again on SIGHUP (`reload`), and ends on SIGTERM (`stop`): what the
kernel has queued
is taken, unfinished connections get until their deadline, every record is committed, the journal is sealed.
"""

import asyncio
import contextlib
import os
import resource
import time
from pathlib import Path
from typing import Any

from collector.ground.clock import ClockWatch
from collector.ground.codes import Transport
from collector.ground.counters import CELL, Page
from collector.ground.logs import place
from collector.ground.unexpected import Unexpected
from collector.intake.accept import Acceptor
from collector.intake.commit import Committer
from collector.intake.datagrams import Datagrams
from collector.intake.desk import Desk
from collector.intake.farewell import Farewell
from collector.intake.networks import membership
from collector.intake.settings import IntakeSettings
from collector.intake.sockets import Listener
from collector.intake.unfinished import Unfinished
from collector.journal.writer import Journal
from collector.orders.rules import Rules

TICK_SECONDS = 1.0
CONNECTIONS_MAX = 50_000
DESCRIPTORS_KEPT = 256
"""Descriptors that are not connections: listeners, journals, the loop's own."""
SETTLE_SECONDS = 5
"""Beyond the head deadline, how long after midnight the old day's stream stays open for stragglers."""


def connections_allowed(settings: IntakeSettings) -> int:
    """The cap on unfinished connections: half of the descriptors, the other half serving those that say farewell."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = max(16, min(CONNECTIONS_MAX, (hard - DESCRIPTORS_KEPT) // 2))
    return min(most, settings.connections_max) if settings.connections_max else most


class Worker:
    """Wires the room's parts together for one process."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listeners: list[Listener],
        data_dir: Path,
        journal: Journal,
        settings: IntakeSettings,
        default_answer: bytes,
        page: Page,
        served: memoryview,
        unexpected: Unexpected,
        log: Any,
    ) -> None:
        self._loop = loop
        self._rules_dir = data_dir / "rules"
        self._page = page
        self._log = log
        self._seconds = float(settings.head_deadline_seconds)
        rules = self._read_rules()
        self._farewell = Farewell(loop)
        interval = settings.commit_interval_ms / 1000 if settings.durability == "sync" else None
        self._committer = Committer(
            loop, journal, page, self._farewell, rules.digest, interval, self._publish
        )
        self._clock = ClockWatch(require_sync=settings.require_clock_sync)
        if self._clock.kernel_silent:
            log.warning("clock_state_refused")
        self._desk = Desk(
            rules,
            default_answer,
            self._clock,
            self._committer,
            page,
            served,
            unexpected,
            membership(settings.ignore_from),
            membership(settings.proxy_protocol_from),
        )
        self._unfinished = Unfinished(loop, self._desk, settings, connections_allowed(settings), self._after)
        self._takers: list[Acceptor | Datagrams] = [
            Acceptor(loop, listener, self._desk, self._unfinished, self._after)
            if listener.transport is Transport.TCP
            else Datagrams(loop, listener, self._desk, self._after)
            for listener in listeners
        ]
        self._due = loop.time() + TICK_SECONDS
        self._show_rules(rules)
        page.counts[CELL["pid"]] = os.getpid()
        self._tick()

    def reload(self) -> None:
        """Adopt the rules that `rules/current` names now; on any trouble the old ones stay in force, loudly."""
        try:
            rules = self._read_rules()
        except Exception as error:
            self._log.error("rules_not_adopted", place=place(error))
            return
        before = self._desk.rules
        self._desk.adopt(rules)
        self._show_rules(rules)
        self._committer.flush(time.monotonic())
        self._page.publish()
        # Between two turns of the loop nothing asks the old ones: what waits holds records and answers, which are bytes. They
        # refer to themselves, so without this their two descriptors and mappings would stay until a rare collection.
        before.close()

    def believe_clock(self) -> None:
        """An officer vouches for the clock: recording resumes."""
        self._clock.believe()
        self._desk.look_at_clock()
        self._page.publish()

    async def stop(self) -> None:
        """A clean stop. Raises OSError where the journal cannot be sealed; the next start recovers it."""
        for taker in self._takers:
            taker.stop()
        self._count_dropped()
        until = self._loop.time() + self._seconds
        while len(self._unfinished) and self._loop.time() < until:  # noqa: ASYNC110 - a stop may look now and then
            await asyncio.sleep(0.02)
        self._unfinished.end_all()
        try:
            await self._committer.drain()
        finally:
            self._publish()
            await asyncio.sleep(0.05)  # the last answers' clients get a moment to read and close
            self._farewell.close_all()

    def _read_rules(self) -> Rules:
        digest = (self._rules_dir / "current").read_text().strip()
        return Rules.load(self._rules_dir, digest)

    def _show_rules(self, rules: Rules) -> None:
        self._page.counts[CELL["rules"]] = int(rules.digest[:12], 16)

    def _after(self, began: float) -> None:
        """End a turn of the loop in which check-ins moved on."""
        self._committer.flush(began)
        self._publish()

    def _publish(self) -> None:
        self._page.counts[CELL["open"]] = len(self._unfinished) + self._committer.open
        self._page.publish()

    def _count_dropped(self) -> None:
        self._page.counts[CELL["kernel_dropped_udp"]] = sum(
            taker.dropped for taker in self._takers if isinstance(taker, Datagrams)
        )

    def _tick(self) -> None:
        counts = self._page.counts
        late = self._loop.time() - self._due
        counts[CELL["loop_lag_us"]] = max(0, int(late * 1e6))
        counts[CELL["alive_us"]] = (
            time.monotonic_ns() // 1000
        )  # a stepped wall clock must not make a worker look dead
        self._count_dropped()
        with contextlib.suppress(OSError):
            self._clock.ask_kernel()
        self._desk.look_at_clock()
        self._committer.tick()
        self._publish()
        self._due = self._loop.time() + TICK_SECONDS
        self._loop.call_at(self._due, self._tick)
