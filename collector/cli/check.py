"""Validate settings, operations and schedules; each problem with file, place, found, expected and remedy."""

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from collector.ground.errors import ConfigurationError
from collector.orders.compile import compile_operations
from collector.orders.docket import read_operations
from collector.orders.rules import Rules
from collector.orders.summary import summary
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("--json", action="store_true", help="problems as a JSON list on stdout")


def run(chosen: argparse.Namespace) -> int:
    """Check everything that `serve` would read; 0, or 2 with every problem told."""
    try:
        settings = service_settings.load(chosen.config)
        operations = read_operations(settings.operation_files())
        with tempfile.TemporaryDirectory(prefix="pentrap-check-") as scratch:
            rules = Rules.load(Path(scratch), compile_operations(operations, Path(scratch)))
            lines = summary(operations, rules.index)
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
    print(f"data_dir {settings.data_dir}")
    print("\n".join(lines or ["no operation: machines would be answered, nothing recorded"]))
    return 0
