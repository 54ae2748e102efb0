"""Kinds of order: one table, so that counsel can add another country's law as a row (law L-00).

The longest window runs from `starts` to `ends`. It is not counted from `issued`: an order that approves an
emergency use is issued after the use began (18 USC 3125(a)(2)), and its window may reach back to that
beginning. Whatever else is said about a kind anywhere (errors, notes, dates due) is read from its row; a
test adds a row and needs nothing else.
"""

import calendar
from datetime import datetime, timedelta
from typing import NamedTuple


class OrderKind(NamedTuple):
    """What the law says about one kind of order."""

    longest: timedelta
    longest_words: str
    ended_by: tuple[str, ...]
    """Keys of the operation file that end it before `ends`: of terminated, obtained, denied."""
    extends: tuple[str, ...]
    """Kinds of order that this one may extend."""
    renewal: str
    return_due: timedelta | None
    """After the last order of a chain of extensions has ended; None: no return to a court."""
    statute: str
    longest_months: int = 0
    """Calendar months before `longest` is added, for laws that count so: from the 31st of a month one month
    lasts to the last day of the next (BGB § 188(3)).
    """

    def latest_end(self, starts: datetime) -> datetime:
        """The latest lawful `ends` of an order that starts then."""
        month = starts.month - 1 + self.longest_months
        year, month = starts.year + month // 12, month % 12 + 1
        day = min(starts.day, calendar.monthrange(year, month)[1])
        return starts.replace(year=year, month=month, day=day) + self.longest


KINDS: dict[str, OrderKind] = {
    "pen-trap": OrderKind(
        longest=timedelta(days=60),
        longest_words="60 days",
        ended_by=("terminated",),
        extends=("pen-trap", "emergency"),
        renewal="each extension is a new order of at most 60 days that names the one it extends",
        return_due=timedelta(days=30),
        statute="18 USC 3123(c)",
    ),
    "emergency": OrderKind(
        longest=timedelta(hours=48),
        longest_words="48 hours",
        ended_by=("terminated", "obtained", "denied"),
        extends=(),
        renewal="none: a pen-trap order follows, or the use ends",
        return_due=timedelta(days=30),
        statute="18 USC 3125(b)",
    ),
}

ENDINGS = ("terminated", "obtained", "denied")
"""Every key that may end an order; which ones end which kind, its row says."""
