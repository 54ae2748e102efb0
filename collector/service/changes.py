"""What a load changes, in the audit log's words: pure, from what is entered already and what was read now.

A crash between these entries and their effect is made good by the next load: what is entered is not entered again.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collector.audit.ledger import Ledger
from collector.orders.kinds import ENDINGS

Change = tuple[str, dict[str, Any]]
_LOADED = ("operation", "configuration", "schedules", "answer")


def changes(ledger: Ledger, operations: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """Entries (event, facts), in order. Where an operation's facts lack `schedules`, those that are entered stand."""
    for facts in operations:
        name = facts["operation"]
        entered = ledger.operations.get(name)
        before = entered.facts if entered else {"schedules": []}
        after = {"schedules": before["schedules"]} | {key: facts[key] for key in _LOADED if key in facts}
        if any(before.get(key) != after[key] for key in _LOADED):
            yield "operation_loaded", after
        for order in facts["orders"]:
            yield from _order_changes(ledger.orders.get(order["order"]), order)
    present = {order["order"] for facts in operations for order in facts["orders"]}
    for order, facts in ledger.orders.items():
        if order not in present:
            yield "order_removed", {"operation": facts["operation"], "order": order}
    names = {facts["operation"] for facts in operations}
    for name in ledger.operations:
        if name not in names:
            yield "operation_removed", {"operation": name}


def _order_changes(before: dict[str, Any] | None, after: Mapping[str, Any]) -> Iterator[Change]:
    """An order's entries: it is there, its file says something else, it was ended."""
    who = {"operation": after["operation"], "order": after["order"]}
    fresh = {key: after[key] for key in ENDINGS if key in after and (before is None or key not in before)}
    rest = {key: value for key, value in after.items() if key not in fresh}
    if before is None:
        yield "order_loaded", rest
        if "extends" in rest:
            yield "order_extended", who | {key: rest[key] for key in ("extends", "starts", "ends")}
    elif before != rest:
        yield "order_changed", who | {"before": dict(before), "after": rest}
    for key, moment in fresh.items():
        yield "order_ended", who | {"by": key, "at": moment}
