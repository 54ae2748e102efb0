"""Vouch for the machine's clock: recording that paused because the clock was stepped resumes at once."""

import argparse
import os
import signal
import sys

from collector.cli.asking import add_actor, add_reason
from collector.ground.clock import now_us
from collector.ground.process import holder
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument(
        "--believe", action="store_true", required=True, help="the clock is right as it is now: record again"
    )
    add_reason(verb, "how you know that it is right")
    add_actor(verb)


def run(chosen: argparse.Namespace) -> int:
    """Enter it, then tell the collector; 1 where none is running."""
    settings = service_settings.load(chosen.config)
    pid = holder(settings.data_dir / "lock")
    if pid is None:
        print(f"pentrap clock: no collector is running on {settings.data_dir}", file=sys.stderr)
        return 1
    now = now_us()
    with acts.desk(settings, chosen.actor) as desk:
        desk.log.append("clock_believed", now, actor=desk.actor, reason=chosen.reason)
    try:
        os.kill(pid, signal.SIGUSR1)
    except (ProcessLookupError, PermissionError) as error:
        remedy = "run this as the collector's user, in its container"
        print(
            f"pentrap clock: the collector (process {pid}) was not told: {error.strerror}\n    remedy: {remedy}",
            file=sys.stderr,
        )
        return 1
    print(f"The clock is believed as of {to_text(now)}; where an order is in force, recording goes on.")
    return 0
