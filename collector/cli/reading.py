"""Read one order's collected rows: a DuckDB prompt, or -c SQL; who, why, begin and end go into the audit log first."""

import argparse

from collector.cli.asking import add_actor, add_reason

MEMORY_MB_MIN = 64


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument(
        "--order", required=True, metavar="ID", help="whose rows are read; its window may be over"
    )
    add_reason(verb, "why you read")
    verb.add_argument("-c", dest="sql", metavar="SQL", help="run this instead of prompting")
    form = verb.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON array of objects (one statement)")
    form.add_argument(
        "--csv", action="store_true", help="CSV, which is also what goes into a pipe without this"
    )
    verb.add_argument(
        "--memory-mb", type=_memory, metavar="N", help="memory for a question (default: [export] memory_mb)"
    )
    add_actor(verb)


def run(chosen: argparse.Namespace) -> int:
    """The reading; its exit code."""
    from collector.cli.reading_session import read  # noqa: PLC0415 - `serve` must not load Arrow

    return read(chosen)


def _memory(text: str) -> int:
    number = int(text)
    if number < MEMORY_MB_MIN:
        raise argparse.ArgumentTypeError(f"expected at least {MEMORY_MB_MIN}")
    return number
