"""What one schedule's index has and another has not, for an officer who is about to put a new one in force.

Both indices stand in the order of their buckets, which are the low bits of a checksum of the name. So the names that
share some low bits are a few neighbouring stretches of either file, whatever their sizes, and can be compared by
themselves: memory stays at one part of the two, and 2.4 million rows beside 2.4 million take seconds
(loadtest/size.py says how many).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate
from operator import sub
from typing import NamedTuple

from collector.ground.codes import Action
from collector.orders.index import MARKER, WINDOW, Index

PART_ROWS = 64
"""Rows compared at a time, about: few enough that most parts of a schedule that grew are equal and done with at a glance."""
NAMED_MAX = 5
"""Domains named of each kind of change; the rest is a count."""


class Listing(NamedTuple):
    """What a schedule says about a domain, in words and numbers that do not depend on the index."""

    operation: str
    family: str
    action: str
    registry: str
    from_us: int
    until_us: int
    in_us: int
    out_us: int


class DomainChange(NamedTuple):
    """A domain of one operation whose rows are not the same: `before` or `after` may be empty, not both."""

    domain: str
    before: tuple[Listing, ...]
    after: tuple[Listing, ...]

    @property
    def word(self) -> str:
        """added, taken away or changed."""
        return "added" if not self.before else "changed" if self.after else "taken away"

    @property
    def listing(self) -> Listing:
        """What stands for it in counts: its first row after the change, else before."""
        return (self.after or self.before)[0]


class Tally:
    """Counts of changes by word, operation, action and family, with the first names of each word."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str, str]] = Counter()
        self.first: dict[str, list[str]] = {}

    def add(self, change: DomainChange) -> None:
        """Count one more."""
        listing, word = change.listing, change.word
        self.counts[word, listing.operation, listing.action, listing.family] += 1
        names = self.first.setdefault(word, [])
        if len(names) < NAMED_MAX or change.domain < names[-1]:
            names.append(change.domain)
            names.sort()
            del names[NAMED_MAX:]

    def of(self, word: str) -> int:
        """How many domains were added, taken away or changed."""
        return sum(count for (which, *_), count in self.counts.items() if which == word)


def domain_changes(before: Index, after: Index) -> Iterator[DomainChange]:
    """Every domain whose listing differs, one operation's at a time, in no order that a person would know."""
    numbers: dict[Listing | None, int] = {None: MARKER}
    sides = [_Side(index, numbers) for index in (before, after)]
    listings = list(numbers)
    small = min(side.buckets for side in sides)
    rows = max(before.count, after.count, 1)
    step = max(1, small * PART_ROWS // rows)
    for low in range(0, small, step):
        old_stretch, new_stretch = (side.stretches(low, min(low + step, small), small) for side in sides)
        if old_stretch == new_stretch:
            continue
        old, new = _rows(old_stretch), _rows(new_stretch)
        gone, come = old - new, new - old
        if gone or come:
            yield from _changes(gone, come, old, new, listings)


Stretch = tuple[bytes, list[int], list[int]]
"""Neighbouring rows: their names without separators, each one's length, each one's number of a listing."""
Row = tuple[bytes, int]
"""A name and the number of its listing."""


class _Side:
    """One of the two indices, its terms numbered as the other's are."""

    def __init__(self, index: Index, numbers: dict[Listing | None, int]) -> None:
        self._index = index
        self.buckets = len(index.buckets) - 1
        self._number_of_term = [numbers.setdefault(listing, len(numbers)) for listing in _listings(index)]

    def stretches(self, low: int, high: int, of: int) -> list[Stretch]:
        """The rows whose bucket, in a table of `of` buckets, is from `low` up to `high`."""
        index, number_of = self._index, self._number_of_term.__getitem__
        found = []
        for base in range(0, self.buckets, of):
            first, beyond = index.buckets[base + low], index.buckets[base + high]
            offsets = index.name_offsets[first : beyond + 1].tolist()
            numbers = list(map(number_of, index.terms_of_rows[first:beyond]))
            found.append(
                (index.names[offsets[0] : offsets[-1]], list(map(sub, offsets[1:], offsets)), numbers)
            )
        return found


def _rows(stretches: list[Stretch]) -> set[Row]:
    """As a set; markers left out."""
    return {
        (names[end - length : end], number)
        for names, lengths, numbers in stretches
        for end, length, number in zip(accumulate(lengths), lengths, numbers, strict=True)
        if number != MARKER
    }


def _changes(
    gone: set[Row], come: set[Row], old: set[Row], new: set[Row], listings: list[Listing | None]
) -> Iterator[DomainChange]:
    """The rows that differ, gathered by name and operation, with what else either side has of those."""
    touched = {name for name, _ in gone} | {name for name, _ in come}
    differing = {(name, _operation(listings, number)) for name, number in (*gone, *come)}
    sides = [_gather(rows, touched, listings) for rows in (old, new)]
    for name, operation in sorted(differing):
        before, after = (side.get((name, operation), ()) for side in sides)
        yield DomainChange(name.decode("ascii"), tuple(before), tuple(after))


def _gather(
    rows: Iterable[Row], names: set[bytes], listings: list[Listing | None]
) -> dict[tuple[bytes, str], list[Listing]]:
    found: dict[tuple[bytes, str], list[Listing]] = {}
    for name, number in rows:
        listing = listings[number]
        if name in names and listing is not None:
            found.setdefault((name, listing.operation), []).append(listing)
    for group in found.values():
        group.sort(key=lambda listing: listing.from_us)
    return found


def _operation(listings: list[Listing | None], number: int) -> str:
    listing = listings[number]
    return listing.operation if listing else ""


def _listings(index: Index) -> Iterator[Listing | None]:
    """What each term of an index says; None for the marker."""
    windows = WINDOW.iter_unpack(index.term_windows)
    for term, (in_us, out_us, operation) in enumerate(windows):
        if term == MARKER:
            yield None
            continue
        yield Listing(
            index.operations[operation],
            index.families[index.families_of_terms[term]],
            Action(index.actions_of_terms[term]).name.lower(),
            index.registries[index.registries_of_terms[term]],
            index.term_from[term],
            index.term_until[term],
            in_us,
            out_us,
        )
