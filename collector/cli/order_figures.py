"""`pentrap order figures`: a year's figures, from the operation files and schedules alone."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from collector.ground.clock import now_us
from collector.orders.compile import read_schedules
from collector.orders.docket import read_operations
from collector.orders.figures import Figures, figures_of
from collector.service import settings as service_settings

TEXT = "a year's figures from the orders alone: orders, extensions, emergencies, days, redirections (18 USC 3126)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this subcommand."""
    parser.add_argument(
        "--year", type=int, required=True, choices=range(1970, 2262), metavar="YEAR", help="in UTC"
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object on stdout")


def run(chosen: argparse.Namespace) -> int:
    """0; ConfigurationError where a file is wrong."""
    settings = service_settings.load(chosen.config)
    operations = read_operations(settings.operation_files())
    schedules = (read_schedules([operation]) for operation in operations)
    figures = figures_of(operations, schedules, chosen.year, now_us())
    print("pentrap: dockets below are under seal (18 USC 3123(d))", file=sys.stderr)
    if chosen.json:
        print(json.dumps(asdict(figures), indent=1))
    else:
        print("\n".join(_lines(figures)))
    return 0


def _lines(figures: Figures) -> Iterator[str]:
    yield f"Figures for {figures.year}, from the orders alone (days of 24 hours, UTC; days in force up to now)"
    for row in figures.orders:
        yield ""
        yield f"{row.kind}, asked for by {row.agency or 'an agency that the file does not name'}"
        yield f"  orders issued        {row.orders:>9}   of these extensions {row.extensions}"
        yield f"  authorised days      {row.authorised_days:>9.3f}   of these by extension {row.extension_days:.3f}"
        yield f"  days in force        {row.days_in_force:>9.3f}"
        yield from (f"  docket               {docket}" for docket in row.dockets)
    if not figures.orders:
        yield "no order was issued or in force"
    yield ""
    yield f"emergency uses         {len(figures.emergencies):>9}"
    for use in figures.emergencies:
        follows = f", in a chain with {', '.join(use.followed_by)}" if use.followed_by else ""
        yield f"  {use.order} of {use.operation}: {use.hours_in_force:.3f} hours, {_ENDED[use.ended]}{follows}"
    for operation, recorded in figures.days_recording.items():
        yield ""
        yield f"operation {operation}"
        yield f"  days with recording  {recorded:>9.3f}"
        for action, count in figures.domains[operation].items():
            yield f"  domains, {action:<10}  {count:>9}"


_ENDED = {
    "obtained": "ended when the court's order was obtained",
    "denied": "ended when the court denied it",
    "terminated": "terminated",
    "ends": "ended because its time had passed",
    "still in force": "still in force",
}
