"""A day as it can be told: its segments, the rules that were in force, who could be recorded when, and what is missing.

The schedule is the one in force at the day's end. Where another was in force earlier that day, names that only it had are told
by it. Compiled rules go a week after they were last in force (custody/rules_kept.py); a day before that is told by the oldest
schedule that is left, and says so.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from collector.audit.ledger import Ledger
from collector.audit.log import Entry
from collector.coverage.book import book_path
from collector.custody.known_orders import known_orders
from collector.custody.quarantine import DESTROYED
from collector.exports.source import DaySource, read_source
from collector.ground.errors import ConfigurationError, PentrapError, Problem
from collector.orders.instants import DAY_US, NEVER_US
from collector.segments.catalogue import days, is_sealed, lost_segments, segments_aside

NOT_RECORDED = ("suppressed_window", "suppressed_clock", "dropped_disk", "dropped_crash", "dropped_overload")
_EPOCH = date(1970, 1, 1)


class CoverageError(PentrapError):
    """A day that cannot be told; the text says why."""


@dataclass(frozen=True)
class Day:
    """What is known of it before a row is read."""

    date: date
    source: DaySource
    rules: tuple[str, ...]
    """Digests of the rules in force on the day that are still there, the latest first."""
    as_it_was: bool
    """Whether the first of them was in force at the day's end."""
    had_rules: bool
    """Whether any were in force that day, kept or not."""
    recorded: Mapping[str, tuple[tuple[int, int], ...]]
    """By operation: when an order of it was loaded and in force that day, in microseconds; none: it is not there."""
    book: Path | None
    """Where unexpected check-ins of the day stand."""
    notes: tuple[str, ...]
    """What a reader has to know, in words."""

    @property
    def begins_us(self) -> int:
        """Its first microsecond."""
        return (self.date - _EPOCH).days * DAY_US

    @property
    def ends_us(self) -> int:
        """The first microsecond after it."""
        return self.begins_us + DAY_US

    @property
    def is_emptied(self) -> bool:
        """Rows of it were destroyed out of quarantine, and none are left: nobody can tell any more what was silent."""
        return self.source.destroyed_rows > 0 and not self.source.segments


def shown_day(data_dir: Path, asked: date | None, today: date, installed: date) -> date:
    """The day that is meant: the one asked for; else yesterday, or the latest before it that has a folder, or today.

    Raises ConfigurationError where the collector knows nothing of the day asked for.
    """
    there = [day for day in days(data_dir) if day <= today]
    if asked is None:
        return max((day for day in there if day < today), default=today)
    first = min([*there, installed])
    if asked in there or first <= asked <= today:
        return asked
    found = f"{asked}, " + ("which has not begun" if asked > today else "before anything was collected here")
    expected = f"a day from {first} to {today} (UTC)"
    raise ConfigurationError([Problem("pentrap coverage", "--date", found, expected, "correct the date")])


def read_day(
    data_dir: Path, day: date, sensors: Sequence[str], ledger: Ledger, entries: Iterable[Entry], today: date
) -> Day:
    """Look at it. Raises CoverageError (its rows are deleted), CorruptError, OSError."""
    source = read_source(data_dir, day, sensors, ledger)
    number = (day - _EPOCH).days
    begins, ends = number * DAY_US, (number + 1) * DAY_US
    digests = rules_of(entries, begins, ends)
    there = [digest for digest in digests if _stands(data_dir, digest)]
    as_it_was = bool(there) and there[0] == digests[0]
    if not there:
        later = rules_of(entries, ends, NEVER_US)
        there = [digest for digest in reversed(later) if _stands(data_dir, digest)][:1]
    path = book_path(data_dir, number)
    return Day(
        day,
        source,
        tuple(there),
        as_it_was,
        bool(digests),
        _recorded(ledger, entries, begins, ends),
        path if path.exists() else None,
        tuple(_notes(data_dir, source, ledger, today)),
    )


def rules_of(entries: Iterable[Entry], begins_us: int, ends_us: int) -> list[str]:
    """The rules in force in a time, each once, the latest first."""
    found: list[str] = []
    for entry in entries:
        if entry.event != "orders_loaded" or entry.time_us >= ends_us:
            continue
        if entry.time_us <= begins_us:
            found.clear()
        if entry.facts["rules"] in found:
            found.remove(entry.facts["rules"])
        found.append(entry.facts["rules"])
    return found[::-1]


def _stands(data_dir: Path, digest: str) -> bool:
    folder = data_dir / "rules"
    try:
        index = json.loads((folder / f"{digest}.json").read_bytes())["index"]
    except (OSError, ValueError, KeyError):
        return False
    return (folder / f"{index}.index").exists()


def _recorded(
    ledger: Ledger, entries: Iterable[Entry], begins_us: int, ends_us: int
) -> dict[str, tuple[tuple[int, int], ...]]:
    """By operation, the parts of a time in which an order was loaded and in force, those that meet joined."""
    loaded: dict[str, int] = {}
    for entry in entries:
        if entry.event == "order_loaded":
            loaded.setdefault(entry.facts["order"], entry.time_us)
    windows = [
        (max(begins_us, order.starts_us, loaded.get(order.id, begins_us)), min(ends_us, order.ends_us), order)
        for order in known_orders(ledger).values()
    ]
    found: dict[str, list[tuple[int, int]]] = {}
    for begins, ends, order in sorted(windows):
        if begins >= ends:
            continue
        parts = found.setdefault(order.operation, [])
        if parts and begins <= parts[-1][1]:
            parts[-1] = (parts[-1][0], max(parts[-1][1], ends))
        else:
            parts.append((begins, ends))
    return {operation: tuple(parts) for operation, parts in found.items()}


def _notes(data_dir: Path, source: DaySource, ledger: Ledger, today: date) -> Iterator[str]:
    """What is missing. Raises CoverageError where everything is."""
    day = source.day
    if day == today:
        yield "the day is not over: what has reached Parquet until now is shown"
    elif source.missing:
        yield f"not sealed yet by {', '.join(source.missing)}: what is there is shown, more may come"
    aside = segments_aside(data_dir, day)
    if aside:
        yield f"{sum(one.rows for one in aside):,} rows in quarantine are not counted"
    if source.withdrawn:
        yield f"{sum(one.rows for one in source.withdrawn):,} rows that were found wrong (withdrawn) are not counted"
    sealed = [sensor for sensor in source.sensors if is_sealed(data_dir, sensor, day)]
    lost = [name for sensor in sealed for name in lost_segments(data_dir, sensor, day)]
    whys = {path.rpartition("/")[2]: entry.facts["why"] for path, entry in ledger.deleted.items()}
    destroyed = [name for name in lost if whys.get(name) == DESTROYED]
    deleted = [name for name in lost if name in whys and name not in destroyed]
    if deleted and not source.segments:
        raise CoverageError(
            f"the rows of {day} were deleted when their time was over: nobody can tell any more what was reached\n"
            "    remedy:   none; the audit log's entries `deleted` say which files and when"
        )
    if deleted:
        yield f"{len(deleted)} of the day's files were deleted, and are not counted"
    if source.destroyed_rows:
        left = "" if source.segments else ": nothing is left that could tell what was silent"
        yield f"{source.destroyed_rows:,} rows were destroyed out of quarantine, and are not counted{left}"
    missing = len(lost) - len(deleted) - len(destroyed)
    if missing:
        yield f"{missing} files that the day's marker names are missing: pentrap verify says which"
    yield from _not_recorded(source)


def _not_recorded(source: DaySource) -> Iterator[str]:
    """What the first equation of the day says of check-ins that left no row though they may have been for listed names."""
    if source.checkins is None:
        return
    if not source.checkins.accepted:
        yield "no check-in at all was accepted that day: was the collector running?"
    fates = source.checkins.fates
    missed = [f"{name} {fates[name]:,}" for name in NOT_RECORDED if fates.get(name)]
    if missed:
        yield f"check-ins that left no row, for whichever name: {', '.join(missed)}"
