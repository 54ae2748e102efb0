"""A data directory with rules, segments of one day and an audit log, and who is told of what in it; no process runs."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from segment_world import DAY_US, NOON_US, pack

from collector.audit.key import checkpoint_key, make_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.coverage.book import SCHEMA, book_path
from collector.coverage.day import read_day
from collector.coverage.query import COLUMNS
from collector.coverage.report import Report
from collector.exports.engine import Engine
from collector.ground.codes import Kind
from collector.ground.record import IPV4_PREFIX
from collector.orders.compile import compile_rules
from collector.orders.entries import Entry
from collector.orders.rules import Rules
from collector.segments.catalogue import seal_day
from collector.segments.write import write_segments

SENSOR = "sinkhole-1"
STREAM = f"{SENSOR}.0.1795305600000000"
DAY = date(2026, 11, 22)
BEGINS_US = NOON_US - DAY_US // 2
ENDS_US = BEGINS_US + DAY_US
NEXT_DAY = date(2026, 11, 23)
HEADER = "domain,family,action,registry,valid_from,valid_until\n"
ORDER = """
[[order]]
id = "{id}"
kind = "pen-trap"
docket = "d"
issued = 2026-11-01T00:00:00Z
starts = {starts}
ends = {ends}
officers = ["o"]
"""
MONTH = ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")


def text_of(moment_us: int) -> str:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def operation(name: str, *, orders=None, grace: int = 0, exceptions=(), services: str = "") -> str:
    """An operation file with a schedule beside it; `orders`: their windows by id."""
    orders = {f"{name}-1": MONTH} if orders is None else orders
    return (
        f'operation = "{name}"\n[injunction]\ncourt = "c"\ndocket = "d"\nissued = 2026-11-01T00:00:00Z\n'
        f'[[domains]]\nfile = "{name}.csv"\ngrace_days = {grace}\n'
        + "".join(f'[[except]]\ndomain = "{name}"\n' for name in exceptions)
        + services
        + "".join(
            ORDER.format(id=order, starts=window[0], ends=window[1]) for order, window in orders.items()
        )
    )


class World:
    """One data directory. `load` puts operations in force, `come` lets check-ins come."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        make_key(folder / "signing.key")
        self.log = AuditLog(self.data / "audit", checkpoint_key(folder / "signing.key", SENSOR))
        self.log.append("installed", BEGINS_US - DAY_US, sensor=SENSOR, version="0", actor="p-1")
        self.unexpected: Counter[Entry] = Counter()
        self._next = 0
        self._loaded: dict[str, tuple[str, str]] = {}

    def load(
        self,
        operations: dict[str, tuple[str, str]],
        orders: dict[str, tuple[str, str]],
        at_us: int = BEGINS_US - 1,
    ):
        """Compile operations (text and schedule by name) and enter that they are in force; the rules."""
        paths = []
        for name, (text, schedule) in operations.items():
            (self.folder / f"{name}.csv").write_text(HEADER + schedule)
            paths.append(self.folder / f"{name}.toml")
            paths[-1].write_text(text)
        self.digest = compile_rules(paths, self.data / "rules")
        (self.data / "rules/current").write_text(self.digest)
        self.rules = Rules.load(self.data / "rules", self.digest)
        for order, (starts, ends) in orders.items():
            if self._loaded.get(order) != (starts, ends):
                self._loaded[order] = (starts, ends)
                facts = {
                    "operation": order.partition("-")[0],
                    "order": order,
                    "kind": "pen-trap",
                    "fields": [],
                }
                self.log.append("order_loaded", at_us, **facts, starts=starts, ends=ends)
        self.log.append("orders_loaded", at_us, rules=self.digest, orders=len(orders))
        return self.rules

    def come(self, check_ins: list[tuple[bytes, int, bytes]]) -> list[tuple[int, int, bytes, bytes]]:
        """Check-ins (host, time, address) as the rules in force decide: recorded in one segment, or counted as unexpected.

        Those that are recorded, as (row of the index, time, address, host).
        """
        recorded = []
        pieces = []
        for host, moment, address in check_ins:
            fate, _, order, kind, subject, _ = self.rules.decide(host, 6, bytes(16), 80, moment)
            if fate == 0:
                pieces.append(pack(moment, src=address, subject=subject, order=order, kind=Kind(kind)))
                recorded.append((subject, moment, address, host))
            for _, hint in self.rules.missed(host) if fate == -1 else ():
                row = hint & 0xFFFF_FFFF
                name = self.rules.index.name(row).decode()
                term = self.rules.index.terms_of_rows[row]
                self.unexpected[
                    Entry(self.rules.index.operations[self.rules.index.operations_of_terms[term]], name)
                ] += 1
        if pieces:
            write_segments(self.data, b"".join(pieces), self._next, STREAM, self.rules)
            self._next += len(pieces)
        return recorded

    def write_book(self, run: int = 7, nameless: int = 0) -> None:
        """What the clerk would have written of the unexpected ones."""
        rows = [
            {"run": run, "operation": entry.operation, "domain": entry.domain, "check_ins": count}
            for entry, count in self.unexpected.items()
        ]
        rows += [{"run": run, "operation": "", "domain": None, "check_ins": nameless}] if nameless else []
        path = book_path(self.data, BEGINS_US // DAY_US)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)

    def seal(self, **more) -> None:
        at = datetime.fromtimestamp(ENDS_US // 1_000_000 + 60, UTC)
        seal_day(self.data, SENSOR, DAY, sealed_at=at, kernel_dropped={"tcp": 0, "udp": 0}, **more)

    def day(self, today: date = NEXT_DAY, sensors=(SENSOR,)):
        entries = read_entries(self.data / "audit")
        return read_day(self.data, DAY, sensors, Ledger.of(entries), entries, today)

    def told(
        self,
        *,
        everything=False,
        only="",
        state="",
        registry=None,
        orders=None,
        engine_folder=None,
        memory_mb=128,
    ):
        """The report's domains as dictionaries, and its registries."""
        day = self.day()
        folder = engine_folder or self.folder / f"work-{id(day)}"
        folder.mkdir()
        found = Ledger.of(read_entries(self.data / "audit")).orders
        of = {order: facts["operation"] for order, facts in found.items()} if orders is None else orders
        with Engine(folder, memory_mb, 1, act="coverage") as engine:
            report = Report(engine, self.data, day, only)
            rules = [Rules.load(self.data / "rules", digest) for digest in day.rules]
            report.list_domains(rules, everything=everything)
            for one in rules:
                one.close()
            steps: list[int] = []
            report.count(
                {order: of for order, of in of.items() if only in ("", of)},
                lambda done, _: steps.append(done),
                everything=everything,
            )
            assert steps == sorted(steps)
            rows = [
                dict(zip(COLUMNS, row, strict=True)) for row in report.domains(registry=registry, state=state)
            ]
            self.report = report
            self.nameless = report.nameless()
            self.first = report.unexpected(5, registry)
            return rows, report.registries()


def address(number: int) -> bytes:
    return IPV4_PREFIX + bytes([192, 0, 2, number])
