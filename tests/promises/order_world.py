"""Orders for tests of the window: written as an officer writes them, compiled as a start compiles them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors import write_operation

from collector.ground.codes import Fate
from collector.orders.compile import compile_rules
from collector.orders.rules import Rules

RECORDED, WINDOW, NOTHING = int(Fate.RECORDED), int(Fate.SUPPRESSED_WINDOW), -1
STARTS = datetime(2026, 11, 1, 6, 30, 0, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DST = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def instant(moment: datetime) -> str:
    """As TOML has it."""
    return moment.isoformat().replace("+00:00", "Z")


def order(
    name: str, starts: datetime, ends: datetime, kind: str = "pen-trap", more: str = "", **ended: datetime
) -> str:
    """One order; `ended` are terminated, obtained, denied."""
    lines = "\n".join(f"{key} = {instant(moment)}" for key, moment in ended.items())
    return f"""
[[order]]
id = "{name}"
kind = "{kind}"
docket = "D"
issued = {instant(min(starts, ends - MICROSECOND))}
starts = {instant(starts)}
ends = {instant(ends)}
officers = ["A"]
{lines}
{more}
"""


def rules_of(folder: Path, *operations: dict, **operation) -> Rules:
    """Compiled rules of one operation, or of several."""
    paths = [write_operation(folder, **one) for one in operations or (operation,)]
    return Rules.load(folder / "rules", compile_rules(paths, folder / "rules"))


def belongs(rules: Rules, moment_us: int, name: bytes = b"evil-one.com") -> str | None:
    """The order that a check-in of that instant is recorded under; None where it is not recorded."""
    fate, _, number, *_ = rules.decide(name, 6, DST, 80, moment_us)
    assert (fate == RECORDED) == (number >= 0)
    return rules.order_ids[number] if fate == RECORDED else None
