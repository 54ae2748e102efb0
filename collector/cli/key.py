"""The keys that sign publications: which are known, announce a new one, put it in force."""

import argparse
import json

from collector.cli.asking import add_actor
from collector.exports import rotation
from collector.exports.keys import SigningKey, known_keys
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    what = verb.add_mutually_exclusive_group()
    what.add_argument(
        "--announce", action="store_true", help="make the key to come; partners see it at /v1/key from now on"
    )
    what.add_argument(
        "--replace",
        action="store_true",
        help=f"publications are signed with the announced key from now on; {rotation.OVERLAP_DAYS} days later at the earliest",
    )
    verb.add_argument("--at-once", action="store_true", help="with --replace: do not wait for that")
    add_actor(verb)
    verb.add_argument("--json", action="store_true", help="the keys as JSON")


def run(chosen: argparse.Namespace) -> int:
    """0; 2 where there is nothing to replace, or where it is not said that anything shall be."""
    if chosen.at_once and not chosen.replace:
        found = "no --replace"
        remedy = "name both to sign with the announced key from now on; else leave --at-once out"
        raise ConfigurationError([Problem("pentrap key", "--at-once", found, "--replace --at-once", remedy)])
    settings = service_settings.load(chosen.config)
    with acts.desk(settings, chosen.actor) as desk:
        place = (desk.log, settings.data_dir, settings.signing_key, now_us(), desk.actor)
        if chosen.announce:
            rotation.announce(*place)
        elif chosen.replace:
            rotation.replace(*place, at_once=chosen.at_once)
        keys = known_keys(settings.data_dir, settings.signing_key)
    if chosen.json:
        print(json.dumps([_document(key) for key in keys], indent=1))
    else:
        for key in keys:
            print(f"{key.state:8} {key.fingerprint}  {_times(key)}\n         {key.line}")
    return 0


def _times(key: SigningKey) -> str:
    if key.since_us is None:
        return "to come"
    since = f"since {to_text(key.since_us)}"
    return since if key.until_us is None else f"{since} until {to_text(key.until_us)}"


def _document(key: SigningKey) -> dict[str, str | None]:
    return {
        "state": key.state,
        "fingerprint": key.fingerprint,
        "public": key.line,
        "since": None if key.since_us is None else to_text(key.since_us),
        "until": None if key.until_us is None else to_text(key.until_us),
        "handover": key.handover,
    }
