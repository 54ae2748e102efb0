"""Lengths of time and distances between instants as people say them, for officers: always beside an exact instant."""

_UNITS = (
    ("day", 86_400_000_000),
    ("hour", 3_600_000_000),
    ("minute", 60_000_000),
    ("second", 1_000_000),
)

_ONE_IS_VAGUE = 2
"""From this many of the largest unit on, it is told alone: "12 days", but "1 day 3 hours"."""


def lasting(span_us: int) -> str:
    """A length of time: "12 days", "1 day 3 hours", "45 seconds", "250 microseconds"; rounded down, never to nothing."""
    for place, (unit, size) in enumerate(_UNITS):
        count, rest = divmod(span_us, size)
        if not count:
            continue
        words = _counted(count, unit)
        if count < _ONE_IS_VAGUE and place + 1 < len(_UNITS):
            smaller, smaller_size = _UNITS[place + 1]
            more = rest // smaller_size
            words += f" {_counted(more, smaller)}" if more else ""
        return words
    return _counted(span_us, "microsecond")


def away(moment_us: int, now_us: int) -> str:
    """Where an instant lies: "in 12 days", "3 hours ago", "now"."""
    if moment_us == now_us:
        return "now"
    return f"in {lasting(moment_us - now_us)}" if moment_us > now_us else f"{lasting(now_us - moment_us)} ago"


def days(span_us: int) -> float:
    """A length of time in days, to the thousandth."""
    return round(span_us / 86_400_000_000, 3)


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" + ("" if count == 1 else "s")
