"""Words that the page and `pentrap status` share, and how both write times, sizes and small counts. All times are UTC."""

from datetime import UTC, datetime
from typing import NamedTuple

from collector.ground.codes import Fate
from collector.manage.status.look import Look
from collector.orders.spans import away, lasting

FATES = {
    Fate.RECORDED: "in the journal, under the order that covers it",
    Fate.SUPPRESSED_PROBE: "from our own probes",
    Fate.SUPPRESSED_SCOPE: "nothing that is listed",
    Fate.SUPPRESSED_CLOCK: "listed, while the clock was in doubt",
    Fate.SUPPRESSED_WINDOW: "listed, while no order was in force",
    Fate.REJECTED_SILENT: "said nothing",
    Fate.REJECTED_PROXY: "a listed proxy did not say for whom",
    Fate.REJECTED_PARSE: "a head too long, unfinished, or with two names",
    Fate.DROPPED_OVERLOAD: "shed by a cap",
    Fate.DROPPED_DISK: "the disk refused it",
    Fate.DROPPED_CRASH: "lost with a process that died",
}
"""What each fate means, in a line."""


class Answer(NamedTuple):
    """Yes or no to a question, and the detail that belongs to it."""

    question: str
    yes: bool
    detail: str


def answers(look: Look) -> tuple[Answer, ...]:
    """Are machines answered, are they recorded, does the equation hold?"""
    active = ", ".join(order.order for order in look.orders if order.active)
    difference = look.counts.difference
    return (
        Answer(
            "Answering", look.workers_answering > 0, f"{look.workers_answering} of {look.workers} workers"
        ),
        Answer(
            "Recording",
            look.recording,
            f"under {active}" if look.recording else ", ".join(look.not_recording_because),
        ),
        Answer(
            "Equation holds", not difference, f"broken by {difference:,}" if difference else "to the unit"
        ),
    )


def size(count: int) -> str:
    """Bytes as people say them."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def few(count: int | None) -> str:
    """A count of addresses."""
    return "<10" if count is None else f"{count:,}"


def instant(seconds: float) -> str:
    """A moment to the minute."""
    return moment(seconds).strftime("%Y-%m-%d %H:%M")


def edge(seconds: float) -> str:
    """The same for what mostly lies at midnight: then the date is enough."""
    return instant(seconds).removesuffix(" 00:00")


def moment(seconds: float) -> datetime:
    """As a datetime."""
    return datetime.fromtimestamp(seconds, UTC)


def when(seconds: float, now: float) -> str:
    """Where a moment lies: "in 12 days", "3 hours ago"; what is nearer than a second is now."""
    distance = int(seconds - now) * 1_000_000
    return away(distance, 0)


def lasted(seconds: float) -> str:
    """A length of time."""
    return lasting(max(0, int(seconds)) * 1_000_000) if seconds >= 1 else "a moment"
