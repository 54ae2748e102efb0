"""How many addresses were there, by family and by country: aggregates that single nobody out.

A count below FEW is None from here on: it cannot be shown by whatever shows it. The sum over everything is rounded down, or the
one country that is not told would follow from the others. An address is not a machine (NAT, DHCP), and one that sent a single
datagram may be forged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

FEW = 10
"""Counts of addresses below this are not told: one household or company might be known by them."""
SHOWN = 10
"""Names in a ranking; the others are counted as names only."""


@dataclass(frozen=True)
class Ranked:
    """Distinct addresses by name, most first; None: fewer than FEW. `more` names are left out."""

    rows: tuple[tuple[str, int | None], ...] = ()
    more: int = 0


@dataclass(frozen=True)
class Victims:
    """Distinct addresses that were recorded since a moment (seconds since 1970), at most a day ago."""

    since: float = 0.0
    addresses: int | None = 0
    """Rounded down; None: fewer than FEW, but some."""
    at_least: bool = False
    """There were more than are counted."""
    families: Ranked = field(default_factory=Ranked)
    countries: Ranked | None = None
    """None: no geo database is configured. An unknown country has the name ""."""


def told(count: int) -> int | None:
    """A count as it may be told."""
    return count if not 0 < count < FEW else None


def rounded(count: int) -> int | None:
    """A sum as it may be told: two digits of it, of tens only one."""
    if count < 10 * FEW:
        return count // FEW * FEW if told(count) is not None else None
    step: int = 10 ** (len(str(count)) - 2)
    return count // step * step


def ranked(counts: Mapping[str, int]) -> Ranked:
    """Most first; those that are not told come last by name, so that their order says nothing either."""
    known = [(name, told(count)) for name, count in counts.items() if count]
    rows = sorted(known, key=lambda row: (-(row[1] or 0), row[0]))
    return Ranked(tuple(rows[:SHOWN]), max(0, len(rows) - SHOWN))
