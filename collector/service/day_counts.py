"""What a day's marker says beside its segments: the first equation by UTC day, kernel drops, how far to believe the clock.

The board counts since the start of `serve`; a day is what its counts rose by between two midnights, as the clerk's looks find
them (one a second: a check-in in the last second before midnight may count for the day after). Connections open at midnight
belong to both days: accepted counts those that were open when the day began.

    data_dir/day-counts.json   {"run": …, "saved_us": …, "stopped": …, "last": {…}, "days": {"2026-11-22": {…}}}

`last` are the board's counts that `days` go up to. A clerk that died goes on from there, since the board outlives it. Where
everything died, what was counted after the last save is lost, and the days it may concern say so: no equation is stated
for them, rather than one that does not hold. Where the file cannot be read it is begun anew, and today, yesterday and what
was not sealed before state none.
"""

import contextlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from collector.ground import files, logs
from collector.ground.clock import ClockWatch, kernel_clock
from collector.ground.codes import Fate, Transport
from collector.ground.counters import CELL, Board
from collector.journal.format import MICROSECONDS_A_DAY

SAVE_US = 10_000_000
"""At most this much is lost where everything dies at once."""
SAVE_UNCHANGED_US = 600_000_000
DAYS_KEPT = 40
"""Days stay known this long, for one that cannot be sealed yet; the marker has what was sealed."""
_FATES = {fate.name.lower(): CELL[f"fate_{fate.name.lower()}"] for fate in Fate}
_DROPS = {transport.name.lower(): CELL[f"kernel_dropped_{transport.name.lower()}"] for transport in Transport}


class DayCounts:
    """Look with `note`; ask with `of`. One thread at a time."""

    def __init__(self, path: Path, board: Board, now_us: int) -> None:
        self._path, self._board = path, board
        self._watch = ClockWatch(require_sync=False)
        self._steps = 0
        self._days: dict[str, dict[str, Any]] = {}
        self._last = _nothing()
        self.unreadable = ""
        """Why the file could not be used, where it could not."""
        try:
            self._take_up(json.loads(path.read_bytes()), now_us)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.unreadable = logs.place(error)
            self._know_nothing_of(_days_between(now_us - MICROSECONDS_A_DAY, now_us))
        self._saved_us = 0
        self._changed = self._urgent = False

    def note(self, now_us: int, *, stopping: bool = False) -> None:
        """Add what came since the last look to today."""
        now = self._read()
        day = self._day(_day_of(now_us))
        day["accepted"] += now["accepted"] - self._last["accepted"]
        for name in _FATES:
            day["fates"][name] += now["fates"][name] - self._last["fates"][name]
        for name in _DROPS:
            day["kernel_dropped"][name] += max(0, now["dropped"][name] - self._last["dropped"][name])
        day["open"] = now["open"]
        self._changed |= now != self._last
        self._urgent |= now["dropped"] != self._last["dropped"]  # rare, and nothing else knows of them
        self._last = now
        self._note_clock(day["clock"])
        after = 0 if stopping or self._urgent else SAVE_US if self._changed else SAVE_UNCHANGED_US
        if now_us - self._saved_us >= after:
            self._save(now_us, stopped=stopping)

    def of(self, day: date) -> dict[str, Any]:
        """What the marker says of a day: kernel_dropped, checkins (None where they are not known whole), clock (or None)."""
        found = self._days.get(day.isoformat())
        if found is None:
            return {"kernel_dropped": dict.fromkeys(_DROPS, 0), "checkins": None, "clock": None}
        accepted = found["open_before"] + found["accepted"]
        balanced = accepted == sum(found["fates"].values()) + found["open"]
        checkins = {"accepted": accepted, "open": found["open"], "fates": found["fates"]}
        return {
            "kernel_dropped": found["kernel_dropped"],
            "checkins": checkins if found["whole"] and balanced else None,
            "clock": found["clock"],
        }

    def _take_up(self, kept: dict[str, Any], now_us: int) -> None:
        last, saved_us = kept["last"], int(kept["saved_us"])
        if not _has_the_form_of(last, _nothing()):
            raise ValueError("counts of another form")
        for name, day in kept["days"].items():
            if not _has_the_form_of(day, _blank(0)):
                raise ValueError("a day of another form")
            date.fromisoformat(name)
        self._days = kept["days"]
        if kept["run"] == self._board.run:
            self._last = last
        elif not kept["stopped"]:
            for day in _days_between(saved_us, min(now_us, saved_us + SAVE_UNCHANGED_US)):
                self._day(day)["whole"] = False

    def _know_nothing_of(self, days: list[date]) -> None:
        """No equation and no word on the clock; what the kernel dropped in this run, the last of them has."""
        for day in days:
            self._day(day).update(whole=False, clock=None)

    def _day(self, day: date) -> dict[str, Any]:
        name = day.isoformat()
        if name not in self._days:
            self._days[name] = _blank(self._last["open"])
            for old in sorted(self._days)[:-DAYS_KEPT]:
                del self._days[old]
        return self._days[name]

    def _note_clock(self, clock: dict[str, Any] | None) -> None:
        self._watch.unsure()
        steps, self._steps = self._watch.steps - self._steps, self._watch.steps
        if clock is None:
            return
        clock["steps"] += steps
        with contextlib.suppress(OSError):
            kernel = kernel_clock()
            clock["synchronised"] = clock["synchronised"] and kernel.synchronised
            clock["largest_offset_us"] = max(clock["largest_offset_us"] or 0, abs(kernel.offset_us))

    def _save(self, now_us: int, *, stopped: bool) -> None:
        content = {
            "run": self._board.run,
            "saved_us": now_us,
            "stopped": stopped,
            "last": self._last,
            "days": self._days,
        }
        with contextlib.suppress(OSError):  # a full disk: kept in memory, written at a later look
            files.publish_bytes(self._path, json.dumps(content, sort_keys=True).encode())
            self._saved_us = now_us
            self._changed = self._urgent = False

    def _read(self) -> dict[str, Any]:
        counts = self._board.total()
        return {
            "accepted": counts[CELL["accepted_tcp"]] + counts[CELL["accepted_udp"]],
            "open": counts[CELL["open"]],
            "fates": {name: counts[cell] for name, cell in _FATES.items()},
            "dropped": {name: counts[cell] for name, cell in _DROPS.items()},
        }


def _nothing() -> dict[str, Any]:
    return {
        "accepted": 0,
        "open": 0,
        "fates": dict.fromkeys(_FATES, 0),
        "dropped": dict.fromkeys(_DROPS, 0),
    }


def _blank(open_before: int) -> dict[str, Any]:
    return {
        "whole": True,
        "open_before": open_before,
        "accepted": 0,
        "open": 0,
        "fates": dict.fromkeys(_FATES, 0),
        "kernel_dropped": dict.fromkeys(_DROPS, 0),
        "clock": {"synchronised": True, "largest_offset_us": None, "steps": 0},
    }


def _has_the_form_of(found: Any, blank: Any) -> bool:
    """Whether it has the same keys, and numbers where numbers belong. A clock may be unknown."""
    if not isinstance(blank, dict):
        return blank is None or isinstance(found, int)
    if not isinstance(found, dict) or found.keys() != blank.keys():
        return False
    return all(
        (name == "clock" and found[name] is None) or _has_the_form_of(found[name], blank[name])
        for name in blank
    )


def _day_of(us: int) -> date:
    return datetime.fromtimestamp(us / 1e6, UTC).date()


def _days_between(first_us: int, last_us: int) -> list[date]:
    first, last = _day_of(first_us), _day_of(last_us)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]
