"""When a domain's rows count: the schedule's dates, widened by grace (bots' clocks are wrong), never two at
once.

A domain's own dates always win over a neighbour's grace (a `block` row's too), which ends there; where two
rows' grace meets, the earlier row keeps it. `block` is never widened and never counts: it only keeps others
from it.
"""

from typing import NamedTuple

from collector.ground.codes import Action
from collector.orders.instants import ALWAYS_US, NEVER_US
from collector.orders.schedule import Term


class Span(NamedTuple):
    """A term with the window in which it counts: `in_us` to `out_us`, half-open; equal: never."""

    operation: int
    family: str
    action: int
    registry: str
    from_us: int
    until_us: int
    in_us: int
    out_us: int


def spans(terms: list[Term]) -> list[Span]:
    """The windows of one domain's rows in one operation, ordered by `from_us` and not overlapping."""
    result = []
    free_from = ALWAYS_US
    for place, term in enumerate(terms):
        next_from = terms[place + 1].from_us if place + 1 < len(terms) else NEVER_US
        if term.action == Action.BLOCK:
            in_us = out_us = free_from = term.until_us
        else:
            in_us = max(earlier(term.from_us, term.grace_us), free_from)
            out_us = free_from = min(later(term.until_us, term.grace_us), next_from)
        result.append(
            Span(
                term.operation,
                term.family,
                term.action,
                term.registry,
                term.from_us,
                term.until_us,
                in_us,
                out_us,
            )
        )
    return result


def first_overlap(terms: list[Term]) -> int | None:
    """The place of the first row that begins before its predecessor ends; rows ordered by `from_us`."""
    for place in range(1, len(terms)):
        if terms[place].from_us < terms[place - 1].until_us:
            return place
    return None


def earlier(moment_us: int, by_us: int) -> int:
    """`moment_us - by_us`; an unbounded start stays so."""
    return moment_us if moment_us == ALWAYS_US else moment_us - by_us


def later(moment_us: int, by_us: int) -> int:
    """`moment_us + by_us`; an unbounded end stays so."""
    return moment_us if moment_us == NEVER_US else moment_us + by_us
