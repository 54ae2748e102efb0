"""Check-ins minute by minute over the last day, for the status page's pictures: bounded memory, and a clerk's death costs none.

The board counts since the start of `serve`; a minute is what its counts rose by between the clerk's looks, two a second. What
came while no clerk looked is spread evenly over the minutes it may have come in, to the unit. A minute in which no collector
ran is None, which is not the same as none that checked in.

    data_dir/minute-counts.json   {"run": …, "columns": […], "last": […], "looked": …, "minutes": {"29921760": [850, …], …}}

Written once a minute (some 40 KB, not synced: it is a picture, and the counts that matter stand elsewhere). `last` are the
board's counts that `minutes` go up to, so that another clerk of the same run goes on from there; `looked` is the minute
of that look. A file that cannot be read is begun anew.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from collector.ground import files
from collector.ground.codes import Fate
from collector.ground.counters import CELL, FATE_0, Board
from collector.manage.status.look import MINUTE_COLUMNS, Minute

MINUTE_US = 60_000_000
MINUTES_KEPT = 24 * 60
SPREAD_MAX = 60
"""Minutes without a clerk over which what came is spread; over longer ones the clock was set, or nobody knows."""


class MinuteCounts:
    """Look with `note`, from one thread; ask with `last`, from any."""

    def __init__(self, path: Path, board: Board) -> None:
        self._path, self._board = path, board
        self._minutes: dict[int, Minute] = {}
        self._last = (0,) * len(MINUTE_COLUMNS)
        self._looked: int | None = None
        self._saved: int | None = None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            self._take_up(json.loads(path.read_bytes()))

    def note(self, now_us: int, *, stopping: bool = False) -> None:
        """Add what came since the last look."""
        minute = now_us // MINUTE_US
        now = _read(self._board)
        # Gauges of the kernel begin anew with another clerk; nothing here ever counts backwards.
        came = [max(0, new - old) for new, old in zip(now, self._last, strict=True)]
        first = minute if self._looked is None else self._looked
        first = first if 0 < minute - first <= SPREAD_MAX else minute
        for number in range(first, minute + 1):
            share = [_share(count, number - first, minute - first + 1) for count in came]
            before = self._minutes.get(number, (0,) * len(share))
            self._minutes[number] = tuple(old + new for old, new in zip(before, share, strict=True))
        self._last, self._looked = now, minute
        for old in [number for number in self._minutes if not minute - MINUTES_KEPT < number <= minute]:
            del self._minutes[old]
        if stopping or minute != self._saved:
            self._save(minute)

    def last(self, now_us: int) -> tuple[Minute | None, ...]:
        """The last MINUTES_KEPT minutes, the present one last; None where no collector ran."""
        minute = now_us // MINUTE_US
        known = dict(self._minutes)
        return tuple(known.get(number) for number in range(minute - MINUTES_KEPT + 1, minute + 1))

    def _take_up(self, kept: dict[str, Any]) -> None:
        if kept["columns"] != list(MINUTE_COLUMNS):
            return
        width = len(MINUTE_COLUMNS)
        minutes = {int(number): tuple(map(int, counts)) for number, counts in kept["minutes"].items()}
        last, looked = tuple(map(int, kept["last"])), int(kept["looked"])
        if len(last) != width or any(len(counts) != width for counts in minutes.values()):
            return
        self._minutes = minutes
        if kept["run"] == self._board.run:
            self._last, self._looked = last, looked

    def _save(self, minute: int) -> None:
        content = {
            "run": self._board.run,
            "columns": MINUTE_COLUMNS,
            "last": self._last,
            "looked": self._looked,
            "minutes": self._minutes,
        }
        encoded = json.dumps(content, separators=(",", ":")).encode()
        self._saved = minute
        with contextlib.suppress(OSError):  # a full disk: kept in memory, written at a later minute
            files.publish_bytes(self._path, encoded, durable=False)


def _read(board: Board) -> Minute:
    """The board's counts by column."""
    counts = board.total()
    columns = dict.fromkeys(MINUTE_COLUMNS, 0)
    for fate in Fate:
        group, _, reason = fate.name.lower().partition("_")
        columns[group] += counts[FATE_0 + fate]
        if group == "dropped":
            columns[reason] = counts[FATE_0 + fate]
    columns["kernel"] = counts[CELL["kernel_dropped_tcp"]] + counts[CELL["kernel_dropped_udp"]]
    columns["refusals"] = counts[CELL["fsync_errors"]]
    columns["corrupt"] = counts[CELL["corrupt_blocks"]]
    return tuple(columns.values())


def _share(count: int, place: int, parts: int) -> int:
    """The part of a count that falls to one of several equal places; all of them add up to it."""
    return count * (place + 1) // parts - count * place // parts
