"""The second equation (contract), to the unit: recorded = delivered to at least one partner + withheld, by reason.

    no_annex         no annex gives the row's order to anybody, or the order as it stands now does not cover the row's time
    filtered         every annex that gives the order leaves this row out
    unknown_country  the same, and one would have given it had its country been known
    quarantined      the row's segment was set aside and destroyed, or the row was found wrong and withdrawn

It is of the whole day, over all orders and all partners, whoever a manifest is for. Each term is counted on its own; that they
add up is then a finding, not a definition.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from collector.exports import query
from collector.exports.engine import Engine
from collector.exports.kinds import Entitlement
from collector.exports.manifest import Rows
from collector.exports.source import DaySource
from collector.ground.errors import CorruptError


class Counted(NamedTuple):
    """The day's rows by outcome, and each entitlement's share."""

    rows: Rows
    of: Mapping[Entitlement, int]


def count(
    engine: Engine,
    source: DaySource,
    entitlements: Sequence[Entitlement],
    windows: Mapping[str, query.Window],
    flags: Mapping[tuple[str, ...], int],
) -> Counted:
    """Count it. `relations` are named. Raises CorruptError where it does not hold, EngineError."""
    delivered, unknown, filtered, wrong = 0, 0, 0, 0
    leave_out = "withdrawn" if source.withdrawn else ""
    shares: dict[Entitlement, int] = {}
    orders = sorted({one.order for one in entitlements})
    for order in orders:
        own = [one for one in entitlements if one.order == order]
        relation = f"({query.of_order(order, windows[order], len(flags), leave_out=leave_out)})"
        [(given, without_country, left_out, *each)] = engine.rows(
            query.outcomes(relation, [predicates(one, flags) for one in own])
        )
        delivered, unknown, filtered = delivered + given, unknown + without_country, filtered + left_out
        shares |= dict(zip(own, each, strict=True))
    covered = [(order, windows[order]) for order in orders]
    [(nobodys,)] = engine.rows(query.rows_of_no_order(covered))
    if source.withdrawn:
        [(wrong,)] = engine.rows(query.withdrawn_rows("withdrawn", covered))
    recorded = source.rows + source.destroyed_rows
    withheld = {
        "no_annex": nobodys,
        "filtered": filtered,
        "unknown_country": unknown,
        "quarantined": source.destroyed_rows + wrong,
    }
    if recorded != delivered + sum(withheld.values()):
        raise _does_not_hold(source, recorded, delivered, withheld)
    return Counted(Rows(recorded=recorded, delivered=delivered, withheld=withheld), shares)


def predicates(entitlement: Entitlement, flags: Mapping[tuple[str, ...], int]) -> tuple[str, str]:
    """What is given, and what only lacks a country, as `query` has them."""
    flag = flags.get(entitlement.networks)
    return query.given(entitlement, flag), query.not_known(entitlement, flag)


def flags_of(entitlements: Iterable[Entitlement]) -> dict[tuple[str, ...], int]:
    """A number for each different list of networks."""
    lists = dict.fromkeys(one.networks for one in entitlements if one.networks)
    return {networks: number for number, networks in enumerate(lists)}


def _does_not_hold(
    source: DaySource, recorded: int, delivered: int, withheld: Mapping[str, int]
) -> CorruptError:
    terms = ", ".join(f"{reason} {rows}" for reason, rows in withheld.items())
    return CorruptError(
        "export a day",
        f"segments of {source.day.isoformat()}",
        "the second equation",
        f"recorded {recorded} by the segments' names, but delivered {delivered}, {terms} by their rows",
        "Nothing is published; pentrap verify names the segment that does not hold what its name says",
    )
