"""Puts changed operation files in force while machines are answered: audit log first, then effect, in two steps (loader.py).

What is refused leaves what is in force, and says so in the log, in the audit log, in /readyz and in a metric. What the machine
refuses (a full disk) is tried again every second: an order that was ended must not outlive the trouble.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from collector.ground import logs
from collector.ground.counters import CELL, Board
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.orders.rules import Rules
from collector.service import loader
from collector.service.aside import Aside, Report
from collector.service.notary import Notary
from collector.service.settings import Settings

AGAIN_SECONDS = 1.0
LOOK_SECONDS = 0.05
"""How often a load that is going on is asked."""
IDLE_SECONDS = 1.0


class Reload:
    """The supervisor's loads. `tell_all` makes every process read `rules/current`."""

    def __init__(
        self, settings: Settings, notary: Notary, board: Board, tell_all: Callable[[], None], log: Any
    ) -> None:
        self._settings = settings
        self._notary = notary
        self._board = board
        self._tell_all = tell_all
        self._log = log
        self._rules_dir = settings.data_dir / "rules"
        self._loading: Aside | None = None
        self._said_all = False
        self._again = False
        self._due: float | None = None

    @property
    def wait_seconds(self) -> float:
        """How long nothing needs to be done here, at most."""
        return LOOK_SECONDS if self._loading else IDLE_SECONDS

    def first(self) -> None:
        """At a start: a collector does not start on files that it cannot understand. Raises ConfigurationError, OSError."""
        reports = self._start().wait()
        whole = reports[-1] if reports else {}
        if "problems" in whole:
            raise ConfigurationError([Problem(**problem) for problem in whole["problems"]])
        if whole.get("step") != "schedules":
            raise ConfigurationError([loader.KILLED])
        self._put_in_force(whole)

    def begin(self) -> None:
        """SIGHUP came. While a load is going on, another one follows it."""
        self._due = None
        if self._loading is not None:
            self._again = True
            return
        try:
            self._loading, self._said_all = self._start(), False
        except OSError as error:  # no process to be had: what was in force stays meanwhile
            self._log.error("reload_not_begun", errno=error.errno)
            self._due = time.monotonic() + AGAIN_SECONDS
            return
        self._log.info("reload_begun")

    def go_on(self) -> None:
        """Act on what a load has reported, begin one that is due; called at least every `wait_seconds`."""
        if self._due is not None and time.monotonic() >= self._due:
            self.begin()
        if self._loading is None:
            return
        for report in self._loading.reports():
            self._said_all = report.get("step") != "orders"
            if "problems" in report:
                self._refuse(report)
            elif not self._adopt(report):
                self._said_all = True  # it is due again already
                break
        if self._loading.ended:
            self._loading = None
            if not self._said_all:  # killed, as a machine does that is short of memory
                self._refuse({"problems": [dataclasses.asdict(loader.KILLED)], "again": True})
            if self._again:
                self._again = False
                self.begin()

    def abandon(self) -> None:
        """The collector stops: a load that is going on ends unheard, and the next start reads the files."""
        if self._loading is not None:
            self._loading.kill()
            self._loading = None

    def _start(self) -> Aside:
        return loader.start(self._settings.operation_files(), self._settings.data_dir)

    def _refuse(self, report: Report) -> None:
        for problem in report["problems"]:
            self._log.error("operations_refused_old_ones_stay", **problem)
        self._show_refused(True)
        try:
            self._notary.refused(len(report["problems"]))
        except (OSError, CorruptError) as error:
            self._log.error("refusal_not_in_audit_log", place=logs.place(error))
        if report["again"]:
            self._due = time.monotonic() + AGAIN_SECONDS

    def _adopt(self, report: Report) -> bool:
        """Put a step's rules in force everywhere, where they are not; whether that could be entered and done."""
        try:
            if report["rules"] != loader.current(self._rules_dir) or self._notary.has_news(
                report["operations"]
            ):
                self._put_in_force(report)
                self._tell_all()
        except Exception as error:  # whatever it is: the old rules stay, and machines are answered
            self._log.error("orders_not_put_in_force_old_ones_stay", place=logs.place(error))
            self._due = time.monotonic() + AGAIN_SECONDS
            return False
        if report["step"] == "schedules":
            self._log.info("reload_done", rules=report["rules"][:12])
            self._show_refused(False)
        return True

    def _put_in_force(self, report: Report) -> None:
        digest = report["rules"]
        rules = Rules.load(self._rules_dir, digest)
        self._notary.put_in_force(report["operations"], digest, len(rules.order_ids))
        loader.adopt(self._rules_dir, digest)
        self._log.info("orders_loaded", rules=digest[:12], orders=len(rules.order_ids), step=report["step"])
        rules.close()

    def _show_refused(self, refused: bool) -> None:
        self._board.retired.counts[CELL["reload_refused"]] = refused
        self._board.retired.publish()
