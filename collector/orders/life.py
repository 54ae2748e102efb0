"""What must hold for an order's life: its window, what ended it, what it extends.

Every limit is read from the kind's row (kinds.py). Refused is only what would let more be recorded than a court
allowed, or what cannot be understood. An ending that looks odd (after `ends`, before `starts`) is never refused: a
refused file leaves the old rules in force, and a termination that waits for its spelling would let recording go on.
Such things are told by `notes`.
"""

from collections.abc import Mapping

from collector.ground.errors import Problem
from collector.orders.instants import to_text, to_us
from collector.orders.kinds import KINDS, OrderKind
from collector.orders.mistakes import shown
from collector.orders.operation import Order
from collector.orders.schedule import quoted


def life_problems(order: Order, by_id: Mapping[str, Order], file: str, place: str) -> list[Problem]:
    """All that is wrong with one order; `by_id` holds every order of its operation."""
    kind = KINDS.get(order.kind)
    if kind is None:
        expected = "one of " + ", ".join(f'"{known}"' for known in KINDS)
        remedy = "write the kind that the court's paper has"
        return [Problem(file, f"{place} kind", quoted(order.kind), expected, remedy)]
    return [
        *_window_problems(order, kind, file, place),
        *_ending_problems(order, kind, file, place),
        *_extension_problems(order, by_id, file, place),
    ]


def _window_problems(order: Order, kind: OrderKind, file: str, place: str) -> list[Problem]:
    where = f"{place} ends"
    if order.starts >= order.ends:
        found = f"{shown(order.ends)}, not after starts = {shown(order.starts)}"
        return [Problem(file, where, found, "an instant later than starts", "correct one of the two")]
    latest = kind.latest_end(order.starts)
    if order.ends > latest:
        found = f"{shown(order.ends)}, {order.duration} after starts"
        expected = f"at most {kind.longest_words} after starts for {order.kind} ({kind.statute})"
        remedy = f"write {to_text(to_us(latest))} or earlier; longer needs another order ({kind.renewal})"
        return [Problem(file, where, found, expected, remedy)]
    if order.issued >= order.ends:
        found = f"{shown(order.issued)}, when its window was over (ends = {shown(order.ends)})"
        expected = f"an instant before ends: an order is issued before its time is over ({kind.statute})"
        return [Problem(file, f"{place} issued", found, expected, "copy both dates from the court's paper")]
    return []


def _ending_problems(order: Order, kind: OrderKind, file: str, place: str) -> list[Problem]:
    problems = []
    for key, moment in order.endings.items():
        if key not in kind.ended_by:
            fitting = ", ".join(name for name, row in KINDS.items() if key in row.ended_by)
            expected = f"{key} only in an order of kind {fitting}; {order.kind} is ended by " + (
                " or ".join(kind.ended_by) or "its ends alone"
            )
            problems.append(
                Problem(file, f"{place} {key}", shown(moment), expected, f"write {kind.ended_by[0]} instead"
                        if kind.ended_by else f"remove {key}")
            )  # fmt: skip
    if order.obtained is not None and order.denied is not None:
        found = f"obtained = {shown(order.obtained)} and denied = {shown(order.denied)}"
        expected = f"one of the two ({kind.statute})"
        remedy = "remove the one that did not happen"
        problems.append(Problem(file, f"{place} denied", found, expected, remedy))
    return problems


def _extension_problems(order: Order, by_id: Mapping[str, Order], file: str, place: str) -> list[Problem]:
    if order.extends is None:
        return []
    where = f"{place} extends"
    base = by_id.get(order.extends)
    if base is None or base is order:
        known = ", ".join(known for known in by_id if known != order.id) or "there is no other"
        found = f"{quoted(order.extends)}, " + (
            "the order itself" if base else "which is no order of this operation"
        )
        expected = f"the id of another order of this operation: {known}"
        return [Problem(file, where, found, expected, "correct the id; the extended order stays in the file")]
    kind = KINDS[order.kind]
    if base.kind in KINDS and base.kind not in kind.extends:
        found = f"{quoted(base.id)} of kind {base.kind}, extended by one of kind {order.kind}"
        fitting = " or ".join(kind.extends)
        expected = (
            f"an order of kind {fitting}" if fitting else f"no extends in an order of kind {order.kind}"
        ) + f" ({kind.statute}; renewal: {kind.renewal})"
        remedy = "correct kind or id, or remove extends where this is a use of its own"
        return [Problem(file, where, found, expected, remedy)]
    if order.starts <= base.starts:
        found = f"{quoted(base.id)}, which starts at {shown(base.starts)}, not before this one"
        expected = "an order that starts before this one"
        return [Problem(file, where, found, expected, "correct the id or the dates")]
    return []
