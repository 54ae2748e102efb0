"""HTML that people read: what is escaped, how a number is set, tables, a round end for an axis.

A text is escaped here, at the moment in which it becomes HTML, and nowhere before. What is HTML already says so by its type.
"""

from collections.abc import Iterable, Sequence
from html import escape

Cell = str | int | None


class Markup(str):
    """A text that is HTML already, made by us."""

    __slots__ = ()


def shown(cell: Cell) -> str:
    """A cell as HTML: numbers with their thousands apart, texts escaped, nothing for None."""
    if isinstance(cell, Markup):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else escape(cell or "")


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table with its caption; columns of numbers, as the first row has them, are set to the right."""
    rows = list(rows)
    body = "".join(
        "<tr>" + "".join(f"<td{_number(cell)}>{shown(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    if not body:
        return f"<p><strong>{escape(caption)}:</strong> none.</p>"
    head = "".join(
        f'<th scope="col"{_number(cell)}>{escape(word)}</th>'
        for word, cell in zip(heads, rows[0], strict=True)
    )
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def plural(count: int, one: str, many: str = "") -> str:
    """The word that goes with a count."""
    return one if count == 1 else many or one + "s"


def round_up(count: int) -> int:
    """A round number at or above `count` that four grid lines divide."""
    step = 1
    while True:
        for factor in (4, 8, 12, 16, 20, 24, 32, 40):
            if factor * step >= count:
                return factor * step
        step *= 10


def _number(cell: Cell) -> str:
    return ' class="number"' if isinstance(cell, int) else ""
