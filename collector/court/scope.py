"""Which orders a return covers, and what stands in its way.

A return belongs to a chain of extensions: it is due after termination "including any extensions thereof" (18 USC
3123(a)(3)(B)). What the orders say is read from the text of the operation file that the log names, not from the file as
it lies there now, so that the same log gives the same return; where the two differ, the return is refused until the
collector has loaded the file, since the record has to hold every change of the configuration.
"""

import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from collector.audit import texts
from collector.audit.ledger import Ledger
from collector.audit.log import Entry
from collector.ground.errors import CorruptError, PentrapError, Problem
from collector.ground.record import FIELDS, RECORD
from collector.journal.format import read_journal
from collector.journal.names import list_journals
from collector.orders.chains import chain_of, end_of
from collector.orders.instants import to_text
from collector.orders.mistakes import T, read_table
from collector.orders.operation import Injunction, Order
from collector.orders.rules import Rules
from collector.segments.catalogue import is_sealed

_EPOCH = date(1970, 1, 1)
DAY_US = 86_400_000_000
_ORDER = [field.name for field in FIELDS].index("order")


class ReturnRefusedError(PentrapError):
    """A return that must not be made now; every reason is in `reasons`."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = list(reasons)
        super().__init__("\n".join(self.reasons))


class Scope(NamedTuple):
    """What a return is about."""

    operation: str
    injunction: Injunction
    chain: tuple[Order, ...]
    loaded: Entry
    """The entry whose text the orders were read from."""

    @property
    def first(self) -> str:
        """The id of the chain's first order: the return is named after it."""
        return self.chain[0].id

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all orders of the chain."""
        return frozenset(order.id for order in self.chain)

    @property
    def ends_us(self) -> int:
        """When the last of them ends or ended."""
        return end_of(self.chain)


class Span(NamedTuple):
    """A time [from_us, until_us) of one order."""

    order: str
    from_us: int
    until_us: int


class RunTime(NamedTuple):
    """One run of the collector; `until_us` is what is known of its end, `how` one of stopped, cut off, running."""

    started: Entry
    stopped: Entry | None
    until_us: int
    how: str


def scope_of(entries: Sequence[Entry], audit: Path, order_id: str) -> Scope:
    """The chain of an order, from the last configuration in the log that has it. Raises ReturnRefusedError, CorruptError."""
    for entry in reversed(entries):
        if entry.event != "operation_loaded":
            continue
        try:
            content = texts.read(audit, entry.facts["configuration"])
        except FileNotFoundError:
            reason = f"entry {entry.number} names the configuration {entry.facts['configuration']}, which is missing"
            raise ReturnRefusedError([f"{reason}; restore audit/texts from a copy"]) from None
        if order_id.encode() not in content:
            continue
        table = tomllib.loads(content.decode())
        orders = [_read(Order, row) for row in table.get("order", [])]
        if order_id in {order.id for order in orders}:
            chain = tuple(chain_of(orders, order_id))
            return Scope(table["operation"], _read(Injunction, table["injunction"]), chain, entry)
    loaded = sorted({entry.facts["order"] for entry in entries if entry.event == "order_loaded"})
    known = ", ".join(loaded) or "none"
    raise ReturnRefusedError(
        [
            f"the collector never loaded an order {order_id!r}, so nothing was recorded under it; it loaded: {known}"
        ]
    )


def unloaded_change(entries: Sequence[Entry], scope: Scope, current: Path | None) -> list[str]:
    """Why the operation's file says something else than the log: no reason, or one."""
    last = Ledger.of(entries).operations.get(scope.operation)
    if last is None or current is None:
        return []
    if sha256(current.read_bytes()).hexdigest() == last.facts["configuration"]:
        return []
    changed = f"{current} was changed after the collector last loaded it (entry {last.number})"
    return [f"{changed}: start the collector or reload it (SIGHUP), so that the change is in the record"]


def run_times(entries: Sequence[Entry], scope: Scope, *, final: bool) -> list[RunTime]:
    """All runs of the collector, with the ends as far as they are known.

    A collector enters nothing while nothing happens, not even when an order reaches its own end. So for a final return,
    which is made after the orders' end only, one that was not stopped ran to that end: then every day until it has to be
    sealed, and what seals a day is a collector that ran.
    """
    ledger = Ledger.of(entries)
    runs = ledger.runs
    known_us = entries[-1].time_us
    if final and ledger.uninstalled is None:
        known_us = max(known_us, scope.ends_us)
    times = []
    for number, run in enumerate(runs):
        if run.stopped:
            times.append(RunTime(run.started, run.stopped, run.stopped.time_us, "stopped"))
        elif number + 1 < len(runs):
            times.append(RunTime(run.started, None, runs[number + 1].started.time_us, "cut off"))
        else:
            times.append(RunTime(run.started, None, known_us, "running"))
    return times


def recording_spans(entries: Sequence[Entry], scope: Scope, *, final: bool) -> list[Span]:
    """When recording under each order was possible: its window, while it was loaded and the collector ran."""
    spans = []
    loaded = {
        entry.facts["order"]: entry.time_us for entry in reversed(entries) if entry.event == "order_loaded"
    }
    for order in scope.chain:
        if order.id not in loaded:
            continue
        for run in run_times(entries, scope, final=final):
            begins = max(order.starts_us, run.started.time_us, loaded[order.id])
            ends = min(order.ends_us, run.until_us)
            if begins < ends:
                spans.append(Span(order.id, begins, ends))
    return sorted(spans, key=lambda span: (span.from_us, span.order))


def days_between(from_us: int, until_us: int) -> list[date]:
    """The UTC days that [from_us, until_us) touches."""
    return [
        _EPOCH + timedelta(days=number) for number in range(from_us // DAY_US, (until_us - 1) // DAY_US + 1)
    ]


def day_text(moment_us: int) -> str:
    """The UTC day of an instant."""
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).date().isoformat()


def obstacles(data_dir: Path, sensor: str, entries: Sequence[Entry], scope: Scope, now_us: int) -> list[str]:
    """Why the return would not be final yet; each reason with what to do."""
    reasons = []
    if now_us < scope.ends_us:
        last = max(scope.chain, key=lambda order: order.ends_us)
        reasons.append(
            f"order {last.id} is in force until {to_text(scope.ends_us)}: wait for its end, or write terminated = … into its "
            "file and reload; --interim makes a return of what there is"
        )
    touched = {
        day
        for span in recording_spans(entries, scope, final=True)
        for day in days_between(span.from_us, span.until_us)
    }
    if now_us >= scope.ends_us:
        reasons += [_unsealed(day) for day in sorted(touched) if not is_sealed(data_dir, sensor, day)]
    return reasons


def waiting_rows(data_dir: Path, scope: Scope) -> list[str]:
    """Which journals still hold rows of these orders: they are in no file that could be returned."""
    reasons = []
    for path, name in list_journals(data_dir / "journal"):
        try:
            journal = read_journal(path, None if name.last is None else name.last + 1)
            rules = Rules.load(data_dir / "rules", journal.header.rules)
        except FileNotFoundError:
            continue  # turned into a segment just now: the next look at the segments finds it
        except CorruptError:
            reasons.append(f"{path} cannot be read: start the collector, which sets it aside")
            continue
        numbers = {number for number, order in enumerate(rules.order_ids) if order in scope.ids}
        rules.close()
        orders = (row[_ORDER] for run in journal.runs for row in RECORD.iter_unpack(run.records))
        count = sum(order in numbers for order in orders)
        if count:
            reasons.append(
                f"{path} holds {count} rows that are in no segment yet: wait a minute, or start the collector, or stop it "
                "cleanly (SIGTERM)"
            )
    return reasons


def _unsealed(day: date) -> str:
    return (
        f"day {day} is not sealed: it is, a minute or so after it is over (UTC), once a running collector has written all "
        "its records; --interim makes a return of what there is"
    )


def _read(model: type[T], table: object) -> T:
    """A table of a file that was loaded once. Raises ReturnRefusedError: another release would have to read it."""
    problems: list[Problem] = []
    read = read_table(model, table, "the operation file in the log", "", problems)
    if read is None:
        raise ReturnRefusedError([str(problem) for problem in problems])
    return read
