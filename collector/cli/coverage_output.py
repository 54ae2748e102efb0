"""A day's coverage on stdout: a table that begins with what an officer looks for, CSV, or JSON."""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from collector.coverage.day import Day
from collector.coverage.query import COLUMNS
from collector.coverage.registries import last_reached
from collector.coverage.report import RegistryReport, Report
from collector.ground.codes import Action
from collector.orders.instants import to_text

COUNTS = ("expected", "reached", "silent", "blocked", "unexpected", "check_ins", "unrecorded")
HEAD = ("operation", "registry", "state", *COUNTS, "hosts", "first_seen", "last_seen")
SEEN = COUNTS[:-1]
"""Those of the table: which check-ins were not recorded is told by the column before."""
ACTIONS = [action.name.lower() for action in Action]
SHOWN = 20
"""Unexpected domains that the table and the JSON object name; --domains unexpected has all."""
NONE = "(none)"
"""A registry that the schedule does not name."""
_WIDTHS = (10, 44, 10, 9, 20, 12, 9)


def show(report: Report, registries: Sequence[RegistryReport], chosen: argparse.Namespace) -> None:
    """Print it. Raises BrokenPipeError, EngineError."""
    if chosen.json:
        _json(report, registries, chosen)
        return
    if chosen.csv:
        for line in _about(report):
            print(line, file=sys.stderr)
        _csv(report, registries, chosen)
        return
    print("\n".join(_about(report)))
    _summary(registries)
    _to_look_at(report, registries, chosen)
    if chosen.domains:
        _domains(report, chosen)


def _about(report: Report) -> list[str]:
    """Which day that is, by which schedule, and what has to be known about it."""
    day = report.day
    lines = [heading(day), *(f"note: {note}" for note in (*day.notes, *windows(day, report.operations)))]
    newest = report.newest_us()
    lines.append(
        f"newest row counted: {to_text(newest)}" if newest else "no row of a listed domain was recorded"
    )
    nameless = report.nameless()
    if nameless:
        lines.append(
            f"note: {nameless:,} more unexpected check-ins are not told by name: too many different ones at once"
        )
    return lines


def heading(day: Day) -> str:
    """Which day that is, and by which schedule it is told."""
    of_another = "the one of that day is not kept any more" if day.had_rules else "none was loaded that day"
    schedule = "in force that day" if day.as_it_was else f"of a later day: {of_another}"
    return f"coverage of {day.date} (UTC), by the schedule {schedule}"


def windows(day: Day, operations: Iterable[str]) -> list[str]:
    """Of each operation that was not recorded all day, when it was."""
    found = []
    for operation in operations:
        parts = day.recorded.get(operation, ())
        if not parts:
            found.append(
                f"no order of {operation} was loaded and in force: nothing was recorded, so what was silent cannot be told"
            )
        elif parts != ((day.begins_us, day.ends_us),):
            words = " and ".join(f"{to_text(begins)} to {to_text(ends)}" for begins, ends in parts)
            found.append(
                f"{operation} was recorded only from {words}: none of its orders was loaded and in force otherwise"
            )
    return found


def _summary(registries: Sequence[RegistryReport]) -> None:
    rows = [_row(one) for one in registries]
    if not rows:
        print("\nno domain is listed for that day")
        return
    print()
    _table(("operation", "registry", "state", *SEEN, "hosts", "last seen"), rows)
    for operation in dict.fromkeys(one.operation for one in registries):
        actions = [action for one in registries if one.operation == operation for action in one.actions]
        by_action = [
            [
                name,
                *(
                    _number(sum(getattr(one, count) for one in actions if one.action == name))
                    for count in SEEN
                ),
            ]
            for name in ACTIONS
            if any(one.action == name for one in actions)
        ]
        print(f"\n{operation} by action")
        _table(("action", *SEEN), by_action)


def _to_look_at(report: Report, registries: Sequence[RegistryReport], chosen: argparse.Namespace) -> None:
    silent = [one for one in registries if one.state == "silent"]
    if silent:
        among = f"{_counted(len(silent), 'registry')} of {len(registries)}"
        print(f"\nSILENT: {among}, none of whose domains was reached")
        known = last_reached(report.data_dir)
        for one in silent:
            moment = known.get((one.operation, one.registry))
            when = f"last reached {_second(moment)}" if moment else "never reached"
            print(
                f"  {one.operation}  {one.registry or NONE}: {_counted(one.sum('silent'), 'domain')}, {when}"
            )
    count = sum(one.sum("unexpected") for one in registries)
    if count:
        print(f"\nUNEXPECTED: {_counted(count, 'domain')} blocked or out of date, and asked for all the same")
        named = report.unexpected(SHOWN, chosen.registry)
        for name in named:
            words = ", ".join(word for word in (name.action, name.family, name.registry) if word)
            print(f"  {name.operation}  {name.domain} ({words}): {_counted(name.check_ins, 'check-in')}")
        if len(named) < count:
            print(f"  and {count - len(named):,} more: --domains unexpected names all")
    if not silent and not count and all(one.state == "reached" for one in registries if one.sum("expected")):
        print("\nnothing to look at: every registry was reached, and nothing that should not be")


def _domains(report: Report, chosen: argparse.Namespace) -> None:
    """A line a domain, as they come: the columns have fixed widths."""
    names = ("state", "domain", "check_ins", "hosts", "registry", "action", "last_seen")
    places = [COLUMNS.index(name) for name in names]
    last = COLUMNS.index("last_seen")
    print()
    print("  ".join(name.ljust(width) for name, width in zip(names, _WIDTHS, strict=False)).rstrip())
    count = 0
    for row in _rows(report, chosen):
        cells = [
            "" if row[place] is None else row[place][11:19] if place == last else str(row[place])
            for place in places
        ]
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)).rstrip())
        count += 1
    print(f"({_counted(count, 'domain')})")


def _csv(report: Report, registries: Sequence[RegistryReport], chosen: argparse.Namespace) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    day = report.day.date.isoformat()
    if not chosen.domains:
        writer.writerow(("day", *HEAD))
        writer.writerows((day, *_plain(one)) for one in registries)
        return
    writer.writerow(("day", *COLUMNS))
    for row in _rows(report, chosen):
        writer.writerow((day, *("" if cell is None else _word(cell) for cell in row)))


def _json(report: Report, registries: Sequence[RegistryReport], chosen: argparse.Namespace) -> None:
    """The object; its domains, of which there may be millions, as they come."""
    day, newest = report.day, report.newest_us()
    told: dict[str, Any] = {
        "day": day.date.isoformat(),
        "complete": not day.source.missing,
        "missing_sensors": list(day.source.missing),
        "newest_row": to_text(newest) if newest else None,
        "schedule": {"rules": day.rules[0], "of_that_day": day.as_it_was},
        "recorded": {
            operation: [[to_text(begins), to_text(ends)] for begins, ends in day.recorded.get(operation, ())]
            for operation in report.operations
        },
        "notes": [*day.notes, *windows(day, report.operations)],
        "registries": [_object(one) for one in registries],
        "unexpected": {
            "first": [vars(one) for one in report.unexpected(SHOWN, chosen.registry)],
            "check_ins_without_a_name": report.nameless(),
        },
    }
    text = json.dumps(told, indent=1)
    if not chosen.domains:
        print(text)
        return
    sys.stdout.write(text.removesuffix("\n}") + ',\n "domains": [')
    for number, row in enumerate(_rows(report, chosen)):
        sys.stdout.write((",\n  " if number else "\n  ") + json.dumps(dict(zip(COLUMNS, row, strict=True))))
    print("\n ]\n}")


def _rows(report: Report, chosen: argparse.Namespace) -> Iterable[tuple[Any, ...]]:
    state = "" if chosen.domains == "all" else chosen.domains
    return report.domains(registry=chosen.registry, state=state)


def _plain(one: RegistryReport) -> list[Any]:
    """The columns of HEAD."""
    moments = [to_text(moment) if moment else "" for moment in (one.first_us, one.last_us)]
    return [one.operation, one.registry, one.state, *(one.sum(name) for name in COUNTS), one.hosts, *moments]


def _object(one: RegistryReport) -> dict[str, Any]:
    told = dict(zip(HEAD, _plain(one), strict=True))
    told |= {name: told[name] or None for name in ("state", "first_seen", "last_seen")}
    return told | {"actions": [vars(action) for action in one.actions]}


def _row(one: RegistryReport) -> list[str]:
    """The same for people."""
    shown = one.state.upper() if one.state in ("silent", "unexpected") else one.state
    counts = [_number(one.sum(name)) for name in SEEN]
    moment = to_text(one.last_us)[11:19] if one.last_us else ""
    return [one.operation, one.registry or NONE, shown, *counts, _number(one.hosts), moment]


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    right = {place for place, name in enumerate(names) if name in COUNTS or name == "hosts"}
    for row in (names, *rows):
        cells = (
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def _number(count: int) -> str:
    return f"{count:,}"


def _second(moment_us: int | None) -> str:
    """To the second: what a person needs."""
    return to_text(moment_us // 1_000_000 * 1_000_000) if moment_us else ""


def _counted(count: int, what: str) -> str:
    many = f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"{count:,} {what if count == 1 else many}"


def _word(cell: Any) -> Any:
    return str(cell).lower() if isinstance(cell, bool) else cell
