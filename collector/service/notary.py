"""The collector's own part of the audit log: what it enters when it starts, loads orders and stops.

The supervisor enters without the key: whatever it holds is in the memory of every process that it forks, and those read from
the network. A child of its own makes the key on first start, holds the log against its checkpoint, and signs.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

import collector
from collector.audit import texts
from collector.audit.access import close_orphans
from collector.audit.key import checkpoint_key, make_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.audit.people import People
from collector.ground import files
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.service.aside import Aside, Report
from collector.service.changes import changes
from collector.service.settings import Settings


class Notary:
    """Enters what the supervisor does."""

    def __init__(self, settings: Settings) -> None:
        """Open the log. Raises ConfigurationError (the key), CorruptError (the log), OSError."""
        self._settings = settings
        self._folder = settings.data_dir / "audit"
        files.make_directory(self._folder / texts.FOLDER)
        files.clear_temporaries(
            self._folder / texts.FOLDER
        )  # a return that keeps its list just now is refused, and made again
        verifier = _prepare(settings)
        self._log = AuditLog(self._folder)
        self.actor = People(settings.data_dir).actor()
        ledger = self._ledger()
        release = {"version": collector.__version__, "revision": collector.__revision__}
        who = {"sensor": settings.sensor, **release, "actor": self.actor}
        if ledger.installed is None or ledger.uninstalled is not None:
            self._log.append("installed", now_us(), **who)
        last = ledger.runs[-1] if ledger.runs else None
        self._log.append(
            "started",
            now_us(),
            **who,
            configuration=texts.keep(self._folder, settings.text.encode()),
            overrides={name: os.environ.get(name, "") for name in settings.overrides},
            previous="none" if last is None else "stopped" if last.stopped else "cut off",
            vkey=verifier,
        )

    @property
    def installed_us(self) -> int:
        """When the collector was installed on this data directory."""
        return self._log.installed_us

    def has_news(self, operations: Sequence[dict[str, Any]]) -> bool:
        """Whether the log does not say all of this yet."""
        return any(changes(self._ledger(), operations))

    def put_in_force(self, operations: Sequence[dict[str, Any]], rules: str, orders: int) -> None:
        """Enter what is about to be put in force, and what of it is new; `orders`: how many there are (each court's return
        shows this entry, and another's aliases are not its business). Raises OSError: then it must not be.
        """
        for event, facts in changes(self._ledger(), operations):
            self._log.append(event, now_us(), **facts)
        self._log.append("orders_loaded", now_us(), rules=rules, orders=orders)

    def refused(self, problems: int) -> None:
        """Enter that changed files were refused."""
        self._log.append("configuration_refused", now_us(), problems=problems)

    def stopped(self, facts: dict[str, Any]) -> None:
        """Enter the end of the run, and have it signed."""
        self._log.append("stopped", now_us(), actor=self.actor, **facts)
        Aside(lambda report: report({"vkey": _sign(self._settings)})).wait()

    def _ledger(self) -> Ledger:
        return Ledger.of(read_entries(self._folder))


def _prepare(settings: Settings) -> str:
    """The verifier key, from a child that holds log and checkpoint against each other."""

    def body(report: Callable[[Report], None]) -> None:
        try:
            make_key(settings.signing_key)
            report({"vkey": _sign(settings)})
        except ConfigurationError as error:
            report({"problems": [vars(problem) for problem in error.problems]})
        except CorruptError as error:
            report({"corrupt": error.parts})

    reports = Aside(body).wait()
    report = reports[0] if reports else {}
    if "vkey" in report:
        return str(report["vkey"])
    if "corrupt" in report:
        raise CorruptError(*report["corrupt"])
    problems = [Problem(**problem) for problem in report.get("problems", [])]
    raise ConfigurationError(problems or [_unsigned(settings)])


def _unsigned(settings: Settings) -> Problem:
    place = str(settings.data_dir / "audit")
    return Problem(place, "checkpoint", "it cannot be written", "a signed log", "see disk space and rights")


def _sign(settings: Settings) -> str:
    """Bring the checkpoint up to the entries; the verifier key."""
    key = checkpoint_key(settings.signing_key, settings.sensor)
    log = AuditLog(settings.data_dir / "audit", key)
    close_orphans(settings.data_dir, log)
    log.sign()
    return key.verifier.text
