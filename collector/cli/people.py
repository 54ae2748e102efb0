"""Who stands behind the actor ids of the audit log; a name can be erased, the id stays."""

import argparse
import json
import sys

from collector.audit.people import People
from collector.cli.asking import add_actor
from collector.ground.clock import now_us
from collector.service import acts
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument("--erase", metavar="ID", help="forget the name behind this id")
    verb.add_argument("--json", action="store_true", help="the register as JSON on stdout")
    add_actor(verb)


def run(chosen: argparse.Namespace) -> int:
    """Show the register, or erase a name from it."""
    settings = service_settings.load(chosen.config)
    people = People(settings.data_dir)
    if chosen.erase:
        with acts.desk(settings, chosen.actor) as desk:
            person = people.read().get(chosen.erase)
            if person is None:
                print(
                    f"pentrap people: {chosen.erase} is no id of the register; `pentrap people` lists them",
                    file=sys.stderr,
                )
                return 1
            if person["erased"]:
                print(f"{chosen.erase} has no name already; its entries stand.")
                return 0
            desk.log.append("name_erased", now_us(), person=chosen.erase, actor=desk.actor)
            people.erase(chosen.erase)
        print(f"{chosen.erase} has no name any more; its entries stand.")
        return 0
    register = people.read()
    if chosen.json:
        print(json.dumps(register, indent=1, sort_keys=True))
    else:
        for actor, person in sorted(register.items(), key=lambda item: item[1]["name"]):
            print(f"{actor}  {person['name'] or '(erased)'}")
        if not register:
            print("nobody has acted here yet", file=sys.stderr)
    return 0
