"""Validate settings, operations and schedules; each problem with file, place, found, expected and remedy."""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from collector.ground.errors import ConfigurationError
from collector.orders.compile import compile_rules
from collector.orders.rules import Rules
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("--json", action="store_true", help="problems as a JSON list on stdout")


def run(chosen: argparse.Namespace) -> int:
    """Check everything that `serve` would read; 0, or 2 with every problem told."""
    try:
        settings = service_settings.load(chosen.config)
        paths = settings.operation_files()
        with tempfile.TemporaryDirectory(prefix="pentrap-check-") as scratch:
            rules = Rules.load(Path(scratch), compile_rules(paths, Path(scratch)))
            orders, rows, services = rules.order_ids, rules.index.count, len(rules.service_families)
            rules.close()
    except ConfigurationError as error:
        if not chosen.json:
            raise
        print(json.dumps([asdict(problem) for problem in error.problems], indent=1))
        return 2
    if chosen.json:
        print("[]")
        return 0
    print(f"{chosen.config}: good")
    print(f"  data_dir    {settings.data_dir}")
    for path in paths:
        print(f"  operation   {path}")
    if not paths:
        print("  operation   none: machines would be answered, nothing recorded")
    print(f"  orders      {', '.join(orders) or 'none: nothing would be recorded'}")
    print(f"  domains     {rows} rows in the schedules' index, {services} services")
    return 0
