"""Instants as whole microseconds since 1970-01-01 UTC, the unit of every window here."""

import re
from datetime import UTC, datetime, timedelta

ALWAYS_US = -(1 << 63)
"""Start of a window without one (the smallest i64)."""

NEVER_US = (1 << 63) - 1
"""End of a window without one (the largest i64)."""

DAY_US = 86_400_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def to_us(moment: datetime) -> int:
    """An aware datetime, exactly (integer arithmetic: floats lose microseconds after 2242)."""
    return (moment - _EPOCH) // _MICROSECOND


def to_text(moment_us: int) -> str:
    """RFC 3339 in UTC for people; unbounded ends in words."""
    if moment_us in (ALWAYS_US, NEVER_US):
        return "always" if moment_us == ALWAYS_US else "never"
    moment = _EPOCH + timedelta(microseconds=moment_us)
    return moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def parse_us(text: str) -> int | None:
    """An RFC 3339 date (00:00 UTC) or instant with its zone, in the years 1 to 9999 in UTC too; None for anything else."""
    try:
        if _DATE.fullmatch(text):
            return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))
        if _INSTANT.fullmatch(text):
            return to_us(datetime.fromisoformat(text.upper()).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
    return None
