"""The clerk: the one process that writes Parquet, signs the audit log and answers the operator."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import uvloop

from collector.audit.access import close_orphans
from collector.audit.key import checkpoint_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, LogReader, read_entries
from collector.coverage.book import Book
from collector.coverage.registries import due
from collector.custody import purge
from collector.ground import logs, process
from collector.ground.clock import now_us
from collector.ground.counters import CELL, Board
from collector.ground.errors import ConfigurationError, CorruptError
from collector.intake.sockets import connections_dropped
from collector.journal.format import MICROSECONDS_A_DAY
from collector.manage.app import application
from collector.manage.circumstances import Circumstances, OrderClock, Snapshot
from collector.manage.deliveries import Deliveries
from collector.manage.exposition import Exposition
from collector.manage.processes import ALIVE_US, Processes
from collector.manage.pull_counts import PullCounts
from collector.manage.reach import Reach
from collector.manage.settings import is_loopback
from collector.manage.status.look import Look
from collector.manage.text_format import encode
from collector.orders.docket import read_operations
from collector.orders.rules import Rules
from collector.service import loader
from collector.service.daily import DailyExport
from collector.service.exporting import expire_copies
from collector.service.manage_address import token_of
from collector.service.managing import Managing
from collector.service.notices import NoticeCounts, notice_name
from collector.service.outlook import Known, Outlook
from collector.service.pulling import Pulling
from collector.service.sealer import Sealer
from collector.service.settings import Settings

LOOK_SECONDS = 0.5
"""How often the clerk looks for sealed journals."""
ORPHANS_US = 30_000_000
"""How often the clerk looks for readings whose process is gone."""
DUE_US = 60_000_000
"""How often the clerk counts the domains that are due, beside reloads."""
TICK_SECONDS = 1.0
MB = 1_000_000


class Clerk:
    """What the clerk knows: rules in force, workers alive, work left."""

    def __init__(self, settings: Settings, board: Board, installed_us: int, log: Any) -> None:
        self._settings = settings
        self._board = board
        self._log = log
        self.rules = self._read_rules()
        self._audit_dir = settings.data_dir / "audit"
        self._audit = AuditLog(self._audit_dir, checkpoint_key(settings.signing_key, settings.sensor))
        self._ledger = Ledger()
        self._reader = LogReader(self._audit_dir)
        self._signed_us = 0
        self._orphans_us = 0
        self.deliveries = Deliveries(board.rows_withheld)
        self._look_at_log(now_us())
        entered = {
            notice_name(entry.facts["operation"], entry.facts["answer"]): entry.facts["until"]
            for entry in read_entries(self._audit_dir)
            if entry.event == "notice_served"
        }
        run = str(self._ledger.runs[-1].started.number)
        self._notices = NoticeCounts(settings.data_dir / "notices.json", board, run, entered)
        self._day = now_us() // MICROSECONDS_A_DAY
        self._purged_day = -1
        deadline_us = int(settings.intake.head_deadline_seconds * 1e6)
        self.daily = DailyExport(settings, self.deliveries, log)
        self.sealer = Sealer(settings.data_dir, settings.sensor, installed_us, deadline_us, board, log)
        self._outlook = Outlook(settings, board, installed_us, log)
        self.reach = Reach()
        self._book = Book(settings.data_dir, board, log)
        self._due: dict[tuple[str, str], int] = {}
        self._due_from: tuple[str, int] = ("", 0)

    def _read_rules(self) -> Rules:
        directory = self._settings.data_dir / "rules"
        return Rules.load(directory, loader.current(directory))

    def reload(self) -> None:
        """Show the rules that are in force now."""
        self.rules = self._read_rules()
        self._outlook.reload()

    def work(self, *, stopping: bool = False) -> int:
        """One round; how many journals are left. Neither a disk that refuses nor a fault of ours in one section takes the
        others along, or the management plane.
        """
        now = now_us()
        left = 1
        with self.section("sealing"):
            try:
                left = self.sealer.work(now, stopping=stopping)
            except OSError as error:
                self._log.error("sealing_interrupted", place=logs.place(error), errno=error.errno)
        with self.section("notices"), self._audit_section():
            self._keep_notices(now, stopping=stopping)
        with self.section("retention"), self._audit_section():
            self._keep_retention(now)
        with self.section("audit"), self._audit_section():
            self._keep_log(now)
        with self.section("unexpected"):
            try:
                self._book.note(self.rules, now, stopping=stopping)
            except OSError as error:
                self._log.error("unexpected_counts_interrupted", place=logs.place(error), errno=error.errno)
        with self.section("registries"):
            self._keep_registries(now)
        with self.section("export"):
            try:
                if stopping:
                    self.daily.stop()
                else:
                    self.daily.look(datetime.fromtimestamp(now / 1e6, UTC))
            except OSError as error:
                self._log.error("export_not_started", place=logs.place(error), errno=error.errno)
        with self.section("outlook"):
            try:
                self._outlook.work(now, self._ledger, stopping=stopping)
            except OSError as error:
                self._log.error("outlook_interrupted", place=logs.place(error), errno=error.errno)
        return left

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Log a fault, whatever it is, and go on."""
        try:
            yield
        except Exception as error:  # told by type and place alone: its text may quote what came
            self._log.error("section_failed", section=name, place=logs.place(error))

    @contextmanager
    def _audit_section(self) -> Iterator[None]:
        try:
            yield
        except (OSError, CorruptError) as error:
            self._log.error("audit_interrupted", place=logs.place(error))

    def _keep_registries(self, now: int) -> None:
        """Which registry was last reached when, and how many of its domains are due."""
        rules = self.rules
        since = (rules.digest, now // DUE_US)
        if since != self._due_from:
            self._due, self._due_from = due(rules, now), since
        self.reach.show(self._due, self.sealer.registries.last_reached)

    def _keep_notices(self, now: int, *, stopping: bool) -> None:
        """Count them, and enter them once a day."""
        self._notices.adopt(self.rules, now, self._audit)
        self._notices.note(now)
        day = now // MICROSECONDS_A_DAY
        if stopping or day != self._day:
            self._notices.enter(now, self._audit)
            self._day = day

    def _keep_retention(self, now: int) -> None:
        """Once a day and once at a start."""
        day = now // MICROSECONDS_A_DAY
        if day != self._purged_day:
            self._purge(now)
            self._purged_day = day

    def _keep_log(self, now: int) -> None:
        """Readings ended, the log signed and known."""
        if now - self._orphans_us >= ORPHANS_US:
            self._orphans_us = now
            close_orphans(self._settings.data_dir, self._audit, self._ledger.open_sessions)
        self._look_at_log(now)

    def _purge(self, now: int) -> None:
        """Delete what was kept for long enough, here and of the partners' copies."""
        try:
            operations = read_operations(self._settings.operation_files())
        except ConfigurationError as error:
            self._log.error("nothing_purged_operations_unreadable", problems=len(error.problems))
            return
        made = purge.daily(self._settings.data_dir, self._audit, operations, now)
        if made.deleted or made.rules or made.finished:
            self._log.info(
                "purged", files=len(made.deleted), rules=len(made.rules), finished=len(made.finished)
            )
        copies = expire_copies(self._settings, self._audit)
        if copies.deleted or copies.finished:
            self._log.info("partner_copies_deleted", files=len(copies.deleted), finished=len(copies.finished))
        for place in copies.kept_back:
            self._log.warning("partner_copy_kept_back", place=place)

    def _look_at_log(self, now: int) -> None:
        """Sign what is not signed yet, and know what the entries say. A disk that refuses the one does not hinder the other."""
        try:
            self._audit.sign()
            self._signed_us = now
        except OSError as error:
            self._log.error("audit_interrupted", place=logs.place(error))
        entries = list(self._reader.new())
        for entry in entries:
            self._ledger.take(entry)
        begun = self._ledger.runs[-1].started.number
        for entry in entries:
            if entry.event == "exported":
                facts = entry.facts
                self.deliveries.entered(
                    facts["partner"],
                    facts["sequence"],
                    facts["rows"],
                    entry.time_us / 1e6,
                    this_run=entry.number > begun,
                )

    def _order_clocks(self) -> list[OrderClock]:
        return [
            OrderClock(
                order.id,
                order.active,
                order.ends_us / 1e6,
                None
                if order.return_due_us is None or order.id in self._ledger.delivered
                else order.return_due_us / 1e6,
            )
            for order in self.rules.orders_in_force(now_us())
        ]

    def snapshot(self, tokens: Mapping[str, float]) -> Snapshot:
        """For a scrape; `tokens` as in Snapshot."""
        clocks = self._order_clocks()
        free = os.statvfs(self._settings.data_dir)
        injunctions = [
            (operation, expires_us / 1e6)
            for operation, expires_us in self.rules.injunctions
            if expires_us is not None
        ]
        return Snapshot(
            clocks,
            injunctions,
            now_us() / 1e6,
            free.f_bavail * free.f_frsize,
            self._settings.intake.disk_reserve_mb * MB,
            not self._why_not_recording(clocks),
            self._signed_us / 1e6,
            tokens,
        )

    def look(self, pulled: Mapping[str, float]) -> Look:
        """For the status page; `pulled` says when each partner last had a file."""
        orders = self.rules.orders_in_force(now_us())
        return self._outlook.look(
            Known(
                self.readiness(),
                orders,
                self._ledger.delivered,
                self.rules.injunctions,
                self._audit.size,
                self._signed_us,
                pulled,
            )
        )

    def readiness(self) -> dict[str, Any]:
        """For `/readyz`: ready while every worker ticks; recording or why not."""
        answering = self._answering()
        counts = self._board.total()
        why = self._why_not_recording(self._order_clocks())
        return {
            "ready": answering > 0,
            "workers": {"expected": len(self._board.workers), "answering": answering},
            "recording": not why,
            "not_recording_because": why,
            "changed_files_refused": bool(counts[CELL["reload_refused"]]),
        }

    def _answering(self) -> int:
        """How many workers tick."""
        steady = time.monotonic_ns() // 1000
        return sum(steady - page.read()[CELL["alive_us"]] < ALIVE_US for page in self._board.workers)

    def _why_not_recording(self, clocks: list[OrderClock]) -> list[str]:
        counts = self._board.total()
        reasons = [] if self._answering() else ["no worker answers"]
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
    counts = PullCounts(board.pull_requests)
    pulling = Pulling(settings, counts, log)
    clerk.deliveries.partners = pulling.partners
    stopping = asyncio.Event()

    def reload() -> None:
        clerk.reload()
        pulling.reload()
        clerk.deliveries.partners = pulling.partners

    def tick(due: float) -> None:
        board.clerk.counts[CELL["loop_lag_us"]] = max(0, int((loop.time() - due) * 1e6))
        again = loop.time() + TICK_SECONDS
        loop.call_at(again, tick, again)

    tick(loop.time())
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    process.take_signals()
    exposition, processes = Exposition(board), Processes(board, lambda: clerk.daily.pid)
    collectors = (
        Circumstances(lambda: clerk.snapshot(pulling.expiries())),
        clerk.deliveries,
        clerk.reach,
        counts,
    )

    def metrics() -> str:
        families = (family for one in collectors for family in one.collect())
        return exposition.text() + processes.text() + encode(families)

    managing = Managing(
        application(
            metrics,
            clerk.readiness,
            lambda: clerk.look(counts.last_pulled),
            token_of(settings),
            local=is_loopback(settings.manage.listen) and not settings.manage.open,
        ),
        settings.manage.listen,
        log,
    )
    await managing.look()
    board.clerk.counts[CELL["pid"]] = os.getpid()
    board.clerk.publish()
    while not stopping.is_set():
        began = time.monotonic()
        board.clerk.counts[CELL["kernel_dropped_tcp"]] = connections_dropped() - connections_before
        await managing.look()
        with clerk.section("pull"):
            await pulling.look()
        await asyncio.to_thread(clerk.work)
        board.clerk.publish()
        spent = time.monotonic() - began
        try:
            await asyncio.wait_for(stopping.wait(), max(LOOK_SECONDS, spent))
        except TimeoutError:
            continue
    await pulling.stop()
    left = await asyncio.to_thread(clerk.work, stopping=True)
    board.clerk.publish()
    await managing.stop()
    return 1 if left else 0
