"""Chains of extensions: orders of which each names the one that it extends.

An extension is a new order (18 USC 3123(c)(2)), so each keeps its own window and its own id; what they share is
the return, due once the last of them has ended (3123(a)(3)(B): "termination of the order (including any extensions
thereof)"). `extends` names one order, so a chain is a tree with one root: mostly a line; where a court extended one order
twice, it branches, and ends with the branch that ends last. An order that nobody extends is a chain of itself.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar


class Link(Protocol):
    """An order, as far as a chain needs it."""

    @property
    def id(self) -> str:
        """Its alias."""

    @property
    def extends(self) -> str | None:
        """The alias of the order that it extends."""

    @property
    def starts_us(self) -> int:
        """First microsecond in which it is in force."""

    @property
    def ends_us(self) -> int:
        """First microsecond in which it is not, whatever ended it."""


L = TypeVar("L", bound=Link)


class Gap(NamedTuple):
    """A time within a chain in which none of its orders is in force: [from_us, until_us)."""

    from_us: int
    until_us: int
    before: str
    """The order that ends the gap."""


def roots(orders: Iterable[Link]) -> dict[str, str]:
    """For each order's id the id of its chain's first order. A circle, which `agreement` refuses, is cut open."""
    bases = {order.id: order.extends for order in orders}
    found: dict[str, str] = {}
    for order_id, extends in bases.items():
        path = {order_id: None}
        last, base = order_id, extends
        while base in bases and base not in path and last not in found:
            path[base] = None
            last, base = base, bases[base]
        first = found.get(last, last)
        found.update(dict.fromkeys(path, first))
    return found


def chains(orders: Sequence[L]) -> dict[str, list[L]]:
    """Every chain by the id of its first order: its orders by start, then id."""
    first = roots(orders)
    made: dict[str, list[L]] = {}
    for order in sorted(orders, key=lambda order: (order.starts_us, order.id)):
        made.setdefault(first[order.id], []).append(order)
    return made


def chain_of(orders: Sequence[L], order_id: str) -> list[L]:
    """Every order tied to this one by extensions, whichever way, itself included; by start, then id."""
    return chains(orders)[roots(orders)[order_id]]


def end_of(chain: Sequence[L]) -> int:
    """When the last order of a chain ends or ended, in microseconds: a termination is an end."""
    return max(order.ends_us for order in chain)


def gaps_in(chain: Sequence[L]) -> list[Gap]:
    """Where recording pauses between a chain's orders. Orders that ended before they began fill nothing."""
    lasting = sorted(
        (order for order in chain if order.starts_us < order.ends_us),
        key=lambda order: (order.starts_us, order.id),
    )
    gaps = []
    covered = [lasting[0].ends_us] if lasting else []
    for earlier, later in pairwise(lasting):
        covered.append(max(covered[-1], earlier.ends_us))
        if later.starts_us > covered[-1]:
            gaps.append(Gap(covered[-1], later.starts_us, later.id))
    return gaps
