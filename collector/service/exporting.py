"""The settings' part of an export: with what, for whom, and which days are owed.

An annex gives rows only once its file has been put in force: a file that was edited and not loaded is refused, as is
everything that the audit log has not heard of. Whoever runs it (the clerk's child, an operator) publishes as the machine:
the entry `exported` is the act.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.audit.people import MACHINE
from collector.custody.known_orders import known_orders
from collector.exports.agreement import agreement_problems
from collector.exports.day import Outcome, export_day
from collector.exports.enrich import enrichment
from collector.exports.expiry import Expired, expire
from collector.exports.kinds import WITHDRAWALS, Entitlement
from collector.exports.means import ExportError, Means
from collector.exports.partners import entitlements, read_partners
from collector.exports.publication import publications
from collector.exports.rotation import read_key_in_force
from collector.exports.withdrawal import Taken, Wanted, withdraw
from collector.exports.withdrawn import all_withdrawn, to_take_back
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.docket import read_operations
from collector.orders.operation import Operation
from collector.segments.catalogue import days, is_sealed
from collector.service.settings import Settings

LATEST = timedelta(hours=5, minutes=30)
"""After midnight UTC: when a day is published though a sensor is missing (contract: 05:30 at the latest)."""
DAYS_BACK = 7
"""How far back `owed_days` looks: a collector that was down over a holiday catches up by itself; further back by --date."""
MB = 1_000_000


@contextmanager
def exporter(settings: Settings, log: AuditLog) -> Iterator["Exporter"]:
    """Everything that exports of any day need. Raises ConfigurationError, OSError."""
    ledger = Ledger.of(read_entries(settings.data_dir / "audit"))
    granted = granted_now(settings, ledger)
    key = read_key_in_force(settings.data_dir, settings.signing_key)
    with enrichment(*settings.databases) as found:
        means = Means(
            data_dir=settings.data_dir,
            sensors=expected_sensors(settings),
            key=key,
            memory_mb=settings.export.memory_mb,
            temp_max_gb=settings.export.temp_max_gb,
            reserve_bytes=settings.intake.disk_reserve_mb * MB,
            enrichment=found,
        )
        yield Exporter(settings, log, means, granted)


def expected_sensors(settings: Settings) -> tuple[str, ...]:
    """The sensors that must have sealed a day."""
    return tuple(settings.export.sensors) or (settings.sensor,)


def granted_now(settings: Settings, ledger: Ledger) -> list[Entitlement]:
    """What annexes that are in force and partners.toml give. Raises ConfigurationError."""
    operations = read_operations(settings.operation_files())
    problems = [problem for one in operations if (problem := _not_loaded(one, ledger)) is not None]
    partners = read_partners(settings.partners_file, problems)
    if not problems:
        problems = agreement_problems(
            partners, operations, settings.export.geo_db, str(settings.partners_file)
        )
    if problems:
        raise ConfigurationError(problems)
    return entitlements(partners, operations)


def expire_copies(
    settings: Settings,
    log: AuditLog,
    *,
    order: str = "",
    actor: str = MACHINE,
    reason: str = "",
    dry_run: bool = False,
) -> Expired:
    """Delete partners' copies whose time is over. Raises OSError.

    Where the configuration cannot be read or does not agree, each manifest's own word counts: it promised no longer.
    """
    try:
        granted = granted_now(settings, Ledger.of(read_entries(settings.data_dir / "audit")))
    except ConfigurationError:
        granted = []
    return expire(
        log,
        settings.data_dir,
        granted,
        now_us(),
        order=order,
        actor=actor,
        reason=reason,
        dry_run=dry_run,
    )


def is_published_from(day: date) -> datetime:
    """The moment from which a day is published, complete or not."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + LATEST


def is_complete(settings: Settings, day: date) -> bool:
    """Whether every expected sensor has sealed the day."""
    return all(is_sealed(settings.data_dir, sensor, day) for sensor in expected_sensors(settings))


def owed_days(settings: Settings, now: datetime) -> list[date]:
    """The days that may be published now: over, recent, and complete or past their latest hour; and those with rows to take
    back, however long ago.
    """
    today = now.date()
    there = days(settings.data_dir)
    recent = [day for day in there if today - timedelta(days=DAYS_BACK) <= day < today]
    may = {day for day in recent if is_complete(settings, day) or now >= is_published_from(day)}
    return sorted(may | (_not_taken_back(settings) & set(there)))


def _not_taken_back(settings: Settings) -> set[date]:
    """The days of which a withdrawal was entered, and a partner that was given some of its rows is not told yet."""
    known = all_withdrawn(Ledger.of(read_entries(settings.data_dir / "audit")))
    found = set()
    for partner in sorted({partner for one in known for partner, _ in one.given}):
        manifests = [one.manifest for one in publications(settings.data_dir, partner)]
        for order in {one.order for one in known}:
            found |= {one.day for one in to_take_back(known, partner, order, manifests)}
    return found


class Exporter:
    """Exports of days with the same means, but for the key: an officer may replace it between two days."""

    def __init__(self, settings: Settings, log: AuditLog, means: Means, granted: list[Entitlement]) -> None:
        self._settings, self._log, self._means = settings, log, means
        self.granted = granted

    def export(
        self,
        day: date,
        partner: str = "",
        *,
        incomplete: bool = False,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> Outcome:
        """Publish what is owed of a day.

        Raises ConfigurationError (the key), ExportError, CorruptError, EngineError, OSError.
        """
        moment = now_us()
        now = datetime.fromtimestamp(moment / 1e6, UTC)
        unfinished = self._settings.export.unfinished_days
        if day >= now.date() and not unfinished:
            raise ExportError(
                f"export {day}: the day is not over; it ends at 24:00 UTC\n    remedy:   export it tomorrow"
            )
        allowed = incomplete or unfinished or now >= is_published_from(day)
        return export_day(
            self._means_now(),
            self._log,
            self.granted,
            day,
            now_us=moment,
            partner=partner,
            incomplete=allowed,
            progress=progress,
        )

    def withdraw(
        self, day: date, wanted: Wanted, *, actor: str, reason: str, dry_run: bool = False
    ) -> tuple[Taken, Outcome | None]:
        """Enter that rows were found wrong, and tell the partners that were given some; also what an earlier withdrawal still
        owes them. Raises ConfigurationError (no such order), ExportError, CorruptError, EngineError, OSError.
        """
        moment = now_us()
        known = known_orders(Ledger.of(read_entries(self._settings.data_dir / "audit")))
        order = known.get(wanted.order)
        if order is None:
            expected = f"one of {', '.join(sorted(known))}" if known else "an order, and none was ever loaded"
            place = str(self._settings.data_dir / "audit")
            raise ConfigurationError([Problem(place, "--order", wanted.order, expected, "correct the name")])
        means = self._means_now()
        taken = withdraw(
            means,
            self._log,
            self.granted,
            day,
            wanted,
            operation=order.operation,
            actor=actor,
            reason=reason,
            now_us=moment,
            dry_run=dry_run,
        )
        if dry_run:
            return taken, None
        outcome = export_day(
            means,
            self._log,
            self.granted,
            day,
            now_us=moment,
            incomplete=True,
            kinds=WITHDRAWALS,
        )
        return taken, outcome

    def _means_now(self) -> Means:
        key = read_key_in_force(self._settings.data_dir, self._settings.signing_key)
        return replace(self._means, key=key)


def _not_loaded(operation: Operation, ledger: Ledger) -> Problem | None:
    entry = ledger.operations.get(operation.name)
    content = Path(operation.file).read_bytes()
    if entry is not None and entry.facts["configuration"] == hashlib.sha256(content).hexdigest():
        return None
    found = "changed since it was loaded" if entry is not None else "never loaded"
    return Problem(
        operation.file,
        "the file",
        found,
        "a file in force: an annex gives nothing before the audit log has it",
        "start pentrap serve, or send it SIGHUP; then export again",
    )
