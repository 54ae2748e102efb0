"""Which order of one operation is in force at an instant, precomputed so that asking costs one bisection.

Orders of an operation may overlap; the record belongs to the one that starts earliest, then to the smaller
id (law L-09). Between two edges that choice cannot change, so it is made once per interval, at load.
"""

from collections.abc import Sequence
from typing import NamedTuple


class OrderWindow(NamedTuple):
    """An order as far as deciding needs it: in force in [starts_us, ends_us); empty when ended before it
    began.
    """

    id: str
    number: int
    operation: int
    kind: str
    starts_us: int
    ends_us: int
    volume: bool
    extends: str | None = None
    return_due_us: int | None = None
    """When the court has to have the return: after the end of the whole chain; None: by no law, or rules of format 1."""


Rank = tuple[int, str]
"""What settles between orders: the earliest `starts`, then the id."""


def rank(order: OrderWindow) -> Rank:
    """Smaller comes first."""
    return order.starts_us, order.id


def timeline(orders: Sequence[OrderWindow]) -> tuple[list[int], list[OrderWindow | None]]:
    """(edges, choices): at `now` the order in force is `choices[bisect_right(edges, now)]`, None where
    there is none.
    """
    lasting = sorted((order for order in orders if order.starts_us < order.ends_us), key=rank)
    edges = sorted({edge for order in lasting for edge in (order.starts_us, order.ends_us)})
    choices = [
        next((order for order in lasting if order.starts_us <= edge < order.ends_us), None) for edge in edges
    ]
    return edges, [None, *choices]
