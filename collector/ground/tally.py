"""Counters whose labels are not known before they occur, in shared memory: they outlive the process that counts.

    0    u64  slots in use
    8    slots of SLOT_SIZE bytes: a u64, the count; then the labels in UTF-8, each followed by a NUL; zeros

One process at a time counts, any may read. A slot's labels stand before it is in use, and a count is one aligned word: a
process killed in between leaves every count as it was or one further, and its successor goes on from there.

Labels come from the configuration, so their number is bounded; should it be more than SLOTS all the same, what finds no slot is
counted as `other`.
"""

from struct import Struct

SLOTS = 4096
"""Of one tally: with 16 statuses, 250 partners. 512 KiB of address space, of which memory is used where something counts."""
LABEL_BYTES_MAX = 120
SLOT_SIZE = 8 + LABEL_BYTES_MAX
SIZE = 8 + SLOTS * SLOT_SIZE
OTHER = "other"

_COUNT = Struct("@Q")


class Tally:
    """One metric's counters, by their `width` labels."""

    def __init__(self, memory: memoryview, width: int) -> None:
        self._memory = memory
        self._words = memory.cast("Q")
        self._width = width
        self._places: dict[tuple[str, ...], int] = {}
        """Where this process counts labels, as far as it has read the slots; another may have made more."""
        self._read = 0

    def add(self, labels: tuple[str, ...], by: int = 1) -> None:
        """Count. Labels of together more than LABEL_BYTES_MAX bytes are no configuration's: ValueError."""
        self._words[self._slot(labels) // 8] += by

    def items(self) -> list[tuple[tuple[str, ...], int]]:
        """Labels and count of every slot in use."""
        return [(self._labels(at), self._words[at // 8]) for at in map(_place, range(self._words[0]))]

    def _slot(self, labels: tuple[str, ...]) -> int:
        place = self._places.get(labels)
        if place is None:
            used = self._words[0]
            self._places |= {self._labels(at): at for at in map(_place, range(self._read, used))}
            self._read = used
            place = self._places.get(labels)
        if place is None:
            place = self._places[labels] = self._make(labels)
        return place

    def _make(self, labels: tuple[str, ...]) -> int:
        used = self._words[0]
        rest = (OTHER,) * self._width
        if used >= SLOTS - 1 and labels != rest:
            return self._slot(rest)
        text = "".join(f"{label}\0" for label in labels).encode()
        if len(text) > LABEL_BYTES_MAX:
            raise ValueError(f"labels of {len(text)} bytes, and a slot has room for {LABEL_BYTES_MAX}")
        place = _place(used)
        self._memory[place + 8 : place + 8 + len(text)] = text
        self._words[0] = used + 1
        return place

    def _labels(self, place: int) -> tuple[str, ...]:
        parts = bytes(self._memory[place + 8 : place + SLOT_SIZE]).split(b"\0", self._width)
        return tuple(part.decode() for part in parts[: self._width])


def _place(number: int) -> int:
    return 8 + number * SLOT_SIZE
