"""Check-ins that should not have come, counted by listed entry in memory that all of Pentrap's processes share.

A check-in for a name that is listed as `block`, or out of date, is answered and leaves no record (D-10). That it came says that
a registry did not do what the court ordered, so it leaves a number: for the schedule's own entry and the UTC day. Nothing else
has room here: no address, no name of the wire's, no time of day. Each worker has a table, which it alone writes:

    0      u64   check-ins counted here since the table was made
    8, 16  u64   those of an even and of an odd day whose entry found no free cell
    24     u64   zero
    32           SETS x WAYS cells of 32 bytes
                     u64  key: stands for operation and listed name (orders/entries.py); 0: the cell is free
                     u64  hint: in which index, and in which of its rows, the words of the key stand
                     u64  how many on an even day
                     u64  how many on an odd day

A number is one word: the day since 1970 in its upper 16 bits, how many in the 48 below. It is written at once, so no reader
ever sees one day's number as another's; and reading it twice counts nothing twice, so the clerk may die at any moment. An
entry has the WAYS cells of one set to look for a place in; a cell that counted neither today nor yesterday may be taken over.
Keys outlive a reload, and a worker's table outlives the worker.

Downsides: beyond WAYS entries of one set on two days the rest is a sum without names; a worker that is killed between the
two writes of one count leaves the sum at the top one short. The table is of fixed size, SETS x WAYS entries, 2 MiB a worker,
of which only what is touched is there.
"""

import mmap

SETS = 4096
WAYS = 16
CELL_BYTES = 32
HEAD_BYTES = 32
TABLE_BYTES = HEAD_BYTES + SETS * WAYS * CELL_BYTES
DAY_BITS = 48
"""Where the day begins in a number's word."""
COUNT_MASK = (1 << DAY_BITS) - 1
DAY_MASK = 0xFFFF
"""Days up to the year 2149."""

_HEAD = HEAD_BYTES // 8
_CELL = CELL_BYTES // 8
_SET = WAYS * _CELL


class Unexpected:
    """One worker's table. `count` is the worker's, everything else anybody's."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._words = memory.cast("Q")

    @property
    def total(self) -> int:
        """How many were counted since the table was made."""
        return self._words[0]

    def count(self, key: int, hint: int, day: int) -> None:
        """One check-in for an entry on a UTC day (days since 1970)."""
        words = self._words
        day &= DAY_MASK
        at = self._cell(key, day)
        if at:
            words[at + 1] = hint  # after a reload the entry stands in another index
        slot = (at + 2 if at else 1) + (day & 1)
        number = words[slot]
        words[slot] = (number if number >> DAY_BITS == day else day << DAY_BITS) + 1
        words[0] += 1  # last: whoever sees it sees the rest

    def read(self) -> tuple[bytes, bytes]:
        """The table twice, one copy after the other: a cell of the first holds where both have the same key in it."""
        return bytes(self._memory), bytes(self._memory)

    def _cell(self, key: int, day: int) -> int:
        """Where the key's cell begins, in words; 0 where there is none to be had."""
        words = self._words
        first = _HEAD + key % SETS * _SET
        free = 0
        for at in range(first, first + _SET, _CELL):
            found = words[at]
            if found == key:
                return at
            if not free and (not found or max(words[at + 2], words[at + 3]) >> DAY_BITS < day - 1):
                free = at
        if free:
            words[free] = words[free + 2] = words[free + 3] = 0
            words[free] = key
        return free


def tables(workers: int) -> list[Unexpected]:
    """A table for each worker, in a mapping that is made before the processes are."""
    size = -(-TABLE_BYTES // mmap.PAGESIZE) * mmap.PAGESIZE
    view = memoryview(mmap.mmap(-1, workers * size))
    return [Unexpected(view[n * size : n * size + TABLE_BYTES]) for n in range(workers)]
