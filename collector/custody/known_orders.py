"""Every order that anything may have been recorded under, as far as custody needs it: whose it is, when it ended, what it
extends, how long its rows stay.

The audit log says it: what was loaded, not what stands in a file that nobody has put in force yet. It never forgets an order;
one that is in no file any more ended at the latest when it was removed. A file adds only what the log has never heard of.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from collector.audit.ledger import Ledger
from collector.orders.instants import NEVER_US, parse_us
from collector.orders.kinds import ENDINGS
from collector.orders.operation import Operation


class KnownOrder(NamedTuple):
    """One order. [starts_us, ends_us) is its final window, whatever ended it; `retention_days` None: nothing says it."""

    id: str
    operation: str
    starts_us: int
    ends_us: int
    extends: str | None
    retention_days: int | None


def known_orders(ledger: Ledger, operations: Iterable[Operation] = ()) -> dict[str, KnownOrder]:
    """By id: those of the log, and those that stand in a file only."""
    entered = ledger.former_orders | ledger.orders
    known = {order_id: _entered(order_id, facts) for order_id, facts in entered.items()}
    for operation in operations:
        for order in operation.orders:
            known.setdefault(
                order.id,
                KnownOrder(
                    order.id,
                    operation.name,
                    order.starts_us,
                    order.ends_us,
                    order.extends,
                    order.retention_days,
                ),
            )
    return known


def _entered(order_id: str, facts: Mapping[str, Any]) -> KnownOrder:
    texts = [facts[key] for key in ("ends", *ENDINGS) if facts.get(key)]
    moments = [moment for text in texts if (moment := parse_us(text)) is not None]
    if "removed_us" in facts:
        moments.append(facts["removed_us"])
    return KnownOrder(
        order_id,
        facts["operation"],
        parse_us(facts.get("starts", "")) or 0,
        min(moments, default=NEVER_US),
        facts.get("extends"),
        facts.get("retention_days"),
    )
