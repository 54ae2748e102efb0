"""Publish a day to its partners now: each annex's rows and columns, in the partner's formats, signed."""

import argparse
import json
import signal
import sys
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from collector.cli.asking import add_day
from collector.cli.progress import Bar
from collector.cli.refused import refusal
from collector.ground import process
from collector.ground.errors import ConfigurationError, PentrapError, Problem
from collector.service import acts
from collector.service import settings as service_settings

if TYPE_CHECKING:
    from collector.exports.day import Outcome
    from collector.service.exporting import Exporter


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    which = verb.add_mutually_exclusive_group(required=True)
    add_day(which, required=False)
    which.add_argument(
        "--due",
        action="store_true",
        help="every day of the last week of which something is owed: what the clerk runs",
    )
    verb.add_argument("--partner", default="", metavar="NAME", help="only to this partner")
    verb.add_argument(
        "--incomplete",
        action="store_true",
        help="publish though a sensor has not sealed the day; what comes later is a supplement",
    )
    verb.add_argument("--json", action="store_true", help="a JSON object a day on stdout")


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where a day could not be published."""
    from collector.service import exporting  # noqa: PLC0415 - `serve` must not load Arrow

    settings = service_settings.load(chosen.config)
    if chosen.due:
        process.follow_parent(signal.SIGTERM)
    with acts.desk(settings) as desk, exporting.exporter(settings, desk.log) as exporter:
        _check_partner(chosen.partner, exporter, str(settings.partners_file))
        days = exporting.owed_days(settings, datetime.now(UTC)) if chosen.due else [chosen.date]
        place = str(settings.data_dir)
        return max([_export(exporter, day, chosen, place) for day in days], default=0)


def _export(exporter: "Exporter", day: date, chosen: argparse.Namespace, place: str) -> int:
    bar = Bar(f"export {day}")
    try:
        outcome = exporter.export(day, chosen.partner, incomplete=chosen.incomplete, progress=bar)
    except PentrapError as error:
        if isinstance(error, ConfigurationError):
            raise
        print(f"pentrap export: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # the days after this one may still be published
        print(refusal(f"pentrap export {day}", error, place), file=sys.stderr)
        return 1
    finally:
        bar(1, 1)
    if chosen.json:
        print(json.dumps(_document(outcome)), flush=True)
    else:
        _tell(outcome, exporter)
    return 0


def _document(outcome: "Outcome") -> dict[str, Any]:
    counted = outcome.counted
    return {
        "day": outcome.day.isoformat(),
        "complete": not outcome.missing,
        "missing_sensors": list(outcome.missing),
        "rows": counted.rows.model_dump() if counted else None,
        "publications": [
            {
                "partner": made.partner,
                "sequence": made.sequence,
                "kind": made.kind,
                "order": made.order,
                "supplement": made.supplement,
                "rows": made.rows,
                "manifest_sha256": made.manifest_sha256,
                "files": [{"name": file.name, "bytes": file.bytes, "rows": file.rows} for file in made.files],
            }
            for made in outcome.made
        ],
    }


def _tell(outcome: "Outcome", exporter: "Exporter") -> None:
    day = outcome.day
    if not exporter.granted:
        print(f"{day}: no annex of an order in force gives anything to a partner of partners.toml")
        return
    if not outcome.made:
        print(f"{day}: nothing is owed: everything that its annexes give is published already")
        return
    for made in outcome.made:
        what = made.kind if made.kind == "day" else f"{made.kind} {made.supplement}"
        size = sum(file.bytes for file in made.files)
        print(f"{day}  {made.partner} {made.sequence:06d}: {what} of {made.order}, {size / 1e6:,.1f} MB")
        for file in made.files:
            print(f"    {file.name}  {file.rows:,} rows")
    if outcome.missing:
        print(
            f"{day}: incomplete, not sealed by {', '.join(outcome.missing)}; what comes later is a supplement"
        )
    if outcome.counted:
        rows = outcome.counted.rows
        held_back = ", ".join(f"{reason} {count:,}" for reason, count in rows.withheld.items())
        print(f"recorded {rows.recorded:,} = delivered {rows.delivered:,} + withheld ({held_back})")


def _check_partner(name: str, exporter: "Exporter", file: str) -> None:
    known = sorted({one.partner for one in exporter.granted})
    if name and name not in known:
        expected = f"one of {', '.join(known)}" if known else "a partner, and no annex gives anything to any"
        problem = Problem(file, "--partner", name, expected, "correct the name, or the annex")
        raise ConfigurationError([problem])
