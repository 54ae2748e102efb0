"""Options that commands share: who is doing this, and why, which go into the audit log; which day, which times."""

import argparse
from datetime import date

from collector.orders.instants import ALWAYS_US, NEVER_US, parse_us

REASON_MAX = 500
ALL_TIMES = (ALWAYS_US, NEVER_US)


def add_actor(verb: argparse.ArgumentParser) -> None:
    """`--actor NAME`."""
    verb.add_argument(
        "--actor",
        default="",
        metavar="NAME",
        type=lambda text: text and _line(text),
        help="who is doing this, where several people share a login (default: the login name); the log has an id for it",
    )


def add_reason(verb: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """`--reason TEXT`."""
    verb.add_argument(
        "--reason",
        required=required,
        default="",
        metavar="TEXT",
        type=_line if required else lambda text: text and _line(text),
        help=f"{what}; goes into the audit log",
    )


def add_day(group: "argparse._ActionsContainer", *, required: bool = True) -> None:
    """`--date D`."""
    group.add_argument(
        "--date", type=_day, required=required, metavar="D", help="the day, as 2026-11-21 (UTC)"
    )


def add_times(group: "argparse._ActionsContainer") -> None:
    """`--from T` and `--until T`, as `from_us` and `until_us`."""
    kinds = "an instant, as 2026-11-21T10:00:00Z, or a date (00:00 UTC)"
    group.add_argument(
        "--from",
        dest="from_us",
        type=_instant,
        default=ALWAYS_US,
        metavar="T",
        help=f"from this time on: {kinds}",
    )
    group.add_argument(
        "--until", dest="until_us", type=_instant, default=NEVER_US, metavar="T", help="before this time"
    )


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected a date as 2026-11-21") from None


def _instant(text: str) -> int:
    moment = parse_us(text)
    if moment is None:
        raise argparse.ArgumentTypeError(
            "expected a date, or an instant with its zone, as 2026-11-21T10:00:00Z"
        )
    return moment


def _line(text: str) -> str:
    """Printable text of one line."""
    if not text.strip() or len(text) > REASON_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"one line of 1 to {REASON_MAX} printable characters is expected")
    return text.strip()
