"""The durable calls of a run under strace, and which of them a death struck.

strace counts calls by thread and by name, all of them, so a mark set with `when=N` may strike beside itself in another run; the
trace of the dead run tells what was struck. `aimed` strikes by what a call is instead.
"""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ordeals.every_call import CALLS, NUMBERS

LINE = re.compile(r"^(?:(?P<thread>\d+) +)?(?P<call>\w+)\((?P<rest>.*)")
NAMES = (
    (re.compile(r"\.tmp-(export-)?\w{8}(?=/|$)"), r".tmp-\1"),
    *NUMBERS,
    (re.compile(r"s-[0-9a-f]{12}"), "SESSION"),
    (re.compile(r"[0-9a-f]{64}"), "SHA256"),
    (re.compile(r"\.p/\d+"), ".p/WIDTH"),
)
SHIFTS = (0, 0, 1, -1, 2, -2)
"""Added to `when`, one try after the other."""


class Point(NamedTuple):
    """One call that may leave something behind: `ordinal` counts those of the same name on the same sort of file; `when` is its
    how-manieth of that name in its thread.
    """

    call: str
    what: str
    ordinal: int
    when: int

    @property
    def mark(self) -> tuple[str, str, int]:
        """What it is, in whatever run."""
        return self[:3]

    def __str__(self) -> str:
        return f"{self.call} {self.what} #{self.ordinal}"


class Strike(NamedTuple):
    """What a death struck (None: no point), what was wrong in the files that it left, and what once the act was repeated."""

    struck: Point | None
    standing: list[str]
    repeated: list[str]


def strace(output: Path, inject: str = "", *, follow: bool = True) -> list[str]:
    """The command to put before another, or before `-p`."""
    words = ["strace", *(["-f"] if follow else []), "-y", "-s", "0", "-o", str(output)]
    words += ["-e", "trace=" + ",".join((*CALLS, "kill"))]
    return words + (["-e", f"inject={inject}"] if inject else [])


def calls_in(trace: Path, folder: Path) -> list[Point]:
    """Every call that may leave something behind in the folder, and every signal that is sent."""
    return [point for _, point in calls_of(trace.read_text().splitlines(), folder)]


def calls_of(lines: Iterable[str], folder: Path) -> Iterator[tuple[str, Point]]:
    """The same of a trace's lines as they come, each with its thread."""
    seen: Counter[tuple[str, str]] = Counter()
    marks: Counter[tuple[str, str]] = Counter()
    for line in lines:
        match = LINE.match(line)
        if match is None:
            continue
        call, rest, thread = match["call"], match["rest"], match["thread"] or ""
        seen[thread, call] += 1
        if call == "kill":
            what = rest.partition(", ")[2].partition(")")[0]
        else:
            place = rest.find(f"{folder}/")
            reading = call == "openat" and not re.search(r"O_CREAT|O_TRUNC", rest)
            if place < 0 or reading:
                continue
            what = re.split(r'[">]', rest[place + len(str(folder)) + 1 :])[0]
        for pattern, word in NAMES:
            what = pattern.sub(word, what)
        if what.startswith(("trace", "serve.log")):
            continue
        marks[call, what] += 1
        yield thread, Point(call, what, marks[call, what], seen[thread, call])


def struck_in(trace: Path, folder: Path, call: str, when: int) -> Point | None:
    """What a death at the `when`-th `call` of a thread struck; None where that is no point."""
    return next(
        (point for point in calls_in(trace, folder) if (point.call, point.when) == (call, when)), None
    )


def thinned(points: Sequence[Point], every: int) -> list[Point]:
    """All points, but of more than `every` calls of one name on one file the first, the last and each `every`-th."""
    counted = Counter((point.call, point.what) for point in points)
    return [
        point
        for point in points
        if (count := counted[point.call, point.what]) <= every
        or point.ordinal in (1, count)
        or not point.ordinal % every
    ]


def spread(points: Sequence[Point], most: int) -> list[Point]:
    """All of them, or `most` evenly, the last among them."""
    if not most or len(points) <= most:
        return list(points)
    return [points[(number + 1) * len(points) // most - 1] for number in range(most)]


def strike_all(
    listed: Sequence[Point],
    strike: Callable[[Point, int, Path], Strike],
    folder: Path,
    name: str,
    *,
    every: int,
    points_max: int = 0,
) -> dict[str, Any]:
    """Strike each point by its mark, tried again with another `when` where the death fell beside it; the figures."""
    points = spread(thinned(listed, every), points_max)
    found: dict[str, list[str]] = {"effects_without_entry": [], "not_repeatable": [], "never_struck": []}
    struck, deaths = set(), 0
    for number, point in enumerate(points):
        for attempt, shift in enumerate(SHIFTS):
            if point.mark in struck:
                break
            where = folder / f"{number}-{attempt}"
            one = strike(point, max(1, point.when + shift), where)
            shutil.rmtree(where)
            deaths += 1
            if one.struck is not None:
                struck.add(one.struck.mark)
            at = one.struck or f"beside {point}"
            found["effects_without_entry"] += [f"{at}: {line}" for line in one.standing]
            found["not_repeatable"] += [f"{at}: {line}" for line in one.repeated]
        if point.mark not in struck:
            found["never_struck"].append(str(point))
        if sys.stderr.isatty():
            print(f"\r\033[K{name}  {number + 1} of {len(points)}", end="", file=sys.stderr, flush=True)
    summary = {key: len(value) for key, value in found.items()}
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{clear}{name}: {len(points)} points, {summary}", file=sys.stderr, flush=True)
    hit = sum(point.mark in struck for point in points)
    return {"calls": len(listed), "points": len(points), "struck": hit, "deaths": deaths, **found}


def holds(figures: dict[str, Any]) -> bool:
    """Whether every point was struck and nothing was wrong."""
    wrong = (*figures["effects_without_entry"], *figures["not_repeatable"], *figures["never_struck"])
    return bool(figures["points"]) and figures["struck"] == figures["points"] and not wrong
