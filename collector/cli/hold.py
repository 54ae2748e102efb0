"""A hold: nothing of an order may be deleted until it is lifted. Without --order, list the holds."""

import argparse
import json
import sys

from collector.cli.asking import add_actor, add_reason
from collector.custody.known_orders import known_orders
from collector.ground.clock import now_us
from collector.orders.instants import to_text
from collector.segments.turn import turn
from collector.service import acts
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("--order", default="", metavar="ID", help="whose rows may not be deleted")
    verb.add_argument("--lift", action="store_true", help="lift the order's hold")
    add_reason(verb, "why it is held, or no longer", required=False)
    add_actor(verb)
    verb.add_argument("--json", action="store_true", help="the list of holds as JSON")


def run(chosen: argparse.Namespace) -> int:
    """0; 2 where the order is unknown or a reason is missing."""
    settings = service_settings.load(chosen.config)
    with acts.desk(settings, chosen.actor) as desk:
        if not chosen.order:
            if chosen.lift or chosen.reason:
                return _refuse("--order", "nothing", "the order that is held, or let go")
            return _list(desk, as_json=chosen.json)
        if not chosen.reason:
            return _refuse("--reason", "nothing", "why; it goes into the audit log")
        # In the turn: a purge that has begun ends first, one that begins later sees the hold.
        with turn(settings.data_dir):
            ledger = desk.ledger()
            order = known_orders(ledger).get(chosen.order)
            if order is None:
                there = ", ".join(sorted(known_orders(ledger))) or "none was ever loaded"
                return _refuse("--order", f"{chosen.order}, never loaded here", f"one of {there}")
            held = order.id in ledger.holds
            if held != chosen.lift:
                print(f"{order.id} is {'held already' if held else 'not held'}; nothing was changed")
                return 0
            event = "hold_lifted" if chosen.lift else "hold_set"
            facts = {
                "operation": order.operation,
                "order": order.id,
                "actor": desk.actor,
                "reason": chosen.reason,
            }
            entry = desk.log.append(event, now_us(), **facts)
        meaning = (
            "retention applies again"
            if chosen.lift
            else "nothing of it will be deleted until the hold is lifted"
        )
        print(f"{order.id}: {meaning} (entry {entry.number})")
    return 0


def _list(desk: acts.ActsDesk, *, as_json: bool) -> int:
    holds = [
        {
            "order": order,
            "operation": entry.facts["operation"],
            "since": to_text(entry.time_us),
            "entry": entry.number,
            "actor": entry.facts["actor"],
            "reason": entry.facts["reason"],
        }
        for order, entry in sorted(desk.ledger().holds.items())
    ]
    if as_json:
        print(json.dumps(holds, indent=1))
    elif not holds:
        print("no hold")
    else:
        for hold in holds:
            print("{order}  since {since} (entry {entry}) by {actor}: {reason}".format(**hold))
    return 0


def _refuse(place: str, found: str, expected: str) -> int:
    print(f"pentrap hold: {place}\n    found:    {found}\n    expected: {expected}", file=sys.stderr)
    return 2
