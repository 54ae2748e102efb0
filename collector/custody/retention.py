"""What of the custody set may be deleted, and why the rest stays (law.md L-33). Pure: facts in, a plan out.

The custody set is what was collected: segments, and journals that did not verify everywhere (`.damaged`). A file may go when

    its day is sealed and it is not in quarantine
    and every order that has rows in it
        is over, it and its whole chain of extensions,
        has its return delivered to the court, made after that end and with the file in it (returned.py),
        is not held,
        and keeps its rows no longer: day + retention_days is before today (UTC).

Whatever is not known (an order without its file or entry, a footer that cannot be read) keeps the file. Rules that nothing
needs any more are no part of the set (rules_kept.py). Partners' copies have a clock of their own, by order and partner.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from collector.audit.ledger import Ledger
from collector.custody.known_orders import KnownOrder
from collector.orders.chains import chains, end_of, roots
from collector.orders.instants import to_text

SEGMENT, DAMAGED = "segment", "damaged journal"
TOO_YOUNG = "no order whose return is delivered has kept its rows long enough yet"


class Holding(NamedTuple):
    """A file of the custody set. `written_us`: when its last byte was written."""

    name: str
    kind: str
    day: date
    rows: int
    size: int
    written_us: int
    sealed: bool
    aside: bool


class Staying(NamedTuple):
    """A file that must stay, and every reason."""

    holding: Holding
    reasons: tuple[str, ...]


OrdersOf = Callable[[Holding], frozenset[str] | None]
"""Which orders have rows in a file; None where that cannot be read. Asked only where it matters."""


@dataclass
class Plan:
    """What may go, what stays, and what stands in the way of each order as a whole (nothing: an empty tuple)."""

    go: list[Holding] = field(default_factory=list)
    stay: list[Staying] = field(default_factory=list)
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)


def plan(
    holdings: Iterable[Holding],
    orders_of: OrdersOf,
    known: Mapping[str, KnownOrder],
    ledger: Ledger,
    now_us: int,
    *,
    only: str = "",
    listed: Mapping[str, frozenset[str] | None] | None = None,
) -> Plan:
    """Decide about every file; with `only`, about those that have rows of that order. `listed`: see returned.py."""
    made = Plan(orders=order_obstacles(known, ledger, now_us))
    free = [known[order].retention_days or 0 for order, reasons in made.orders.items() if not reasons]
    today = _day(now_us)
    for holding in sorted(holdings):
        # Most files are too young for anything; their footers need not be read every day.
        if not only and not (free and _over(holding.day, min(free), today)):
            made.stay.append(Staying(holding, (*_file_obstacles(holding), TOO_YOUNG)))
            continue
        orders = orders_of(holding)
        if only and orders is not None and only not in orders:
            continue
        reasons = (
            *_file_obstacles(holding),
            *_row_obstacles(holding, orders, made.orders, known, ledger, listed or {}, today),
        )
        if reasons:
            made.stay.append(Staying(holding, reasons))
        else:
            made.go.append(holding)
    return made


def order_obstacles(
    known: Mapping[str, KnownOrder], ledger: Ledger, now_us: int
) -> dict[str, tuple[str, ...]]:
    """For each order, what forbids the deletion of any of its rows."""
    first = roots(known.values())
    by_chain = chains(list(known.values()))
    found = {}
    for order in known.values():
        chain = by_chain[first[order.id]]
        reasons = []
        if order.id in ledger.holds:
            reasons.append(f"{order.id} is held (entry {ledger.holds[order.id].number})")
        end_us = end_of(chain)
        if end_us > now_us:
            last = max(chain, key=lambda link: link.ends_us).id
            reasons.append(f"{last} is not over until {to_text(end_us)}")
        for link in chain:
            if link.id not in ledger.delivered:
                reasons.append(f"the court does not have the return of {link.id} yet")
            elif returned_us(ledger, link.id) < end_us:
                reasons.append(
                    f"the return of {link.id} that the court has was made before the end, {to_text(end_us)}"
                )
        if order.retention_days is None:
            reasons.append(f"how long rows of {order.id} are kept is in no operation file and not in the log")
        found[order.id] = tuple(reasons)
    return found


def returned_us(ledger: Ledger, order: str) -> int:
    """When the return that the court has of a delivered order was made."""
    delivered = ledger.delivered[order]
    made = ledger.returned.get(delivered.facts["bundle_sha256"], delivered)
    return min(made.time_us, delivered.time_us)


def _file_obstacles(holding: Holding) -> tuple[str, ...]:
    reasons = []
    if holding.aside:
        reasons.append("it is in quarantine until an officer decides")
    if not holding.sealed:
        reasons.append(f"{holding.day} is not sealed yet")
    return tuple(reasons)


def _row_obstacles(
    holding: Holding,
    orders: frozenset[str] | None,
    obstacles: Mapping[str, tuple[str, ...]],
    known: Mapping[str, KnownOrder],
    ledger: Ledger,
    listed: Mapping[str, frozenset[str] | None],
    today: date,
) -> tuple[str, ...]:
    if orders is None:
        return ("which orders have rows in it cannot be read",)
    reasons: list[str] = []
    for order_id in sorted(orders):
        order = known.get(order_id)
        if order is None:
            reasons.append(
                f"it has rows of {order_id}, an order that no operation file and no log entry knows"
            )
            continue
        reasons += obstacles[order_id]
        if order_id in ledger.delivered:
            reasons += _not_returned(holding, order_id, ledger, listed)
        if order.retention_days is not None and not _over(holding.day, order.retention_days, today):
            until = holding.day + timedelta(days=order.retention_days)
            reasons.append(f"{order_id} keeps this day until the end of {until}")
    return tuple(dict.fromkeys(reasons))


def _not_returned(
    holding: Holding, order: str, ledger: Ledger, listed: Mapping[str, frozenset[str] | None]
) -> list[str]:
    """Why a file is not in the return of an order that the court has, or may not be: no reason, or one."""
    the_return = f"the return of {order} that the court has"
    if order in listed:
        names = listed[order]
        if names is None:
            return [f"the list of the files in {the_return} is missing: restore audit/texts from a copy"]
        return [] if holding.name in names else [f"it is not in {the_return}"]
    # A return of an earlier release has no list: what the times say has to do.
    made_us = returned_us(ledger, order)
    released = ledger.released.get(holding.name)
    if holding.written_us > made_us:
        return [f"it was written after {the_return} was made"]
    if released and released.time_us > made_us:
        return [f"it was released from quarantine after {the_return} was made"]
    return []


def _over(day: date, retention_days: int, today: date) -> bool:
    return day + timedelta(days=retention_days) < today


def _day(moment_us: int) -> date:
    return datetime.fromtimestamp(moment_us // 1_000_000, UTC).date()
