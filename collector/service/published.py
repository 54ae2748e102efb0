"""What each partner has of the last days, read off the audit log, the manifests that stand and the annexes in force.

A day is due to a partner when an order whose annex names it covered a part of that day, and the collector was there: by 06:00
UTC of the next day (law.md L-32). Manifests say whether every sensor was in; they never change, so each is read once.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from collector.audit.ledger import Ledger
from collector.audit.log import Entry
from collector.custody.known_orders import KnownOrder, known_orders
from collector.exports import publication
from collector.exports.partners import entitlements, read_partners
from collector.ground import logs
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.manage.status.look import Partner, PartnerDay
from collector.orders.docket import read_operations
from collector.service.settings import Settings

DAYS = 7
"""As far back as the daily export looks for what is owed."""
DUE = timedelta(days=1, hours=6)
"""After a day's begin: when it is complete and published."""
LOOK_US = 15_000_000
DAY_US = 86_400_000_000


class Published:
    """`look` from one thread; `partners` may be asked by any."""

    def __init__(self, settings: Settings, installed_us: int, log: Any) -> None:
        self._settings, self._installed_us, self._log = settings, installed_us, log
        self._granted: dict[str, set[str]] = {}
        """Orders by partner."""
        self._missing_sensors: dict[tuple[str, int], tuple[str, ...]] = {}
        """By partner and sequence."""
        self._days: dict[str, tuple[PartnerDay, ...]] = {}
        self._published: dict[str, list[float]] = {}
        self._looked_us = 0
        self.reload()

    def reload(self) -> None:
        """Who may have what: read anew; mistaken files leave what was known."""
        problems: list[Problem] = []
        try:
            partners = read_partners(self._settings.partners_file, problems)
            operations = read_operations(self._settings.operation_files())
        except (ConfigurationError, OSError):
            return  # the load of the same files tells what is wrong
        if problems:
            return
        granted: dict[str, set[str]] = {partner.name: set() for partner in partners}
        for one in entitlements(partners, operations):
            granted[one.partner].add(one.order)
        self._granted, self._looked_us = granted, 0

    def look(self, now_us: int, ledger: Ledger) -> None:
        """Work out the last days, now and then."""
        if now_us - self._looked_us < LOOK_US:
            return
        self._looked_us = now_us
        last: dict[tuple[str, str], dict[str, Entry]] = {}
        published: dict[str, list[float]] = {}
        for (partner, _), entry in sorted(ledger.exported.items()):
            published.setdefault(partner, []).append(entry.time_us / 1e6)
            if entry.facts["kind"] != "withdrawal":
                last.setdefault((partner, entry.facts["day"]), {})[entry.facts["order"]] = entry
        orders = known_orders(ledger)
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        days = [now.date() - timedelta(days=number) for number in range(DAYS, 0, -1)]
        self._published = published
        self._days = {
            partner: tuple(
                self._day(
                    day,
                    now,
                    [orders[name] for name in names & orders.keys()],
                    last.get((partner, day.isoformat()), {}),
                )
                for day in days
            )
            for partner, names in self._granted.items()
        }

    def partners(self, pulled: Mapping[str, float]) -> tuple[Partner, ...]:
        """By name; `pulled` says when each last had a file of a publication."""
        return tuple(
            Partner(
                partner,
                days,
                max(moments, default=None),
                pulled.get(partner),
                min((moment for moment in moments if moment > pulled.get(partner, 0.0)), default=None),
            )
            for partner, days in sorted(self._days.items())
            for moments in (self._published.get(partner, []),)
        )

    def _day(
        self, day: date, now: datetime, orders: Iterable[KnownOrder], last: Mapping[str, Entry]
    ) -> PartnerDay:
        """A partner's day: which of its orders cover it, and the last publication of each."""
        begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
        begins_us = int(begins.timestamp()) * 1_000_000
        due = {
            order.id
            for order in orders
            if max(begins_us, order.starts_us, self._installed_us) < min(begins_us + DAY_US, order.ends_us)
        }
        if not due:
            return PartnerDay(day, "none")
        if due - last.keys():
            return PartnerDay(day, "to come" if now < begins + DUE else "late")
        missing = sorted({sensor for name in due for sensor in self._missing(last[name])})
        return PartnerDay(day, "incomplete" if missing else "complete", tuple(missing))

    def _missing(self, entry: Entry) -> tuple[str, ...]:
        """The sensors that a publication is without."""
        key = entry.facts["partner"], entry.facts["sequence"]
        if key not in self._missing_sensors:
            try:
                manifest = publication.read(self._settings.data_dir, *key).manifest
            except (OSError, CorruptError) as error:
                self._log.error("manifest_not_read", partner=key[0], sequence=key[1], place=logs.place(error))
                return ()
            self._missing_sensors[key] = manifest.missing_sensors
        return self._missing_sensors[key]
