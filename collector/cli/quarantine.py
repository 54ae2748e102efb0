"""Set a segment aside in which content was found; its day exports nothing until it is released or destroyed."""

import argparse
import json
import sys
from typing import Any

from collector.cli.asking import add_actor, add_reason
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument(
        "segment", nargs="?", default="", metavar="SEGMENT", help="a segment's path or file name"
    )
    act = verb.add_mutually_exclusive_group()
    act.add_argument("--release", action="store_true", help="it was right after all: move it back")
    act.add_argument(
        "--destroy", action="store_true", help="delete it; the audit log and the day's marker say what it was"
    )
    act.add_argument(
        "--list", action="store_true", help="what is set aside and undecided, and which days it holds up"
    )
    add_reason(verb, "what was found, or why it is decided so", required=False)
    add_actor(verb)
    verb.add_argument("--json", action="store_true", help="the list as JSON")


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where it cannot be done; 2 for bad usage."""
    from collector.custody import quarantine  # noqa: PLC0415 - `serve` must not load Arrow

    settings = service_settings.load(chosen.config)
    if not chosen.list and not (chosen.segment and chosen.reason):
        missing = "SEGMENT" if not chosen.segment else "--reason"
        print(
            f"pentrap quarantine: {missing}\n    found:    nothing\n    expected: a segment and a reason, or --list",
            file=sys.stderr,
        )
        return 2
    with acts.desk(settings, chosen.actor) as desk:
        data_dir, facts = settings.data_dir, {"actor": desk.actor, "reason": chosen.reason}
        try:
            if chosen.list:
                return _list(desk, as_json=chosen.json)
            segment = quarantine.find(data_dir, chosen.segment)
            if chosen.release:
                path = quarantine.release(data_dir, desk.log, segment, **facts)
                print(f"released: {path}")
                late = "its day is sealed without it, so it is late and goes into a supplement"
                if quarantine.is_late(data_dir, segment):
                    print(late)
            elif chosen.destroy:
                quarantine.destroy(data_dir, desk.log, segment, **facts)
                print(f"destroyed: {segment.name}, {segment.rows:,} rows; the audit log says what it was")
            else:
                path = quarantine.set_aside(data_dir, desk.log, segment, **facts)
                print(f"set aside: {path}\n{segment.day} exports nothing until it is released or destroyed")
        except quarantine.QuarantineError as error:
            print(f"pentrap quarantine: {error}", file=sys.stderr)
            return 1
    return 0


def _list(desk: acts.ActsDesk, *, as_json: bool) -> int:
    from collector.custody import quarantine  # noqa: PLC0415 - `serve` must not load Arrow

    quarantine.settle(desk.settings.data_dir)
    found: list[dict[str, Any]] = [
        {
            "segment": quarantine.place_of(aside.segment),
            "day": aside.segment.day.isoformat(),
            "rows": aside.segment.rows,
            "since": to_text(aside.entry.time_us),
            "entry": aside.entry.number,
            "actor": aside.entry.facts["actor"],
            "reason": aside.entry.facts["reason"],
        }
        for aside in quarantine.listed(desk.settings.data_dir, desk.ledger())
    ]
    if as_json:
        print(json.dumps(found, indent=1))
    elif not found:
        print("nothing is set aside")
    else:
        for one in found:
            print(
                "{segment}  {rows} rows\n    since {since} (entry {entry}) by {actor}: {reason}".format(**one)
            )
        print("days that export nothing: " + ", ".join(sorted({one["day"] for one in found})))
    return 0
