"""The figures of a year, from the orders alone (law L-26): what 18 USC 3126 has the Attorney General report to Congress.

Nothing recorded is read. An order counts in the year in which it was issued; days in force count in the year in which
they fell, so that two years never count a day twice. Days are 24 hours, to the thousandth.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from collector.ground.codes import Action
from collector.orders.account import ending
from collector.orders.chains import chain_of
from collector.orders.instants import to_us
from collector.orders.kinds import KINDS
from collector.orders.operation import Operation, Order
from collector.orders.schedule import Schedule
from collector.orders.spans import days


@dataclass(frozen=True)
class Orders:
    """Orders of one kind that one agency asked for."""

    kind: str
    agency: str
    orders: int
    extensions: int
    authorised_days: float
    """As the papers have it, from `starts` to `ends`; extensions included."""
    extension_days: float
    days_in_force: float
    """Of these and earlier orders, within the year, up to `now`: a day on which two were in force counts for each."""
    dockets: tuple[str, ...]
    """One an order issued in the year; offence, court and district stand in the papers of that number."""


@dataclass(frozen=True)
class Emergency:
    """One emergency use (18 USC 3125) and how it ended."""

    order: str
    operation: str
    hours_in_force: float
    ended: str
    """obtained, denied, terminated, ends (48 hours passed) or still in force"""
    followed_by: tuple[str, ...]


@dataclass(frozen=True)
class Figures:
    """A year's."""

    year: int
    orders: tuple[Orders, ...]
    emergencies: tuple[Emergency, ...]
    days_recording: dict[str, float]
    """By operation: time in the year in which one order or another was in force, each instant once."""
    domains: dict[str, dict[str, int]]
    """By operation and action (redirections and so on): domains with dates within the year."""


def figures_of(
    operations: Sequence[Operation], schedules: Iterable[Schedule], year: int, now_us: int
) -> Figures:
    """All figures; `schedules` beside the operations, in their order."""
    start_us, end_us = (to_us(datetime(number, 1, 1, tzinfo=UTC)) for number in (year, year + 1))
    until_us = min(end_us, max(start_us, now_us))
    return Figures(
        year,
        tuple(_orders(operations, year, start_us, until_us)),
        tuple(_emergencies(operations, year, now_us)),
        {operation.name: days(_covered(operation.orders, start_us, until_us)) for operation in operations},
        {
            operation.name: _domains(schedule, start_us, end_us)
            for operation, schedule in zip(operations, schedules, strict=True)
        },
    )


def _orders(operations: Sequence[Operation], year: int, start_us: int, until_us: int) -> Iterable[Orders]:
    every = [order for operation in operations for order in operation.orders]
    for kind, agency in sorted({(order.kind, order.agency) for order in every}):
        mine = [order for order in every if (order.kind, order.agency) == (kind, agency)]
        issued = [order for order in mine if order.issued.astimezone(UTC).year == year]
        extensions = [order for order in issued if order.extends]
        in_force = sum(_within(order, start_us, until_us) for order in mine)
        if issued or in_force:
            yield Orders(
                kind,
                agency,
                len(issued),
                len(extensions),
                days(sum(map(_authorised, issued))),
                days(sum(map(_authorised, extensions))),
                days(in_force),
                tuple(order.docket for order in issued),
            )


def _emergencies(operations: Sequence[Operation], year: int, now_us: int) -> Iterable[Emergency]:
    for operation in operations:
        for order in operation.orders:
            # A kind that nothing renews is a use, not an order: it ends, or a court's order takes its place.
            if "obtained" not in KINDS[order.kind].ended_by or order.starts.astimezone(UTC).year != year:
                continue
            chain = chain_of(operation.orders, order.id)
            yield Emergency(
                order.id,
                operation.name,
                round(_within(order, order.starts_us, max(now_us, order.starts_us)) / 3_600_000_000, 3),
                ending(order) if order.ends_us <= now_us else "still in force",
                tuple(link.id for link in chain if link is not order),
            )


def _authorised(order: Order) -> int:
    return to_us(order.ends) - order.starts_us


def _within(order: Order, start_us: int, end_us: int) -> int:
    """Microseconds in which an order was in force between two instants."""
    return max(0, min(order.ends_us, end_us) - max(order.starts_us, start_us))


def _covered(orders: Sequence[Order], start_us: int, end_us: int) -> int:
    """Microseconds between two instants in which at least one order was in force."""
    total, reached = 0, start_us
    for begin, end in sorted((order.starts_us, order.ends_us) for order in orders):
        begin, end = max(begin, reached), min(end, end_us)  # noqa: PLW2901 - cut to what is left of the year
        if begin < end:
            total += end - begin
            reached = end
    return total


def _domains(schedule: Schedule, start_us: int, end_us: int) -> dict[str, int]:
    """Domains by action whose dates touch the year; one with several rows of an action counts once."""
    fitting = {
        number: Action(term.action).name.lower()
        for number, term in enumerate(schedule.term_list)
        if term.from_us < end_us and term.until_us > start_us
    }
    seen = {
        (name, fitting[number])
        for name, number in zip(schedule.names, schedule.terms, strict=True)
        if number in fitting
    }
    counts = {action.name.lower(): 0 for action in Action}
    for _, action in seen:
        counts[action] += 1
    return counts
