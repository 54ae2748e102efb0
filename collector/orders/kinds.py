"""Kinds of order: one table, so that counsel can add another country's law as a row (law L-00).

`longest` runs from `starts` to `ends`. It is not counted from `issued`: an order that approves an emergency
use is issued after the use began (18 USC 3125(a)(2)), and its window may reach back to that beginning.
"""

from datetime import timedelta
from typing import NamedTuple


class OrderKind(NamedTuple):
    """What the law says about one kind of order."""

    longest: timedelta
    longest_words: str
    ended_by: tuple[str, ...]  # keys of the operation file that end it before `ends`
    renewal: str
    return_due: timedelta | None  # after the last order of a chain of extensions has ended
    statute: str


KINDS: dict[str, OrderKind] = {
    "pen-trap": OrderKind(
        longest=timedelta(days=60),
        longest_words="60 days",
        ended_by=("terminated",),
        renewal="each extension is a new order of at most 60 days that names the one it extends",
        return_due=timedelta(days=30),
        statute="18 USC 3123(c)",
    ),
    "emergency": OrderKind(
        longest=timedelta(hours=48),
        longest_words="48 hours",
        ended_by=("terminated", "obtained", "denied"),
        renewal="none: a pen-trap order follows, or the use ends",
        return_due=timedelta(days=30),
        statute="18 USC 3125(b)",
    ),
}
