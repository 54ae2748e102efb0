"""What was reached on a day: by registry and listed domain; silent registries, and domains reached that should not be."""

import argparse
import sys
from typing import TYPE_CHECKING

from collector.cli.asking import add_actor, add_day, add_reason
from collector.cli.progress import Bar
from collector.cli.signals import Cut, Guard
from collector.cli.stdout import forget_stdout
from collector.ground.errors import ConfigurationError, PentrapError, Problem
from collector.service import acts
from collector.service import settings as service_settings

if TYPE_CHECKING:
    from collector.coverage.report import RegistryReport

STATES = ("all", "reached", "silent", "unexpected")


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_day(verb, required=False)
    verb.add_argument(
        "--domains",
        nargs="?",
        const="all",
        choices=STATES,
        metavar="STATE",
        help="list the day's domains too, or those that were reached, silent or unexpected",
    )
    verb.add_argument(
        "--whole-schedule",
        action="store_true",
        help="with --domains: those too that are listed for other days only",
    )
    verb.add_argument("--operation", default="", metavar="NAME", help="only this operation")
    verb.add_argument("--registry", metavar="NAME", help='only this registry; "" for domains without one')
    form = verb.add_mutually_exclusive_group()
    form.add_argument(
        "--csv", action="store_true", help="CSV: a line a registry, or with --domains a line a domain"
    )
    form.add_argument("--json", action="store_true", help="one JSON object")
    add_reason(verb, "why you ask (default: coverage)", required=False)
    add_actor(verb)


def run(chosen: argparse.Namespace) -> int:
    """0 where the day could be told, whatever it tells; 1 where its rows are deleted or cannot be read."""
    from collector.cli import coverage_output  # noqa: PLC0415 - `serve` must not load Arrow
    from collector.service.coverage import coverage  # noqa: PLC0415 - likewise

    settings = service_settings.load(chosen.config)
    bar = Bar("coverage")
    guard = Guard(again=False)
    with acts.desk(settings, chosen.actor) as desk:
        guard.install()
        try:
            guard.on()
            with coverage(
                desk,
                chosen.date,
                operation=chosen.operation,
                everything=chosen.whole_schedule,
                reason=chosen.reason or "coverage",
                progress=bar,
            ) as report:
                bar(1, 1)
                registries = _chosen(report.registries(), chosen.registry)
                coverage_output.show(report, registries, chosen)
                sys.stdout.flush()
                guard.off()
        except (KeyboardInterrupt, Cut, RuntimeError):
            if guard.raised is None:
                raise
            return 128 + guard.raised
        except BrokenPipeError:
            forget_stdout()
        except PentrapError as error:
            if isinstance(error, ConfigurationError):
                raise
            print(f"pentrap coverage: {error}", file=sys.stderr)
            return 1
        finally:
            guard.off()
            bar(1, 1)
    return 0


def _chosen(registries: "list[RegistryReport]", name: str | None) -> "list[RegistryReport]":
    if name is None:
        return registries
    known = sorted({one.registry for one in registries})
    if name not in known:
        expected = (
            f"one of {', '.join(repr(one) for one in known)}"
            if known
            else "none: nothing is listed for that day"
        )
        problem = Problem(
            "pentrap coverage", "--registry", repr(name), expected, "write it as the schedule does"
        )
        raise ConfigurationError([problem])
    return [one for one in registries if one.registry == name]
