"""A day of real segments, three partners, and a plain model of what each must be given.

The model goes row by row with dictionaries and `ipaddress`; nothing of it is in the code under test.
"""

import ipaddress
import sys
from collections import defaultdict
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "segments"))

import pyarrow.parquet as pq
from publication_world import SENSOR, Exports
from segment_world import NOON_US, expected_rows

from collector.exports.day import export_day
from collector.exports.enrich import NO_ENRICHMENT
from collector.exports.kinds import Entitlement
from collector.exports.means import Means
from collector.exports.publication import publications
from collector.exports.withdrawal import withdraw
from collector.segments.catalogue import seal_day
from collector.segments.write import write_segments

DAY = date(2026, 11, 22)
DAY_US = 86_400_000_000
AFTER_US = NOON_US + DAY_US
STREAM = f"{SENSOR}.0.1795305600000000"
OTHER_STREAM = f"{SENSOR}.1.1795305600000001"
WINDOWS = {
    "avalanche-1": ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
    "zero-1": ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
}


def entitlement(partner="shadowserver", order="avalanche-1", **changes) -> Entitlement:
    facts = {
        "partner": partner,
        "order": order,
        "operation": order.partition("-")[0],
        "columns": (),
        "families": (),
        "countries": (),
        "networks": (),
        "tlp": "AMBER",
        "datasets": ("events", "hosts"),
        "formats": ("parquet",),
        "retention_days": 90,
        "purpose": "victim notification",
    }
    return Entitlement(**facts | changes)


class Day(Exports):
    """A data directory with segments of DAY, and the rows that they hold."""

    def __init__(self, folder: Path, rules, enrichment=NO_ENRICHMENT, windows=WINDOWS):
        super().__init__(folder)
        self.rules, self.enrichment = rules, enrichment
        self.rows: list[dict] = []
        self._next: dict[str, int] = defaultdict(int)
        if not any(entry.event == "order_loaded" for entry in self.entries("order_loaded")):
            for order, (starts, ends) in windows.items():
                self.load(order, starts, ends)

    def load(self, order, starts, ends):
        """The log's word of an order's window."""
        self.log.append(
            "order_loaded",
            NOON_US - 20 * DAY_US,
            operation=order.partition("-")[0],
            order=order,
            kind="pen-trap",
            starts=starts,
            ends=ends,
            fields=["volume"],
            retention_days=90,
        )

    def record(self, pieces: list[bytes], stream=STREAM) -> list:
        """Write one segment of these records; what was written."""
        first = self._next[stream]
        self._next[stream] += len(pieces)
        self.rows += expected_rows(b"".join(pieces), first, stream, self.rules)
        return write_segments(self.data, b"".join(pieces), first, stream, self.rules)

    def seal(self, sensor=SENSOR):
        seal_day(self.data, sensor, DAY, sealed_at=datetime.now(UTC), kernel_dropped={"tcp": 3, "udp": 4})

    def means(self, **changes) -> Means:
        facts = {
            "data_dir": self.data,
            "sensors": (SENSOR,),
            "key": self.key,
            "memory_mb": 128,
            "temp_max_gb": 1,
            "reserve_bytes": 0,
            "enrichment": self.enrichment,
        }
        return Means(**facts | changes)

    def export(self, entitlements, means=None, **changes):
        facts = {"now_us": AFTER_US}
        return export_day(means or self.means(), self.log, entitlements, DAY, **facts | changes)

    def enter_withdrawal(self, wanted, entitlements, **changes):
        """Find wrong rows and enter their withdrawal; what came of it."""
        facts = {"operation": "avalanche", "actor": "p-1", "reason": "our own prober", "now_us": AFTER_US}
        return withdraw(self.means(), self.log, entitlements, DAY, wanted, **facts | changes)

    def events_of(self, partner, order="avalanche-1", dataset="events") -> list[dict]:
        """What a partner has after applying all its publications: events add, and what was withdrawn of them."""
        found = []
        for one in publications(self.data, partner):
            if one.manifest.order == order:
                found += rows_in(one.folder, dataset)
        return found

    def hosts_of(self, partner, order="avalanche-1") -> list[dict]:
        """What a partner has: the latest publication's hosts replace."""
        found: list[dict] = []
        for one in publications(self.data, partner):
            if one.manifest.order == order:
                found = rows_in(one.folder, "hosts")
        return found


def rows_in(folder: Path, dataset: str) -> list[dict]:
    """All rows of a publication's dataset, part by part."""
    found = []
    for path in sorted(folder.glob(f"*-{dataset}*.parquet")):
        found += pq.read_table(path).to_pylist()
    return found


def number(text: str) -> int:
    """An address as 128 bits, IPv4 mapped."""
    address = ipaddress.ip_address(text)
    return int(address) + (0xFFFF << 32 if address.version == 4 else 0)


def network_order(row: dict) -> tuple:
    return number(row["src_ip"]), row["timestamp"], row["stream"], row["record"]


def outcome(row: dict, one: Entitlement) -> str:
    """given, filtered or unknown_country, of a row of the entitlement's order."""
    address = ipaddress.ip_address(row["src_ip"])
    if one.families and row["family"] not in one.families:
        return "filtered"
    if one.networks and not any(
        address in network
        for network in map(ipaddress.ip_network, one.networks)
        if network.version == address.version
    ):
        return "filtered"
    if one.countries and row["src_geo"] is None:
        return "unknown_country"
    return "given" if not one.countries or row["src_geo"] in one.countries else "filtered"


def given_rows(rows: list[dict], one: Entitlement) -> list[dict]:
    """A partner's rows of events, in order, cut to its columns."""
    mine = [row for row in rows if row["order_id"] == one.order and outcome(row, one) == "given"]
    return [cut(row, one.columns) for row in sorted(mine, key=network_order)]


def cut(row: dict, columns) -> dict:
    return {name: value for name, value in row.items() if not columns or name in columns}


HOST_KEY = ("src_ip", "family", "transport", "dst_port", "application", "order_id")


def host_rows(rows: list[dict], one: Entitlement) -> list[dict]:
    """A partner's rows of hosts, in order, cut to its columns."""
    groups = defaultdict(list)
    for row in rows:
        if row["order_id"] == one.order and outcome(row, one) == "given":
            groups[tuple(row[name] for name in HOST_KEY)].append(row)
    found = []
    for key, group in groups.items():
        group.sort(key=lambda row: (row["timestamp"], row["stream"], row["record"]))
        last = group[-1]
        host = dict(zip(HOST_KEY, key, strict=True)) | {
            "first_seen": group[0]["timestamp"],
            "last_seen": last["timestamp"],
            "check_ins": len(group),
            "active_hours": len({row["timestamp"].hour for row in group}),
            "src_ports": len({row["src_port"] for row in group}),
            "domains": len({row["domain"] for row in group} - {None}),
        }
        for name in (
            "src_port",
            "dst_ip",
            "domain",
            "src_asn",
            "src_geo",
            "mark",
            "source_trust",
            "infection",
        ):
            host[name] = last[name]
        found.append(host)
    found.sort(key=lambda row: (number(row["src_ip"]), *(row[name] for name in HOST_KEY[1:5])))
    return [cut(row, one.columns) for row in found]


def equation(rows: list[dict], entitlements: list[Entitlement]) -> dict:
    """The second equation's terms, row by row."""
    terms = {"delivered": 0, "no_annex": 0, "filtered": 0, "unknown_country": 0}
    for row in rows:
        said = {outcome(row, one) for one in entitlements if one.order == row["order_id"]}
        if not said:
            terms["no_annex"] += 1
        elif "given" in said:
            terms["delivered"] += 1
        elif "unknown_country" in said:
            terms["unknown_country"] += 1
        else:
            terms["filtered"] += 1
    return terms
