"""What stands for a listed name where there is no room for its text: a key, which outlives the index, and a hint where the
words stand.

An index numbers its rows anew whenever the schedule changes, so a count that is to go on over a reload is kept by a key made of
operation and name. A key says nothing by itself: the hint beside it names an index and a row, and what stands there must
give the same key again.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from collector.orders.index import MARKER, Index

ROW_BITS = 32


class Entry(NamedTuple):
    """A listed name of an operation; the schedule's words."""

    operation: str
    domain: str


def key_of(entry: Entry) -> int:
    """64 bits that stand for it; never 0."""
    text = f"{entry.operation}\0{entry.domain}".encode("ascii")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little") or 1


def entry_at(index: Index, row: int) -> Entry:
    """Whom a row of an index lists. ValueError where it is none that lists anybody."""
    if not 0 <= row < index.count or index.terms_of_rows[row] == MARKER:
        raise ValueError(f"row {row}: none of the {index.count} rows that list a name")
    operation = index.operations[index.operations_of_terms[index.terms_of_rows[row]]]
    return Entry(operation, index.name(row).decode("ascii"))


def hint_of(index: Index, row: int) -> int:
    """Where an entry's words stand: which index, and the row."""
    return index.tag << ROW_BITS | row


def entry_of(key: int, hint: int, indexes: Iterable[Index]) -> Entry | None:
    """The words of a key; None where none of these indexes has them at the hint's place."""
    for index in indexes:
        if index.tag == hint >> ROW_BITS:
            try:
                entry = entry_at(index, hint & (1 << ROW_BITS) - 1)
            except ValueError:
                continue
            if key_of(entry) == key:
                return entry
    return None
