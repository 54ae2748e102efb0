"""One thing that needs attention, and what many come to."""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple


class Urgency(IntEnum):
    """How soon."""

    NOW = 0
    SOON = 1


class Concern(NamedTuple):
    """One thing."""

    urgency: Urgency
    what: str
    action: str
    """What to do, a sentence without its full stop; names and commands stand between backticks."""
    runbook: str
    """The heading of deploy/RUNBOOK.md that says more: the alert that tells the same."""


VERDICTS = {"ok": "All is well", "soon": "Needs attention", "now": "In trouble"}
"""By the most urgent concern."""


def state_of(found: Sequence[Concern]) -> str:
    """One of VERDICTS; `found` in order of urgency."""
    return found[0].urgency.name.lower() if found else "ok"
