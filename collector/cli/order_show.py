"""`pentrap order show`: the state of the orders in plain words, from the operation files."""

import argparse
import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.account import OperationAccount, account_of
from collector.orders.compile import digest_of
from collector.orders.docket import read_operations
from collector.orders.instants import parse_us, to_text
from collector.orders.operation import Operation
from collector.orders.telling import tell
from collector.service import settings as service_settings
from collector.service.loader import current

TEXT = "what is being recorded now, why, until when, for whom, and what comes next"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of this subcommand."""
    parser.add_argument("--order", metavar="ID", help="this order alone, with its operation")
    parser.add_argument(
        "--at", metavar="INSTANT", help="as of another time: 2026-11-01 or 2026-11-01T12:00:00Z"
    )
    parser.add_argument("--json", action="store_true", help="everything as one JSON object on stdout")


def run(chosen: argparse.Namespace) -> int:
    """0; ConfigurationError where the files are wrong, the order unknown or the instant no instant."""
    settings = service_settings.load(chosen.config)
    operations = read_operations(settings.operation_files())
    at_us = _instant(chosen.at) if chosen.at else now_us()
    accounts = _chosen([account_of(operation, at_us) for operation in operations], chosen.order)
    print(
        "pentrap: dockets and courts below are under seal; they stay on this terminal (18 USC 3123(d))",
        file=sys.stderr,
    )
    warning = _differs(settings.data_dir / "rules", operations)
    if warning:
        print(f"pentrap: WARNING: {warning}", file=sys.stderr)
    if chosen.json:
        told = {
            "at": to_text(at_us),
            "same_as_in_force": not warning,
            "warning": warning or None,
            "operations": [asdict(account) for account in accounts],
        }
        print(json.dumps(told, indent=1))
        return 0
    print(f"As of {to_text(at_us)}, by the operation files" + (" (NOT those in force)" if warning else ""))
    for account in accounts:
        print()
        print("\n".join(tell(account, in_force=not warning)))
    if not accounts:
        print("no operation: machines are answered, nothing is recorded")
    return 0


def _instant(text: str) -> int:
    at_us = parse_us(text)
    if at_us is None:
        expected = "an RFC 3339 date (2026-11-01) or instant with its zone (2026-11-01T12:00:00Z)"
        raise ConfigurationError(
            [Problem("the command line", "--at", repr(text), expected, "write it so; UTC is Z")]
        )
    return at_us


def _chosen(accounts: list[OperationAccount], order_id: str | None) -> list[OperationAccount]:
    if order_id is None:
        return accounts
    for account in accounts:
        orders = tuple(order for order in account.orders if order.id == order_id)
        if orders:
            return [replace(account, orders=orders)]
    known = ", ".join(order.id for account in accounts for order in account.orders) or "there is none"
    raise ConfigurationError(
        [Problem("the command line", "--order", repr(order_id), f"one of {known}", "correct the id")]
    )


def _differs(directory: Path, operations: list[Operation]) -> str:
    """Why the rules in force are not what these files say; empty where they are, or none has been in force."""
    try:
        in_force = current(directory)
    except OSError as error:
        return f"cannot see which rules are in force in {directory}: {error.strerror}"
    if not in_force:
        return "no collector has put these files in force yet: nothing is recorded by them"
    if in_force != digest_of(operations):
        return (
            "THE FILES ARE NOT WHAT IS IN FORCE: they were changed and not reloaded, or the new ones were refused. "
            "`pentrap check` tells what they would change; SIGHUP to the supervisor puts them in force"
        )
    return ""
