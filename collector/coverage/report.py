"""One report: a day's rows counted by listed domain, put beside the schedule, summed up by registry.

    segments ──► pairs      listed domain x source address: what takes the time, and the disk where memory does not do
                   └──────► reached ──┐
    book ─────────────────► missed ───┼─► found      one row per listed domain, sorted, staged
    the day's schedule ───► listing ──┘      └─────► registries

Everything between lies in the engine's folder below data_dir and goes with it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collector.coverage import query
from collector.coverage.book import SCHEMA as BOOK
from collector.coverage.day import Day
from collector.coverage.listing import write_listing
from collector.exports.engine import Engine
from collector.exports.withdrawn import KEYS, list_path
from collector.orders.entries import Entry
from collector.orders.rules import Rules
from collector.segments.table import EVENTS

Progress = Callable[[int, int], None]
WEIGHTS = {"targets": 2, "pairs": 40, "reached": 3, "missed": 1, "found": 6}
"""What is staged, and about how long each takes beside the others."""


@dataclass
class Action:
    """A registry's domains of one action."""

    action: str
    expected: int
    reached: int
    silent: int
    blocked: int
    unexpected: int
    check_ins: int
    unrecorded: int


@dataclass
class RegistryReport:
    """One operation's domains at one registry."""

    operation: str
    registry: str
    hosts: int = 0
    first_us: int | None = None
    last_us: int | None = None
    actions: list[Action] = field(default_factory=list)

    def sum(self, name: str) -> int:
        """Of a count of `Action`."""
        return sum(getattr(action, name) for action in self.actions)

    @property
    def state(self) -> str:
        """reached, silent (something was expected and nothing came), unexpected (only what should not come did); or empty."""
        if self.sum("reached"):
            return "reached"
        if self.sum("silent"):
            return "silent"
        return "unexpected" if self.sum("unexpected") else ""


@dataclass
class Unexpected:
    """A domain that is blocked or out of date, and was asked for."""

    operation: str
    registry: str
    domain: str
    family: str
    action: str
    check_ins: int


class Report:
    """`list_domains`, then `count`; asked afterwards, as long as the engine is open. All raise EngineError."""

    def __init__(self, engine: Engine, data_dir: Path, day: Day, operation: str = "") -> None:
        self._engine, self.data_dir, self.day, self._operation = engine, data_dir, day, operation
        self.operations: list[str] = []
        """Those that are told, and list domains."""

    def list_domains(self, rules: Sequence[Rules], *, everything: bool) -> None:
        """Take from the rules of the day, the latest first, what concerns it: with `everything`, all that the latest lists."""
        engine, day, latest = self._engine, self.day, rules[0]
        self.operations = [
            name
            for name in latest.index.operations
            if name in latest.operations and self._operation in ("", name)
        ]
        engine.view("book", [day.book] if day.book else [], BOOK)
        asked_for = [Entry(*row) for row in engine.rows(query.asked_for(self._operation))]
        for number, one in enumerate(rules):
            path = engine.folder / f"schedule-{number}.parquet"
            write_listing(
                one,
                (day.begins_us, day.ends_us),
                asked_for,
                path,
                everything=everything and not number,
                former=number,
                only=self._operation,
            )
            engine.name("former" if number else "listing", [path])
            if number:
                engine.stage(f"listing_{number}", [query.listing_with_former("former")])
                engine.name("listing", [engine.folder / f"listing_{number}-0.parquet"])

    def count(self, orders: Mapping[str, str], progress: Progress, *, everything: bool) -> None:
        """Read the day's rows of these orders (each with its operation), and put them beside what is listed."""
        engine, day = self._engine, self.day
        engine.view("events", [segment.path(self.data_dir) for segment in day.source.segments], EVENTS)
        lists = {one.sha256: list_path(self.data_dir, day.date, one.sha256) for one in day.source.withdrawn}
        engine.view("withdrawn", list(lists.values()), KEYS)
        told = {operation: operation in day.recorded and not day.is_emptied for operation in self.operations}
        statements: dict[str, Callable[[], str]] = {
            "targets": query.targets,
            "pairs": lambda: query.pairs(orders, split=self._is_split(), leave_out=bool(lists)),
            "reached": query.reached,
            "missed": lambda: query.missed(self._operation, day.begins_us),
            "found": lambda: query.found(told, everything=everything),
        }
        done, weight = 0, 0

        def tell(share: float) -> None:
            progress(min(99, int(100 * (done + share * weight) / sum(WEIGHTS.values()))), 100)

        with engine.followed(tell):
            for name, statement in statements.items():
                weight = WEIGHTS[name]
                engine.stage(name, [statement()])
                done += weight

    def _is_split(self) -> bool:
        [(several,)] = self._engine.rows(query.split_domains())
        return bool(several)

    def registries(self) -> list[RegistryReport]:
        """By operation and registry."""
        found: dict[tuple[str, str], RegistryReport] = {}
        for operation, registry, *counts, first, last in self._engine.rows(query.registries()):
            one = found.setdefault((operation, registry), RegistryReport(operation, registry))
            one.actions.append(Action(*counts))
            one.first_us = _least(one.first_us, first)
            one.last_us = max(one.last_us or 0, last or 0) or None
        for operation, registry, hosts in self._engine.rows(query.hosts_of_registries()):
            if (operation, registry) in found:
                found[operation, registry].hosts = hosts
        return list(found.values())

    def unexpected(self, most: int, registry: str | None = None) -> list[Unexpected]:
        """Those that were asked for most, of one registry or of all."""
        return [Unexpected(*row) for row in self._engine.rows(query.unexpected(most, registry))]

    def nameless(self) -> int:
        """Unexpected check-ins whose entry is not known: no cell was free."""
        [(count,)] = self._engine.rows(query.nameless())
        return int(count)

    def newest_us(self) -> int | None:
        """When the newest row came that was read."""
        [(moment,)] = self._engine.rows("SELECT epoch_us(max(last_seen)) FROM reached")
        return moment  # type: ignore[no-any-return]

    def domains(self, *, registry: str | None = None, state: str = "") -> Iterator[tuple[Any, ...]]:
        """Rows of `query.COLUMNS`, sorted by operation, registry and domain."""
        for batch in self._engine.stream(query.domains(registry=registry, state=state)):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _least(one: int | None, other: int | None) -> int | None:
    known = [moment for moment in (one, other) if moment is not None]
    return min(known, default=None)
