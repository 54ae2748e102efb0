"""How often something is tried again, and how long apart; bounded, so that a run under cron comes to an end."""

import email.utils
import random
import time
from dataclasses import dataclass

ASKED_MAX_SECONDS = 300.0
"""The longest wait that a Retry-After is obeyed for; for more, the next run is early enough."""


@dataclass(frozen=True)
class Patience:
    """`attempts` in a row that bring nothing end it; one that brings a byte begins the count anew."""

    attempts: int = 6
    first_seconds: float = 0.5
    longest_seconds: float = 30.0

    def pause_seconds(self, failed: int) -> float:
        """After `failed` attempts in a row that brought nothing. Spread, so that partners do not come back as one."""
        longest: float = min(self.longest_seconds, self.first_seconds * 2 ** max(failed - 1, 0))
        return longest * random.uniform(0.5, 1)


def asked_seconds(retry_after: str) -> float | None:
    """What a Retry-After asks for (RFC 9110, 10.2.3): seconds, or a date; None where it is neither."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
