"""The `pentrap` command: one module per verb.

Exit codes: 0 done, 1 what was checked does not hold, 2 bad usage or configuration. Data goes to stdout, the rest to stderr.
"""

import argparse
import sys
from pathlib import Path

import collector
from collector.cli import (
    check,
    clock,
    disclosed,
    export,
    hold,
    identity,
    key,
    order,
    partner,
    people,
    pull,
    purge,
    quarantine,
    reading,
    serve,
    status,
    uninstall,
    verify,
    withdraw,
)
from collector.ground.errors import BusyError, ConfigurationError, CorruptError

VERBS = (
    serve,
    check,
    status,
    order,
    people,
    clock,
    uninstall,
    reading,
    export,
    withdraw,
    disclosed,
    partner,
    key,
    identity,
    hold,
    quarantine,
    purge,
    verify,
    pull,
)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="pentrap",
        description="The collector behind a botnet takedown: it answers infected machines, records only what the court "
        "allows, and turns it into daily Parquet.",
        epilog="Exit codes: 0 done, 1 what was checked does not hold, 2 bad usage or configuration.",
    )
    top.add_argument("--version", action="version", version=f"pentrap {collector.__version__}")
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in VERBS:
        name = getattr(module, "NAME", module.__name__.rpartition(".")[2])
        text = (module.__doc__ or "").partition("\n")[0]
        verb = verbs.add_parser(name, help=text, description=text)
        if getattr(module, "CONFIG", True):
            verb.add_argument(
                "--config", type=Path, required=True, metavar="FILE", help="the settings, pentrap.toml"
            )
        module.arguments(verb)
        verb.set_defaults(run=module.run)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the console script."""
    chosen = parser().parse_args(arguments)
    try:
        code: int = chosen.run(chosen)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        count = len(error.problems)
        print(f"\n{count} problem{'s' if count != 1 else ''}; nothing was changed.", file=sys.stderr)
        return 2
    except BusyError as error:
        print(f"pentrap: {error}", file=sys.stderr)
        return 2
    except CorruptError as error:
        print(f"pentrap: {error}", file=sys.stderr)
        return 1
    return code
