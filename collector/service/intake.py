"""The life of an intake process, from fork to exit."""

import asyncio
import gc
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

from collector.ground import cage, files, logs, process
from collector.ground.counters import CELL, Board
from collector.intake.sockets import Listener
from collector.intake.worker import SETTLE_SECONDS, Worker
from collector.journal.writer import Journal
from collector.service.settings import Settings


def run(number: int, settings: Settings, listeners: list[Listener], board: Board) -> int:
    """Take check-ins until SIGTERM; the exit code."""
    process.follow_parent(signal.SIGTERM)
    log = logs.get(f"intake-{number}")
    for bar in _enter_cage(settings, listeners, log):
        board.workers[number].counts[CELL[f"cage_without_{bar}"]] = 1
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_exception_handler(logs.report_from_loop)
    intake = settings.intake
    journal = Journal(
        settings.data_dir / "journal",
        settings.sensor,
        number,
        sync=intake.durability == "sync",
        seal_us=int(settings.segments.seal_seconds * 1e6),
        settle_us=int((intake.head_deadline_seconds + SETTLE_SECONDS) * 1e6),
    )
    worker = Worker(
        loop,
        listeners,
        settings.data_dir,
        journal,
        intake,
        settings.default_answer,
        board.workers[number],
        board.notices[number],
        board.unexpected[number],
        log,
    )
    # Nothing that a check-in makes refers to itself; collecting rarely keeps the collector off the hot path.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, worker.reload)
    loop.add_signal_handler(signal.SIGUSR1, worker.believe_clock)
    process.take_signals()

    async def live() -> None:
        await stopping.wait()
        await worker.stop()

    return _run(loop, live, log)


def _enter_cage(settings: Settings, listeners: list[Listener], log: Any) -> list[str]:
    """Before the loop and the first thread: a worker writes journals, reads rules, and reaches nothing else. What is missing.

    The supervisor's lock stays open, and locked, until the last of us is gone.
    """
    journal = settings.data_dir / "journal"
    files.make_directory(journal)
    cage.close_strangers(
        {listener.sock.fileno() for listener in listeners}, open_files={settings.data_dir / "lock"}
    )
    missing = cage.enter(read=[settings.data_dir / "rules"], write=[journal])
    if missing:
        log.warning("cage_incomplete", missing=missing)
    return missing


def _run(loop: asyncio.AbstractEventLoop, live: Callable[[], Coroutine[Any, Any, None]], log: Any) -> int:
    try:
        loop.run_until_complete(live())
    except OSError as error:
        log.error("journal_not_sealed", place=logs.place(error))  # noqa: TRY400 - an exception's text could hold input
        return 1
    finally:
        sys.stderr.flush()
    return 0
