"""Options that acting commands share: who is doing this, and why. Both go into the audit log."""

import argparse

REASON_MAX = 500


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


def _line(text: str) -> str:
    """Printable text of one line."""
    if not text.strip() or len(text) > REASON_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"one line of 1 to {REASON_MAX} printable characters is expected")
    return text.strip()
