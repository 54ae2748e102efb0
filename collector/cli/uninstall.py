"""Enter that the collector was taken out of use (18 USC 3123(a)(3)(A)(ii)): its data stays until it may be purged."""

import argparse

from collector.cli.asking import add_actor, add_reason
from collector.ground import process
from collector.ground.clock import now_us
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_reason(verb, "why it is taken out of use")
    add_actor(verb)


def run(chosen: argparse.Namespace) -> int:
    """Enter it, once no collector runs there. Raises BusyError where one does."""
    settings = service_settings.load(chosen.config)
    with acts.desk(settings, chosen.actor) as desk:
        process.lock(settings.data_dir / "lock")
        if desk.ledger().uninstalled is not None:
            print("It is out of use already; the next `pentrap serve` installs it anew.")
            return 0
        entry = desk.log.append("uninstalled", now_us(), actor=desk.actor, reason=chosen.reason)
    print(
        f"Taken out of use at {to_text(entry.time_us)} (entry {entry.number}). `pentrap serve` would install it anew."
    )
    return 0
