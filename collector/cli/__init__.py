"""The `pentrap` command: one module per verb.

Exit codes: 0 done, 1 what was checked does not hold, 2 bad usage or configuration. Data goes to stdout, the rest to stderr.
A verb's module is imported when it is called for: all of them cost most of a second and 100 MB (Parquet, DuckDB), which a
health check would pay several times a minute.

A module is named after its verb (`reading` is `open`), and what it shares with others or puts aside stands beside it:

order            order_show, order_figures, order_return
reading          reading_session, reading_prompt, reading_output
verify           verify_kinds
coverage         coverage_output
asking           options that commands share
progress         a bar on stderr
signals          which end a reading where its end can still be entered
stdout           whose reader may go before everything is said
refused          what the system refused, in words
__main__         `python -m collector.cli`
"""

import argparse
import itertools
import sys
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType

import collector
from collector.cli.refused import refusal
from collector.cli.stdout import READER_GONE, forget_stdout
from collector.ground.errors import BusyError, ConfigurationError, CorruptError, Problem

VERBS = {
    "serve": "serve",
    "check": "check",
    "status": "status",
    "order": "order",
    "people": "people",
    "clock": "clock",
    "uninstall": "uninstall",
    "open": "reading",
    "coverage": "coverage",
    "export": "export",
    "withdraw": "withdraw",
    "disclosed": "disclosed",
    "partner": "partner",
    "key": "key",
    "identity": "identity",
    "hold": "hold",
    "quarantine": "quarantine",
    "purge": "purge",
    "verify": "verify",
    "pull": "pull",
}
"""Each verb and its module in this room, in the order of the help."""


def module_of(verb: str) -> ModuleType:
    """The module that does what a verb says."""
    return import_module(f"collector.cli.{VERBS[verb]}")


def parser(wanted: Collection[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """The command line, as far as `wanted` verbs go."""
    top = argparse.ArgumentParser(
        prog="pentrap",
        description="The collector behind a botnet takedown: it answers infected machines, records only what the court "
        "allows, and turns it into daily Parquet.",
        epilog="Exit codes: 0 done, 1 what was checked does not hold, 2 bad usage or configuration.",
    )
    top.add_argument("--version", action="version", version=release())
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in wanted:
        module = module_of(name)
        text = (module.__doc__ or "").partition("\n")[0]
        verb = verbs.add_parser(name, help=text, description=text)
        if getattr(module, "CONFIG", True):
            verb.add_argument(
                "--config", type=Path, required=True, metavar="FILE", help="the settings, pentrap.toml"
            )
        module.arguments(verb)
        verb.set_defaults(run=module.run)
    return top


def release() -> str:
    """Version, and the revision that it was built from where that is known."""
    known = f" ({collector.__revision__})" if collector.__revision__ else ""
    return f"pentrap {collector.__version__}{known}"


def _check_text(chosen: argparse.Namespace) -> None:
    """What was typed is text, but for paths, which may be any bytes. Raises ConfigurationError."""
    words = itertools.chain.from_iterable(
        value if isinstance(value, list) else [value] for value in vars(chosen).values()
    )
    problems = [
        Problem("pentrap", f"the word {word!a}", "bytes that are no UTF-8", "text", "type it again, in UTF-8")
        for word in words
        if isinstance(word, str) and any("\ud800" <= letter <= "\udfff" for letter in word)
    ]
    if problems:
        raise ConfigurationError(problems)


def main(arguments: list[str] | None = None) -> int:
    """Entry point of the console script."""
    words = sys.argv[1:] if arguments is None else arguments
    called = [word for word in words[:1] if word in VERBS]
    chosen = parser(called or tuple(VERBS)).parse_args(words)
    try:
        _check_text(chosen)
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
        return READER_GONE
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
    except OSError as error:
        print(refusal(" ".join(["pentrap", *called]), error), file=sys.stderr)
        return 1
    return code
