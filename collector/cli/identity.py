"""Who we are, where an operation is public: addresses and contact, for researchers and for tools that mark known sinkholes."""

import argparse
import json
from datetime import UTC, datetime

from collector.orders.docket import read_operations
from collector.service import identity
from collector.service import settings as service_settings


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    form = verb.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as one JSON object")
    form.add_argument(
        "--warninglist",
        action="store_true",
        help="as a MISP warninglist (list.json), which other tools read too",
    )


def run(chosen: argparse.Namespace) -> int:
    """0; 2 where no operation is public or the settings do not say enough."""
    settings = service_settings.load(chosen.config)
    found = identity.identity(settings, read_operations(settings.operation_files()))
    if chosen.warninglist:
        print(json.dumps(found.warninglist(datetime.now(UTC).date()), indent=2))
    elif chosen.json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        _tell(found)
    return 0


def _tell(found: identity.Identity) -> None:
    print(f"{found.name}\ncontact    {found.contact}")
    if found.url:
        print(f"more       {found.url}")
    print("addresses  " + "\n           ".join(found.addresses))
    for header in found.headers:
        print(f"answers    carry the header line {header}")
    print(
        "\nMachines that connect to these addresses asked for a domain that a court took from a botnet. No content is kept.\n"
        "Publish this where researchers look: reverse names of the addresses, their whois record, --warninglist for MISP."
    )
