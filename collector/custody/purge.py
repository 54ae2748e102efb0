"""Deletes what may go: the entry first, in parts that fit, each part's files after it; what a crash left is finished first.

Afterwards the log's `deleted` entry and the day's marker, which stays for ever, say what there was. `why` in that entry:

    retention     the custody set, by the rules of retention.py
    rules         compiled rules that nothing needs (rules_kept.py)
    quarantine    an officer's decision (quarantine.py)

Partners' copies have a clock of their own: exports/expiry.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.audit.people import MACHINE
from collector.custody.footer import orders_in
from collector.custody.known_orders import KnownOrder, known_orders
from collector.custody.quarantine import fingerprint, held_orders, settled
from collector.custody.retention import DAMAGED, SEGMENT, Holding, Plan, plan
from collector.custody.returned import lists_of_returns
from collector.custody.rules_kept import rules_to_go
from collector.ground import files
from collector.ground.clock import now_us as clock_us
from collector.ground.errors import CorruptError
from collector.orders.instants import to_us
from collector.orders.operation import Operation
from collector.segments.catalogue import days, days_aside, is_sealed, segments_aside, segments_of
from collector.segments.segment import Segment, sensor_of
from collector.segments.turn import turn

FILES_AN_ENTRY = 150
"""Of at most some 300 bytes each, so that an entry stays well below its 65,535 bytes."""
_DAMAGED_NAME = re.compile(r"(?P<stream>[a-z0-9-]+\.[0-9]+\.(?P<start>[0-9]{16}))-[0-9-]+\.damaged", re.ASCII)
_FINISHABLE = ("segments/", "journal/")
"""Where an entered deletion is finished by name. Rules are not: the same hash may lawfully stand there again."""


@dataclass
class Purged:
    """What a purge came to. Files by name below data_dir."""

    plan: Plan
    deleted: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    """Compiled rules that went, or would."""
    finished: list[str] = field(default_factory=list)
    """Deletions of earlier entries that a crash had left undone."""
    kept_back: dict[str, str] = field(default_factory=dict)
    """Entered as deleted and still there, by why they stay."""
    entries: list[int] = field(default_factory=list)


def daily(data_dir: Path, log: AuditLog, operations: Iterable[Operation], now_us: int) -> Purged:
    """The clerk's round, once a day: everything that is permitted. Raises OSError, CorruptError; the next day tries again."""
    return purge(data_dir, log, operations, now_us, actor=MACHINE)


def purge(
    data_dir: Path,
    log: AuditLog,
    operations: Iterable[Operation],
    now_us: int,
    *,
    actor: str,
    reason: str = "",
    order: str = "",
    dry_run: bool = False,
) -> Purged:
    """Delete what may go, of one order or of all. With `order`, rules are left alone.

    Where `order` itself may not go (`plan.orders[order]` is not empty), nothing is deleted.
    """
    with turn(data_dir):
        ledger = Ledger.of(read_entries(data_dir / "audit")) if dry_run else settled(data_dir)
        known = known_orders(ledger, operations)
        made = Purged(
            plan(
                holdings(data_dir),
                partial(_orders_of, data_dir, known),
                known,
                ledger,
                now_us,
                only=order,
                listed=lists_of_returns(data_dir / "audit", ledger),
            )
        )
        refused = bool(order) and bool(made.plan.orders.get(order, ("unknown",)))
        _finish(data_dir, ledger, made, dry_run=dry_run or refused)
        if not order:
            rules = rules_to_go(data_dir, _in_force(read_entries(data_dir / "audit"), now_us), now_us)
            made.rules = [str(path.relative_to(data_dir)) for path in rules]
        if dry_run or refused:
            return made
        facts = {"actor": actor} | ({"reason": reason} if reason else {})
        rows = {holding.name: holding.rows for holding in made.plan.go}
        for names, why in ((list(rows), "retention"), (made.rules, "rules")):
            for part in _parts(names):
                made.entries.append(_delete(data_dir, log, part, rows, why, facts).number)
        made.deleted = list(rows)
    return made


def holdings(data_dir: Path) -> Iterator[Holding]:
    """Every file of the custody set that stands on disk, as retention sees it."""
    sealed: dict[tuple[str, date], bool] = {}

    def is_over(sensor: str, day: date) -> bool:
        if (sensor, day) not in sealed:
            sealed[sensor, day] = is_sealed(data_dir, sensor, day)
        return sealed[sensor, day]

    for day in days(data_dir):
        for segment in segments_of(data_dir, day):
            yield _segment(
                segment, segment.path(data_dir), data_dir, is_over(segment.sensor, day), aside=False
            )
    for day in days_aside(data_dir):
        for segment in segments_aside(data_dir, day):
            yield _segment(
                segment, segment.path_aside(data_dir), data_dir, is_over(segment.sensor, day), aside=True
            )
    for path in sorted((data_dir / "journal").glob("*/*.damaged")):
        match = _DAMAGED_NAME.fullmatch(path.name)
        if match:
            day = datetime.fromtimestamp(int(match["start"]) // 1_000_000, UTC).date()
            state = path.stat()
            yield Holding(
                str(path.relative_to(data_dir)),
                DAMAGED,
                day,
                0,
                state.st_size,
                state.st_mtime_ns // 1000,
                is_over(sensor_of(match["stream"]), day),
                aside=False,
            )


def _segment(segment: Segment, path: Path, data_dir: Path, sealed: bool, *, aside: bool) -> Holding:
    state = path.stat()
    name = str(path.relative_to(data_dir))
    return Holding(
        name, SEGMENT, segment.day, segment.rows, state.st_size, state.st_mtime_ns // 1000, sealed, aside
    )


def _orders_of(data_dir: Path, known: Mapping[str, KnownOrder], holding: Holding) -> frozenset[str] | None:
    if holding.kind == DAMAGED:
        # What does not verify cannot be asked: it may have rows of every order that had begun by its day's end.
        after = (
            to_us(datetime(holding.day.year, holding.day.month, holding.day.day, tzinfo=UTC)) + 86_400_000_000
        )
        return frozenset(order.id for order in known.values() if order.starts_us < after)
    try:
        return orders_in(data_dir / holding.name)
    except (CorruptError, OSError):
        return None


def _in_force(entries: Iterable[Entry], now_us: int) -> dict[str, int]:
    """By rules' hash, until when they were in force."""
    loaded = [(entry.facts["rules"], entry.time_us) for entry in entries if entry.event == "orders_loaded"]
    ends = [*(moment for _, moment in loaded[1:]), now_us]
    return {digest: end for (digest, _), end in zip(loaded, ends, strict=False)}


def _finish(data_dir: Path, ledger: Ledger, made: Purged, *, dry_run: bool) -> None:
    """Delete what an earlier entry says is deleted, unless it is another file or was held since."""
    for name, entry in sorted(ledger.deleted.items()):
        path = data_dir / name
        if not name.startswith(_FINISHABLE) or not path.exists():
            continue
        meant = next(file for file in entry.facts["files"] if file["name"] == name)
        if fingerprint(path)[0] != meant["sha256"]:
            made.kept_back[name] = f"is another file than entry {entry.number} deleted"
        elif held := held_orders(path, ledger.holds):
            made.kept_back[name] = held
        else:
            made.finished.append(name)
            if not dry_run:
                files.remove(path)
    gone = {*made.finished, *made.kept_back}
    made.plan.go = [holding for holding in made.plan.go if holding.name not in gone]
    made.plan.stay = [staying for staying in made.plan.stay if staying.holding.name not in gone]


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), FILES_AN_ENTRY):
        yield names[start : start + FILES_AN_ENTRY]


def _delete(
    data_dir: Path,
    log: AuditLog,
    names: Sequence[str],
    rows: Mapping[str, int],
    why: str,
    facts: Mapping[str, Any],
) -> Entry:
    tombstones = []
    for name in names:
        digest, size = fingerprint(data_dir / name)
        tombstones.append({"name": name, "sha256": digest, "bytes": size, "rows": rows.get(name, 0)})
    entry = log.append("deleted", clock_us(), files=tombstones, why=why, **facts)
    for name in names:
        (data_dir / name).unlink(missing_ok=True)
    for folder in sorted({(data_dir / name).parent for name in names}):
        files.sync_directory(folder)
    return entry
