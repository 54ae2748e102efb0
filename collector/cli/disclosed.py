"""Who was given an address, when, in which file; the question is entered as an access of its own."""

import argparse
import ipaddress
import json
import sys
from typing import TYPE_CHECKING, Any

from collector.cli.asking import add_actor, add_reason, add_times
from collector.ground.errors import PentrapError
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings

if TYPE_CHECKING:
    from collector.exports.disclosure import Disclosure


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument(
        "--address",
        required=True,
        type=_address,
        metavar="ADDRESS",
        help="the address; it does not go into the log",
    )
    add_times(verb)
    add_reason(verb, "who asks, and why")
    add_actor(verb)
    verb.add_argument("--json", action="store_true", help="a JSON array, an object a file")


def run(chosen: argparse.Namespace) -> int:
    """0, whether it was given to somebody or not; 1 where it cannot be told."""
    from collector.service import asking  # noqa: PLC0415 - `serve` must not load Arrow

    settings = service_settings.load(chosen.config)
    with acts.desk(settings, chosen.actor) as desk:
        try:
            found = asking.disclosed(desk, chosen.address, chosen.from_us, chosen.until_us, chosen.reason)
        except PentrapError as error:
            print(f"pentrap disclosed: {error}", file=sys.stderr)
            return 1
    if chosen.json:
        print(json.dumps([_document(one) for one in found], indent=1))
    else:
        _tell(chosen.address, found)
    return 0


def _address(text: str) -> str:
    """As `src_ip` has it."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is none; expected one address, as 192.0.2.7 or 2001:db8::7"
        ) from None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _document(one: "Disclosure") -> dict[str, Any]:
    return {
        "partner": one.partner,
        "sequence": one.sequence,
        "file": one.file,
        "dataset": one.dataset,
        "day": one.day.isoformat(),
        "order": one.order,
        "published": one.published,
        "rows": one.rows,
        "first_seen": to_text(one.first_us),
        "last_seen": to_text(one.last_us),
        "certain": one.certain,
        "fetched": [fetch.as_dict() for fetch in one.fetched],
        "withdrawn_by": list(one.withdrawn_by),
    }


def _tell(address: str, found: "list[Disclosure]") -> None:
    if not found:
        print(f"{address}: no published file of that time has it; it was given to nobody")
        return
    partners = sorted({one.partner for one in found})
    print(f"{address}: in {len(found)} files, published for {', '.join(partners)}")
    for one in found:
        print(f"\n{one.partner} {one.sequence:06d}  {one.file}")
        what = "hosts" if one.dataset == "hosts" else "check-ins"
        print(f"    {one.rows:,} {what} of {one.order}, {to_text(one.first_us)} to {to_text(one.last_us)}")
        if not one.certain:
            print(
                "    MAYBE: the copy is gone, its time being over; its manifest covers them, the annex said which to give"
            )
        print(f"    published {one.published}")
        for fetch in one.fetched:
            times = f", {fetch.times} times" if fetch.times > 1 else ""
            print(f"    fetched by {fetch.account} from {to_text(fetch.first_us)} on{times}")
        if not one.fetched:
            print("    never fetched")
        for sequence in one.withdrawn_by:
            print(f"    withdrawal {sequence:06d} takes rows of this file back, or replaces it")
