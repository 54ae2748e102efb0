"""The settings' part of an export: with what, for whom, and which days are owed.

An annex gives rows only once its file has been put in force: a file that was edited and not loaded is refused, as is
everything that the audit log has not heard of. Whoever runs it (the clerk's child, an operator) publishes as the machine:
the entry `exported` is the act.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collector.audit.key import read_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.exports.agreement import agreement_problems
from collector.exports.day import ExportError, Means, Outcome, export_day
from collector.exports.enrich import enrichment
from collector.exports.kinds import Entitlement
from collector.exports.partners import entitlements, read_partners
from collector.exports.rotation import check_in_force
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
    check_in_force(settings.data_dir, settings.signing_key)
    with enrichment(*settings.databases) as found:
        means = Means(
            data_dir=settings.data_dir,
            sensors=expected_sensors(settings),
            key=read_key(settings.signing_key),
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


def is_published_from(day: date) -> datetime:
    """The moment from which a day is published, complete or not."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1) + LATEST


def is_complete(settings: Settings, day: date) -> bool:
    """Whether every expected sensor has sealed the day."""
    return all(is_sealed(settings.data_dir, sensor, day) for sensor in expected_sensors(settings))


def owed_days(settings: Settings, now: datetime) -> list[date]:
    """The days that may be published now: over, recent, and complete or past their latest hour."""
    today = now.date()
    recent = [day for day in days(settings.data_dir) if today - timedelta(days=DAYS_BACK) <= day < today]
    return [day for day in recent if is_complete(settings, day) or now >= is_published_from(day)]


class Exporter:
    """Exports of days with the same means."""

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
        """Publish what is owed of a day. Raises ExportError, CorruptError, EngineError, OSError."""
        moment = now_us()
        now = datetime.fromtimestamp(moment / 1e6, UTC)
        unfinished = self._settings.export.unfinished_days
        if day >= now.date() and not unfinished:
            raise ExportError(
                f"export {day}: the day is not over; it ends at 24:00 UTC\n    remedy:   export it tomorrow"
            )
        allowed = incomplete or unfinished or now >= is_published_from(day)
        return export_day(
            self._means,
            self._log,
            self.granted,
            day,
            now_us=moment,
            partner=partner,
            incomplete=allowed,
            progress=progress,
        )


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
