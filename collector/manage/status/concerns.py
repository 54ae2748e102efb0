"""What needs attention, from one look: most urgent first, each with what to do and the heading of deploy/RUNBOOK.md that says
more. The headings are the names of the alerts that tell the same to whoever is not looking at the page.

A concern is about now. What went wrong and is over leaves after an hour (drops, refusals) or a day (rot), so that a quiet page
means what it says; counters keep it for ever.
"""

from typing import Any

from collector.manage.status import words
from collector.manage.status.concern import VERDICTS, Concern, state_of
from collector.manage.status.look import Look
from collector.manage.status.owed import concerns_of_what_is_owed
from collector.manage.status.running import concerns_of_running


def concerns(look: Look) -> tuple[Concern, ...]:
    """All of them, most urgent first; of equal urgency in the order in which a collector's promises count."""
    found = [*concerns_of_running(look), *concerns_of_what_is_owed(look)]
    return tuple(sorted(found, key=lambda concern: concern.urgency))


def document(look: Look) -> dict[str, Any]:
    """A look and what follows from it, as JSON has it."""
    found = concerns(look)
    told = [concern._asdict() | {"urgency": concern.urgency.name.lower()} for concern in found]
    answers = [answer._asdict() for answer in words.answers(look)]
    return look.document() | {"verdict": VERDICTS[state_of(found)], "answers": answers, "concerns": told}
