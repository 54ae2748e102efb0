"""The clerk: the one process that writes Parquet and answers the operator."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from collector.ground import logs, process
from collector.ground.clock import now_us
from collector.ground.counters import CELL, Board
from collector.intake.sockets import connections_dropped
from collector.manage.app import application
from collector.manage.exposition import OrderClock, Snapshot, registry
from collector.manage.settings import is_loopback, split_address
from collector.orders.rules import Rules
from collector.service.loader import CURRENT
from collector.service.sealer import Sealer
from collector.service.settings import Settings

LOOK_SECONDS = 0.5
"""How often the clerk looks for sealed journals."""
ALIVE_US = 5_000_000
"""A worker that has not ticked for this long does not count as answering."""


class Clerk:
    """What the clerk knows: rules in force, workers alive, work left."""

    def __init__(self, settings: Settings, board: Board, installed_us: int, log: Any) -> None:
        self._settings = settings
        self._board = board
        self._log = log
        self.rules = self._read_rules()
        deadline_us = int(settings.intake.head_deadline_seconds * 1e6)
        self.sealer = Sealer(settings.data_dir, settings.sensor, installed_us, deadline_us, board, log)

    def _read_rules(self) -> Rules:
        directory = self._settings.data_dir / "rules"
        return Rules.load(directory, (directory / CURRENT).read_text().strip())

    def reload(self) -> None:
        """Show the rules that are in force now."""
        self.rules = self._read_rules()

    def work(self) -> int:
        """The sealer's round; how many journals are left. A disk that refuses must not take the management plane along."""
        try:
            return self.sealer.work(now_us())
        except OSError as error:
            self._log.error("sealing_interrupted", place=logs.place(error), errno=error.errno)
            return 1

    def snapshot(self) -> Snapshot:
        """For a scrape."""
        clocks = [
            OrderClock(order.id, order.active, order.ends_us / 1e6)
            for order in self.rules.orders_in_force(now_us())
        ]
        free = os.statvfs(self._settings.data_dir)
        return Snapshot(clocks, free.f_bavail * free.f_frsize, not self._why_not_recording(clocks))

    def readiness(self) -> dict[str, Any]:
        """For `/readyz`: ready while every worker ticks; recording or why not."""
        now = now_us()
        pages = [page.read() for page in self._board.workers]
        steady = time.monotonic_ns() // 1000
        answering = sum(steady - page[CELL["alive_us"]] < ALIVE_US for page in pages)
        clocks = [
            OrderClock(order.id, order.active, order.ends_us / 1e6)
            for order in self.rules.orders_in_force(now)
        ]
        why = self._why_not_recording(clocks)
        return {
            "ready": answering > 0,
            "workers": {"expected": len(pages), "answering": answering},
            "recording": not why,
            "not_recording_because": why,
        }

    def _why_not_recording(self, clocks: list[OrderClock]) -> list[str]:
        counts = self._board.total()
        reasons = []
        if not any(clock.active for clock in clocks):
            reasons.append("no order in force")
        if counts[CELL["clock_unsure"]]:
            reasons.append("clock unsure")
        if counts[CELL["disk_refused"]]:
            reasons.append("disk refuses")
        return reasons


def run(settings: Settings, board: Board, installed_us: int, connections_before: int) -> int:
    """Seal and serve until SIGTERM, then convert what the workers left; the exit code.

    `connections_before` is the kernel's count of dropped connections when the collector started.
    """
    process.follow_parent(signal.SIGTERM)
    log = logs.get("clerk")
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(logs.report_from_loop)
    return loop.run_until_complete(_live(loop, settings, board, installed_us, connections_before, log))


async def _live(
    loop: asyncio.AbstractEventLoop,
    settings: Settings,
    board: Board,
    installed_us: int,
    connections_before: int,
    log: Any,
) -> int:
    clerk = Clerk(settings, board, installed_us, log)
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, clerk.reload)
    process.take_signals()
    manage = settings.manage
    guarded = manage.token_file and not is_loopback(manage.listen)
    token = (settings.file.parent / Path(manage.token_file)).read_text().strip() if guarded else ""
    runner = web.AppRunner(
        application(registry(board, clerk.snapshot), clerk.readiness, token),
        access_log=None,
        handle_signals=False,
    )
    await runner.setup()
    host, port = split_address(manage.listen)
    await web.TCPSite(runner, host, port, reuse_address=True).start()
    board.clerk.counts[CELL["pid"]] = os.getpid()
    board.clerk.publish()
    while not stopping.is_set():
        began = time.monotonic()
        board.clerk.counts[CELL["kernel_dropped_tcp"]] = connections_dropped() - connections_before
        await asyncio.to_thread(clerk.work)
        board.clerk.publish()
        spent = time.monotonic() - began
        try:
            await asyncio.wait_for(stopping.wait(), max(LOOK_SECONDS, spent))
        except TimeoutError:
            continue
    left = await asyncio.to_thread(clerk.work)
    board.clerk.publish()
    await runner.cleanup()
    return 1 if left else 0
