"""Take back rows of a day that were found wrong: nobody is given them from now on, partners that were are told."""

import argparse
import ipaddress
import json
import sys
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from collector.cli.asking import ALL_TIMES, add_actor, add_day, add_reason, add_times
from collector.ground.errors import ConfigurationError, PentrapError
from collector.orders.instants import to_text
from collector.service import acts
from collector.service import settings as service_settings

if TYPE_CHECKING:
    from collector.exports.day import Outcome
    from collector.exports.disclosure import Fetch
    from collector.exports.given import GivenFile
    from collector.exports.withdrawal import GivenTo, Taken, Wanted

    Fetched = Mapping[tuple[str, int, str], Mapping[str, Fetch]]


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    add_day(verb)
    verb.add_argument("--order", required=True, metavar="ID", help="under which order they were recorded")
    which = verb.add_argument_group(
        "which rows", "each option may be given several times; all kinds given must hold"
    )
    which.add_argument(
        "--address",
        action="append",
        default=[],
        type=_network,
        metavar="NETWORK",
        help="from this address or network",
    )
    which.add_argument(
        "--domain", action="append", default=[], type=str.lower, metavar="NAME", help="this listed domain"
    )
    which.add_argument("--family", action="append", default=[], metavar="NAME", help="this family")
    which.add_argument(
        "--segment", action="append", default=[], metavar="FILE", help="all that stand in this segment"
    )
    add_times(which)
    which.add_argument("--all", action="store_true", help="all of the order's rows of the day")
    verb.add_argument(
        "--dry-run",
        action="store_true",
        help="say how many rows it would be, and who was given them; change nothing",
    )
    add_reason(verb, "what was found wrong")
    add_actor(verb)
    verb.add_argument("--json", action="store_true", help="what was done as JSON")


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where nothing matches or it cannot be done now; 2 for bad usage."""
    from collector.audit.log import read_entries  # noqa: PLC0415 - `serve` must not load Arrow
    from collector.exports.disclosure import fetches  # noqa: PLC0415
    from collector.service import exporting  # noqa: PLC0415

    times = (chosen.from_us, chosen.until_us)
    if not (
        chosen.all or chosen.address or chosen.domain or chosen.family or chosen.segment or times != ALL_TIMES
    ):
        print(
            "pentrap withdraw: which rows\n    found:    nothing that describes them\n"
            "    expected: --address, --domain, --family, --segment, --from or --until; or --all",
            file=sys.stderr,
        )
        return 2
    settings = service_settings.load(chosen.config)
    with acts.desk(settings, chosen.actor) as desk, exporting.exporter(settings, desk.log) as exporter:
        try:
            taken, outcome = exporter.withdraw(
                chosen.date,
                _wanted(settings, chosen),
                actor=desk.actor,
                reason=chosen.reason,
                dry_run=chosen.dry_run,
            )
        except ConfigurationError:
            raise
        except PentrapError as error:
            print(f"pentrap withdraw: {error}", file=sys.stderr)
            return 1
        fetched = fetches(read_entries(settings.data_dir / "audit"))
        if chosen.json:
            print(json.dumps(_document(taken, outcome, fetched)))
        else:
            _tell(chosen.date, chosen.order, taken, outcome, fetched, dry_run=chosen.dry_run)
        return 0 if taken.rows or (outcome is not None and outcome.made) else 1


def _wanted(settings: service_settings.Settings, chosen: argparse.Namespace) -> "Wanted":
    from collector.custody import quarantine  # noqa: PLC0415
    from collector.exports.withdrawal import Wanted  # noqa: PLC0415

    segments = tuple(quarantine.find(settings.data_dir, name) for name in chosen.segment)
    return Wanted(
        chosen.order,
        tuple(chosen.address),
        tuple(chosen.domain),
        tuple(chosen.family),
        segments,
        chosen.from_us,
        chosen.until_us,
    )


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text} is none; expected an address or a network without host bits, as 192.0.2.7 or 2001:db8::/32"
        ) from None


def _document(taken: "Taken", outcome: "Outcome | None", fetched: "Fetched") -> dict[str, Any]:
    return {
        "rows": taken.rows,
        "entry": taken.entry.number if taken.entry else None,
        "partners": [
            {
                "partner": one.partner,
                "rows": one.rows,
                "entitled": one.entitled,
                "files_gone": one.gone,
                "files": [
                    {
                        "sequence": given.publication.sequence,
                        "file": given.file.name,
                        "rows": rows,
                        "fetched": [fetch.as_dict() for fetch in _fetches(fetched, given)],
                    }
                    for given, rows in one.files
                ],
            }
            for one in taken.given
        ],
        "publications": [
            {"partner": made.partner, "sequence": made.sequence, "rows": made.rows} for made in outcome.made
        ]
        if outcome
        else [],
    }


def _tell(
    day: date,
    order: str,
    taken: "Taken",
    outcome: "Outcome | None",
    fetched: "Fetched",
    *,
    dry_run: bool,
) -> None:
    if not taken.rows:
        print(f"{day}: no row of {order} matches that no earlier withdrawal has", file=sys.stderr)
    elif taken.entry is None:
        print(f"{day}: {taken.rows:,} rows of {order} would be withdrawn; nothing was changed")
    else:
        print(
            f"{day}: {taken.rows:,} rows of {order} are withdrawn (entry {taken.entry.number}): given to nobody any more"
        )
    for one in taken.given:
        _tell_partner(one, fetched)
    if taken.rows and not taken.given:
        print("no partner had been given any of them")
    for made in outcome.made if outcome else ():
        print(f"{made.partner} {made.sequence:06d}: the withdrawal is published; it is told at the next pull")
    if taken.rows and not dry_run and any(one.rows and not one.entitled for one in taken.given):
        print("Partners without an annex are not told by a publication: tell them by hand.", file=sys.stderr)


def _tell_partner(one: "GivenTo", fetched: "Fetched") -> None:
    standing = "" if one.entitled else "; no annex gives it anything any more"
    print(f"{one.partner} was given {one.rows:,} of them{standing}")
    for given, rows in one.files:
        print(f"    {given.publication.sequence:06d}/{given.file.name}  {rows:,} rows")
        for fetch in _fetches(fetched, given):
            times = f", {fetch.times} times" if fetch.times > 1 else ""
            print(f"        fetched by {fetch.account} from {to_text(fetch.first_us)} on{times}")
        if not _fetches(fetched, given):
            print("        not fetched yet")
    if one.gone:
        print(
            f"    {one.gone} files of the day are gone, their time being over; what they had is not known any more"
        )


def _fetches(fetched: "Fetched", given: "GivenFile") -> "list[Fetch]":
    manifest = given.publication.manifest
    return list(fetched.get((manifest.partner, manifest.sequence, given.file.name), {}).values())
