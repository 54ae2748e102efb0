"""A data directory with segments, markers and an audit log, as a collector leaves it; no process runs."""

import json
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from segment_world import DAY_US, NOON_US, STREAM, pack

from collector.audit.key import checkpoint_key, make_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.segments.catalogue import seal_day
from collector.segments.write import write_segments

DAY = date(2026, 11, 22)
SENSOR = "sinkhole-1"
RETURN_US = NOON_US + 40 * DAY_US
"""When the return was made: after every order's end here."""
LATER_US = NOON_US + 400 * DAY_US
"""When all retention is over."""
ORDERS = {
    "avalanche-1": ("avalanche", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    "avalanche-2": ("avalanche", "2026-12-01T00:00:00Z", "2026-12-31T00:00:00Z"),
    "zero-1": ("zero", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
}


class World:
    """One data directory."""

    def __init__(self, folder: Path, rules) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.rules = rules
        self.config = folder / "pentrap.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            'data_dir = "data"\nsensor = "sinkhole-1"\noperations = ["operations/*.toml"]\n'
        )
        make_key(folder / "signing.key")
        self.log = AuditLog(self.data / "audit", checkpoint_key(folder / "signing.key", SENSOR))
        self.log.append("installed", NOON_US, sensor=SENSOR, version="0", actor="p-1")
        for order, (operation, starts, ends) in ORDERS.items():
            self.log.append(
                "order_loaded", NOON_US, operation=operation, order=order, kind="pen-trap", starts=starts, ends=ends,
                fields=[], retention_days=90,
            )  # fmt: skip

    def write(self, first, orders, day=0, stream=STREAM, written_us=NOON_US):
        """A segment with one row for each order number given."""
        kinds = {0: 0, 1: 0, 2: 1}  # each order's own service
        records = b"".join(
            pack(
                time_us=NOON_US + day * DAY_US + place,
                order=order,
                subject=kinds[order],
                src_port=40_000 + place,
            )
            for place, order in enumerate(orders)
        )
        [segment] = write_segments(self.data, records, first, stream, self.rules)
        os.utime(segment.path(self.data), ns=(written_us * 1000, written_us * 1000))
        return segment

    def seal(self, day=0, sensor=SENSOR):
        when = DAY + timedelta(days=day)
        at = datetime(when.year, when.month, when.day, tzinfo=UTC) + timedelta(days=1, minutes=1)
        return seal_day(self.data, sensor, when, sealed_at=at, kernel_dropped={"tcp": 0, "udp": 0})

    def deliver(self, *orders, moment_us=RETURN_US):
        """The court has the return of these orders."""
        for order in orders:
            self.log.append(
                "delivered", moment_us, operation=ORDERS[order][0], orders=[order], actor="p-1", bundle_sha256="0" * 64,
                reason="docketed",
            )  # fmt: skip

    def hold(self, order, *, lift=False):
        event = "hold_lifted" if lift else "hold_set"
        self.log.append(event, RETURN_US, operation=ORDERS[order][0], order=order, actor="p-1", reason="case")

    def ledger(self) -> Ledger:
        return Ledger.of(read_entries(self.data / "audit"))

    def entries(self, event):
        return [entry for entry in read_entries(self.data / "audit") if entry.event == event]

    def segments(self, top="segments"):
        return sorted(str(path.relative_to(self.data)) for path in self.data.glob(f"{top}/*/*.parquet"))


def lines(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]
