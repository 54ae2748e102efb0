"""An answer on stdout: a table cut to the terminal, CSV, or JSON."""

import csv
import itertools
import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Literal

from collector.custody.views import Answer

Form = Literal["table", "lines", "csv", "json"]
Count = Callable[[], None]
ROWS_MIN, ROWS_MAX = 10, 200
CELL_MAX = 64
"""Characters of a cell in a table; IPv6 addresses and stream names fit."""
_AROUND = 6
"""Lines of the terminal that are not rows."""


def show(answer: Answer, form: Form) -> int:
    """Print it; how many rows there are."""
    if form == "csv":
        return _csv(answer)
    if form == "json":
        return _json(answer)
    columns, lines = shutil.get_terminal_size((120, 40))
    rows_max = min(max(lines - _AROUND, ROWS_MIN), ROWS_MAX)
    if form == "lines":
        rows_max = max(1, rows_max // (len(answer.columns) + 1))
    rows = iter(answer)
    shown = [[_cell(value) for value in row] for row in islice(rows, rows_max)]
    if form == "lines":
        hidden = 0
        _print_lines(answer.columns, shown)
    else:
        hidden = _print_table(answer.columns, shown, columns)
    sys.stdout.flush()
    count = len(shown) + sum(1 for _ in rows)
    print(_footing(count, len(shown), len(answer.columns), hidden), flush=True)
    return count


def _csv(answer: Answer) -> int:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    count = 0
    for row in answer:
        writer.writerow(["" if value is None else value for value in row])
        count += 1
    sys.stdout.flush()
    return count


def _json(answer: Answer) -> int:
    """Of columns with one name the later ones are told as name_1, name_2; numbers that JSON has not, as their names."""
    names = _apart(answer.columns)
    count = 0
    for row in answer:
        sys.stdout.write(",\n" if count else "[\n")
        sys.stdout.write(json.dumps(dict(zip(names, map(_number, row), strict=True)), allow_nan=False))
        count += 1
    print("\n]" if count else "[]", flush=True)
    return count


def _apart(columns: Sequence[str]) -> list[str]:
    """Names of which none is there twice; those that are alone keep theirs."""
    taken = set(columns)
    found: dict[str, None] = {}
    for name in columns:
        numbered = (f"{name}_{number}" for number in itertools.count(1))
        apart = next(one for one in numbered if one not in taken) if name in found else name
        taken.add(apart)
        found[apart] = None
    return list(found)


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _cell(value: Any) -> str:
    text = "" if value is None else "true" if value is True else "false" if value is False else str(value)
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 1] + "…"


def _print_table(names: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> int:
    """Print as many columns as fit; how many did not."""
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    fitting, used = 0, 0
    for width in widths:
        if fitting and used + width + 2 > room:
            break
        used += width + 2
        fitting += 1
    for row in (names, ["─" * width for width in widths], *rows):
        cells = (cell.ljust(width) for cell, width in zip(row[:fitting], widths, strict=False))
        print("  ".join(cells).rstrip())
    return len(names) - fitting


def _print_lines(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(len, names))
    for row in rows:
        print(
            "\n".join(f"{name:>{width}}  {cell}" for name, cell in zip(names, row, strict=True)), end="\n\n"
        )


def _footing(count: int, shown: int, columns: int, hidden: int) -> str:
    words = [f"{count:,} row{'s' if count != 1 else ''}"]
    if shown < count:
        words.append(f"first {shown} shown")
    if hidden:
        words.append(f"{columns - hidden} of {columns} columns fit; .lines shows all")
    return f"({', '.join(words)})"
