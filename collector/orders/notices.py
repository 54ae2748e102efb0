"""Which answers carry a public notice (service by publication), and which counter counts each.

A counter outlives the rules that it was counted under: at a reload some workers still serve the old notice while others serve
the new one. So a notice's cell follows from what it is, operation and answer, not from its place in the rules; only two
notices of one set of rules that fall on the same cell move on to the next free one.
"""

import hashlib
from collections.abc import Sequence

from collector.ground.counters import NOTICE_CELLS


def has_notice(answer: bytes) -> bool:
    """Whether anything follows the head."""
    return not answer.endswith(b"\r\n\r\n") and bool(answer)


def answer_digest(answer: bytes) -> str:
    """The SHA-256 by which the audit log names an answer, in hex."""
    return hashlib.sha256(answer).hexdigest()


def notice_cells(operations: Sequence[str], answers: Sequence[bytes]) -> dict[int, int]:
    """By number of each operation with a notice, its cell. Beyond NOTICE_CELLS of them the rest goes uncounted."""
    wanted = sorted(
        (answer_digest(name.encode() + b"\0" + answer), number)
        for number, (name, answer) in enumerate(zip(operations, answers, strict=True))
        if has_notice(answer)
    )
    cells: dict[int, int] = {}
    taken: set[int] = set()
    for digest, number in wanted[:NOTICE_CELLS]:
        cell = int(digest[:8], 16) % NOTICE_CELLS
        while cell in taken:
            cell = (cell + 1) % NOTICE_CELLS
        taken.add(cell)
        cells[number] = cell
    return cells
