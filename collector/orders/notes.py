"""What is lawful in the life of orders, and still worth a second look: told by `pentrap check`, refused never.

Each note has the form of a problem (file, place, what was found, what one would expect, what to do), so that whoever reads
one can read the other. Nothing under seal is quoted.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import combinations

from collector.ground.errors import Problem
from collector.orders.agreement import order_place
from collector.orders.chains import roots
from collector.orders.instants import to_text, to_us
from collector.orders.kinds import KINDS
from collector.orders.operation import Operation, Order
from collector.orders.spans import lasting


def notes_of(operations: Iterable[Operation], now_us: int) -> list[Problem]:
    """Every note on every operation, in the order of the files. `now_us` is only used to find dates in the future."""
    return [
        note
        for operation in operations
        for note in (
            *_injunction_notes(operation, now_us),
            *(note for place, order in _places(operation) for note in _order_notes(operation, place, order, now_us)),
            *_extension_notes(operation),
            *_neighbour_notes(operation),
        )
    ]  # fmt: skip


def _places(operation: Operation) -> list[tuple[str, Order]]:
    return [(order_place(number, order.id), order) for number, order in enumerate(operation.orders, 1)]


def _injunction_notes(operation: Operation, now_us: int) -> list[Problem]:
    injunction, file = operation.injunction, operation.file
    notes = []
    if to_us(injunction.issued) > now_us:
        notes.append(_future(file, "[injunction] issued", injunction.issued, now_us))
    if injunction.expires is not None and to_us(injunction.expires) <= now_us:
        found = f"{_text(injunction.expires)}, {lasting(now_us - to_us(injunction.expires))} ago"
        expected = "an injunction in force, for it is why the domains come to us (18 USC 1345)"
        remedy = "write the renewed date, or give the domains back; machines are answered all the same"
        notes.append(Problem(file, "[injunction] expires", found, expected, remedy))
    return notes


def _order_notes(operation: Operation, place: str, order: Order, now_us: int) -> Iterable[Problem]:
    file, kind = operation.file, KINDS[order.kind]
    if to_us(order.issued) > now_us:
        yield _future(file, f"{place} issued", order.issued, now_us)
    if order.starts < order.issued:
        found = f"{_text(order.starts)}, {lasting(to_us(order.issued) - order.starts_us)} before issued"
        expected = "not before issued, but where the order approves an emergency use (18 USC 3125(a)(2))"
        remedy = (
            "compare both dates with the court's paper; what came before the order was loaded is not recorded"
        )
        yield Problem(file, f"{place} starts", found, expected, remedy)
    for key, moment in order.endings.items():
        if moment > order.ends:
            found = f"{_text(moment)}, after ends = {_text(order.ends)}"
            expected = f"an instant before ends, for at ends the order is over anyway ({kind.statute})"
            yield Problem(file, f"{place} {key}", found, expected, "remove it, or correct the date")
        elif moment <= order.starts:
            found = f"{_text(moment)}, not after starts = {_text(order.starts)}: the order records nothing"
            expected = "an instant after starts, unless it was ended before it began"
            yield Problem(file, f"{place} {key}", found, expected, "correct the date if that is not so")


def _extension_notes(operation: Operation) -> Iterable[Problem]:
    by_id = {order.id: order for order in operation.orders}
    extended: dict[str, str] = {}
    for place, order in _places(operation):
        if order.extends is None:
            continue
        base, where = by_id[order.extends], f"{place} extends"
        earlier = extended.setdefault(base.id, order.id)
        if earlier != order.id:
            found = (
                f"{base.id}, which {earlier} extends too; the return waits for the later of the two branches"
            )
            expected = "mostly one extension of an order, and the next one extends that (18 USC 3123(c)(2))"
            remedy = f'write extends = "{earlier}" if this order continues that one'
            yield Problem(operation.file, where, found, expected, remedy)
        if order.starts_us > base.ends_us:
            found = f"{base.id}, over at {to_text(base.ends_us)}: a gap of {lasting(order.starts_us - base.ends_us)}"
            expected = "an extension that starts where the extended order ends; in a gap nothing is recorded"
            ended = min(base.endings, key=lambda key: base.endings[key], default="ends")
            remedy = f"compare starts, and {ended} of {base.id}, with the court's papers"
            yield Problem(operation.file, where, found, expected, remedy)
        elif order.starts_us < base.ends_us:
            both = lasting(base.ends_us - order.starts_us)
            found = f"{base.id}, in force until {to_text(base.ends_us)}: an overlap of {both}"
            expected = "an extension that starts where the extended order ends (18 USC 3123(c)(2))"
            remedy = f"nothing, if the papers say so: until then each check-in belongs to {base.id} alone"
            yield Problem(operation.file, where, found, expected, remedy)


def _neighbour_notes(operation: Operation) -> Iterable[Problem]:
    """Orders that no extension joins, and that meet or overlap."""
    root = roots(operation.orders)
    place_of = {order.id: place for place, order in _places(operation)}
    ordered = sorted(operation.orders, key=lambda order: (order.starts_us, order.id))
    for earlier, later in combinations(ordered, 2):
        if root[earlier.id] == root[later.id]:
            continue
        place = place_of[later.id]
        if earlier.ends_us == later.starts_us < later.ends_us and later.extends is None:
            found = f"{to_text(later.starts_us)}, where {earlier.id} ends, and no extends"
            expected = "extends, where this order extends that one: else each has a return of its own to make"
            remedy = f'add extends = "{earlier.id}" if the court extended that order'
            yield Problem(operation.file, f"{place} starts", found, expected, remedy)
        elif later.starts_us < min(earlier.ends_us, later.ends_us):
            until = min(earlier.ends_us, later.ends_us)
            found = f"{to_text(later.starts_us)}, while {earlier.id} is in force, until {to_text(until)}"
            expected = (
                "two orders at once only where the court made two: each check-in belongs to one of them"
            )
            remedy = f"nothing, if that is so: until then check-ins are recorded under {earlier.id}"
            yield Problem(operation.file, f"{place} starts", found, expected, remedy)


def _future(file: str, place: str, moment: datetime, now_us: int) -> Problem:
    found = f"{_text(moment)}, in {lasting(to_us(moment) - now_us)}"
    expected = "an instant that has passed: a paper is loaded after it was issued"
    return Problem(file, place, found, expected, "copy the date from the paper; look at the year")


def _text(moment: datetime) -> str:
    return to_text(to_us(moment))
