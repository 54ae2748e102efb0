"""Orders: what is recorded now, why and until when; the return to the court; the figures of a year.

Each subcommand is a row of COMMANDS: its name, its options, what it does.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from collector.cli import order_figures, order_return, order_show

CONFIG = False  # each subcommand takes --config, so that it can stand behind it


class Command(NamedTuple):
    """One subcommand."""

    name: str
    text: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


COMMANDS = (
    Command("show", order_show.TEXT, order_show.arguments, order_show.run),
    Command("return", order_return.RETURN_TEXT, order_return.return_arguments, order_return.run_return),
    Command(
        "delivered", order_return.DELIVERED_TEXT, order_return.delivered_arguments, order_return.run_delivered
    ),
    Command("figures", order_figures.TEXT, order_figures.arguments, order_figures.run),
)


def arguments(verb: argparse.ArgumentParser) -> None:
    """A parser for each subcommand."""
    choices = verb.add_subparsers(title="subcommands", metavar="SUBCOMMAND", required=True)
    for command in COMMANDS:
        parser = choices.add_parser(command.name, help=command.text, description=command.text)
        parser.add_argument(
            "--config", type=Path, required=True, metavar="FILE", help="the settings, pentrap.toml"
        )
        command.arguments(parser)
        parser.set_defaults(subcommand=command.run)


def run(chosen: argparse.Namespace) -> int:
    """The subcommand that was chosen; its exit code."""
    code: int = chosen.subcommand(chosen)
    return code
