"""Apply retention now: delete what may go of the custody set and of partners' copies, say what stays and why."""

import argparse
import json
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from collector.cli.asking import add_actor, add_reason
from collector.ground.clock import now_us
from collector.service import acts
from collector.service import settings as service_settings

if TYPE_CHECKING:
    from collector.custody.purge import Purged
    from collector.exports.expiry import Expired


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument(
        "--order",
        default="",
        metavar="ID",
        help="only files with rows of this order (exit 1 where they must stay)",
    )
    verb.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")
    add_reason(verb, "why now", required=False)
    add_actor(verb)
    verb.add_argument("--json", action="store_true", help="everything as one JSON object")


def run(chosen: argparse.Namespace) -> int:
    """0; 1 where an order was named whose files must stay; 2 where it is unknown."""
    from collector.custody.purge import purge  # noqa: PLC0415 - `serve` must not load Arrow
    from collector.service.exporting import expire_copies  # noqa: PLC0415

    settings = service_settings.load(chosen.config)
    with acts.desk(settings, chosen.actor) as desk:
        made = purge(
            settings.data_dir,
            desk.log,
            desk.operations(),
            now_us(),
            actor=desk.actor,
            reason=chosen.reason or "",
            order=chosen.order,
            dry_run=chosen.dry_run,
        )
        copies = expire_copies(
            settings,
            desk.log,
            order=chosen.order,
            actor=desk.actor,
            reason=chosen.reason or "",
            dry_run=chosen.dry_run,
        )
    if chosen.order and chosen.order not in made.plan.orders:
        there = ", ".join(sorted(made.plan.orders)) or "none was ever loaded"
        print(
            f"pentrap purge: --order\n    found:    {chosen.order}, never loaded here\n    expected: one of {there}",
            file=sys.stderr,
        )
        return 2
    refused = bool(chosen.order and (made.plan.orders[chosen.order] or made.plan.stay or made.kept_back))
    if chosen.json:
        print(json.dumps(_document(made, chosen) | {"partner_copies": _copies_document(copies)}, indent=1))
    else:
        _tell(made, chosen)
        _tell_copies(copies, chosen)
    return 1 if refused else 0


def _document(made: "Purged", chosen: argparse.Namespace) -> dict[str, Any]:
    return {
        "dry_run": chosen.dry_run,
        "order": chosen.order or None,
        "go": [holding.name for holding in made.plan.go],
        "deleted": made.deleted,
        "finished": made.finished,
        "rules": made.rules,
        "entries": made.entries,
        "orders": made.plan.orders,
        "stay": [{"name": staying.holding.name, "reasons": staying.reasons} for staying in made.plan.stay],
        "kept_back": made.kept_back,
    }


def _copies_document(copies: "Expired") -> dict[str, Any]:
    return {
        "deleted": copies.deleted,
        "finished": copies.finished,
        "kept_back": copies.kept_back,
        "entries": copies.entries,
    }


def _tell_copies(copies: "Expired", chosen: argparse.Namespace) -> None:
    verb = "would delete" if chosen.dry_run else "deleted"
    if count := len(copies.deleted) + len(copies.finished):
        print(f"{verb} {count:,} files of partners' copies; their manifests stay")
    for name, why in copies.kept_back.items():
        print(f"{name}: its time is over, stays: {why}", file=sys.stderr)


def _tell(made: "Purged", chosen: argparse.Namespace) -> None:
    go = made.plan.go
    refused = chosen.order and made.plan.orders[chosen.order]
    if refused:
        print(f"nothing of {chosen.order} may be deleted:")
    else:
        verb = "would delete" if chosen.dry_run else "deleted"
        size = sum(holding.size for holding in go)
        print(
            f"{verb} {len(go):,} files, {sum(holding.rows for holding in go):,} rows, {size / 1e6:,.1f} MB"
            + _span(go)
        )
        if made.finished:
            print(f"{verb} {len(made.finished):,} files that an earlier purge had entered and not reached")
        if made.rules:
            print(f"{verb} {len(made.rules):,} files of compiled rules that nothing needs")
        if made.entries:
            numbers = [str(number) for number in made.entries]
            print(f"audit log: entr{'y' if len(numbers) == 1 else 'ies'} " + ", ".join(numbers))
    for order, reasons in sorted(made.plan.orders.items()):
        if chosen.order in ("", order):
            print(f"{order}: " + ("; ".join(reasons) or "its rows go when their days' time is over"))
    by_reason: dict[str, list[Any]] = defaultdict(list)
    known = {reason for reasons in made.plan.orders.values() for reason in reasons}
    for staying in made.plan.stay:
        own = [reason for reason in staying.reasons if reason not in known] or [
            "for what is said of its orders"
        ]
        for reason in own:
            by_reason[reason].append(staying.holding)
    if made.plan.stay:
        print(f"stay {len(made.plan.stay):,} files:")
    for reason, held in by_reason.items():
        print(f"    {len(held):,}{_span(held)}: {reason}")
    for name, why in made.kept_back.items():
        print(f"{name}: entered as deleted, stays: {why}", file=sys.stderr)


def _span(held: list[Any]) -> str:
    days = [holding.day for holding in held]
    return f" of {min(days)} to {max(days)}" if days else ""
