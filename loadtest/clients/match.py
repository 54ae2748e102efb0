"""Ledger against rows: which check-in left which row. Pure.

A row belongs to a check-in when source and destination, address and port and transport are the same and
its timestamp lies in the check-in's time window. Where one key was used more than once, each row takes,
in time order, the window that closes first: for points and intervals that finds the largest matching
there is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple, Protocol

from clients.ledger import Entry

UDP_SLACK_US = 10_000_000
"""A datagram waits in the socket's buffer until it is read: its window stays open so much longer."""
CLOCK_SLACK_US = 1_000
"""Two processes read one clock, but a batch shares the time of its first accept."""
EXAMPLES_MAX = 10

Key = tuple[str, int, str, int, str]


class Row(Protocol):
    """What is asked of a recorded row (bed.rows.Event has it)."""

    @property
    def time_us(self) -> int: ...
    @property
    def key(self) -> Key: ...
    @property
    def application(self) -> str: ...
    @property
    def domain(self) -> str | None: ...
    @property
    def identity(self) -> tuple[str, int]: ...


class Verdict(NamedTuple):
    """What the comparison found. Every count but the first six must be 0."""

    entries: int
    rows: int
    answered_recorded: int
    """Answered, expected to be recorded, and there exactly once."""
    unanswered_recorded: int
    """Not answered (killed, timed out) yet recorded: allowed, record first and reply after."""
    unanswered_missing: int
    """Not answered, not recorded: allowed, and counted elsewhere as dropped or never accepted."""
    datagrams_recorded: int
    datagrams_missing: int
    """Sent, listed, not there: must be explained by what the kernel dropped."""
    lost: int
    """Answered, expected to be recorded, not there."""
    unexpected: int
    """Rows of no check-in that should be recorded."""
    duplicate: int
    """Rows that share stream and record with another."""
    wrong_domain: int
    wrong_application: int
    examples: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not (
            self.lost or self.unexpected or self.duplicate or self.wrong_domain or self.wrong_application
        )


def key_of(entry: Entry) -> Key:
    return (entry.src_ip, entry.src_port, entry.dst_ip, entry.dst_port, entry.transport)


def match(entries: list[Entry], rows: Iterable[Row]) -> list[tuple[Entry | None, Row]]:
    """Each row with its check-in, or None; a check-in is given to one row at most."""
    windows: dict[Key, list[tuple[int, int, Entry]]] = defaultdict(list)
    for entry in entries:
        end = entry.end_us + (UDP_SLACK_US if entry.transport == "udp" else CLOCK_SLACK_US)
        windows[key_of(entry)].append((end, entry.begin_us - CLOCK_SLACK_US, entry))
    for waiting in windows.values():
        waiting.sort(key=lambda window: window[:2])
    pairs: list[tuple[Entry | None, Row]] = []
    for row in sorted(rows, key=lambda row: row.time_us):
        waiting = windows.get(row.key, [])
        place = next((i for i, (end, begin, _) in enumerate(waiting) if begin <= row.time_us <= end), None)
        pairs.append((None if place is None else waiting.pop(place)[2], row))
    return pairs


def compare(entries: list[Entry], rows: list[Row]) -> Verdict:
    """The whole comparison."""
    counts: Counter[str] = Counter()
    examples: list[str] = []

    def tell(what: str, detail: object) -> None:
        counts[what] += 1
        if counts[what] <= EXAMPLES_MAX:
            examples.append(f"{what}: {detail}")

    recorded: set[int] = set()
    for entry, row in match(entries, rows):
        if entry is None or entry.fate != "recorded":
            tell("unexpected", (row, entry))
            continue
        recorded.add(id(entry))
        if row.domain != entry.domain:
            tell("wrong_domain", (row, entry))
        if row.application != entry.application:
            tell("wrong_application", (row, entry))
    for entry in entries:
        if entry.fate != "recorded":
            continue
        there = id(entry) in recorded
        if entry.transport == "udp":
            counts["datagrams_recorded" if there else "datagrams_missing"] += 1
        elif not entry.answered:
            counts["unanswered_recorded" if there else "unanswered_missing"] += 1
        elif there:
            counts["answered_recorded"] += 1
        else:
            tell("lost", entry)
    for identity, times in Counter(row.identity for row in rows).items():
        if times > 1:
            tell("duplicate", identity)
    named = {name: counts[name] for name in Verdict._fields if name not in {"entries", "rows", "examples"}}
    return Verdict(entries=len(entries), rows=len(rows), examples=tuple(examples), **named)


def expected_fates(entries: list[Entry]) -> Counter[str]:
    """How many check-ins of each fate the collector must have counted, had it accepted every one made."""
    return Counter(entry.fate for entry in entries if entry.how != "refused")
