"""A segment in which content was found all the same is set aside until an officer decides (law.md L-17).

Its name here and in the audit log is its place below data_dir, `segments/date=YYYY-MM-DD/<name>`; while it is aside the file
stands in `quarantine/date=YYYY-MM-DD/<name>`. Each act is entered first; killed between entry and effect, the same
command, or any other of these, completes it: the log says where a file belongs.

    quarantined    moved aside; the day exports nothing until this is decided
    released       moved back: right after all. Where its day was sealed meanwhile it is late and goes into a supplement
    deleted        destroyed, with why = "quarantine". Only of a sealed day, whose marker then proves what there was; never
                   under a hold
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.custody.footer import orders_in
from collector.ground import files
from collector.ground.clock import now_us
from collector.ground.errors import CorruptError, PentrapError
from collector.segments.catalogue import (
    days,
    days_aside,
    is_sealed,
    late_segments,
    segments_aside,
    segments_of,
)
from collector.segments.segment import FOLDER, QUARANTINE, Segment, parse_day, parse_segment
from collector.segments.turn import turn

DESTROYED = "quarantine"
"""The fact `why` of a `deleted` entry that ends a quarantine."""
_PLACE = re.compile(rf"{FOLDER}/(?P<day>date=[0-9-]+)/(?P<name>[^/]+)")


class QuarantineError(PentrapError):
    """What was asked for cannot be done; the text says why and what can be."""


class Aside(NamedTuple):
    """An undecided quarantine."""

    segment: Segment
    entry: Entry
    moved: bool
    """False where a crash came between the entry and the move; the next command completes it."""


def place_of(segment: Segment) -> str:
    """The name of a segment in the audit log."""
    return str(segment.path(Path()))


def place_aside(segment: Segment) -> str:
    """Where it stands below data_dir while it is aside; deletions name it so."""
    return str(segment.path_aside(Path()))


def undecided(ledger: Ledger) -> dict[Segment, Entry]:
    """The segments aside that were neither released nor destroyed."""
    found = {}
    for place, entry in ledger.quarantined.items():
        segment = segment_at(place)
        if segment is not None and not _destroyed(ledger, segment, entry):
            found[segment] = entry
    return found


def held_days(ledger: Ledger) -> set[date]:
    """The days that export nothing, since what to do with a segment of theirs is undecided."""
    return {segment.day for segment in undecided(ledger)}


def segment_at(place: str) -> Segment | None:
    """The segment of a name as the log has it."""
    match = _PLACE.fullmatch(place)
    day = parse_day(match["day"]) if match else None
    return parse_segment(day, match["name"]) if match and day else None


def find(data_dir: Path, text: str) -> Segment:
    """The segment that an officer names by path or by file name. Raises QuarantineError."""
    name = Path(text).name
    found = [
        segment
        for listing, of in ((days, segments_of), (days_aside, segments_aside))
        for day in listing(data_dir)
        for segment in of(data_dir, day)
        if segment.name == name
    ]
    # What a crash had destroyed already is found by the log.
    found += [
        segment
        for place in Ledger.of(read_entries(data_dir / "audit")).deleted
        if place.startswith(f"{QUARANTINE}/") and Path(place).name == name
        for day in [parse_day(Path(place).parent.name)]
        if day is not None and (segment := parse_segment(day, name)) is not None
    ]
    folder = parse_day(Path(text).parent.name)
    chosen = sorted({segment for segment in found if folder in (None, segment.day)})
    if len(chosen) != 1:
        many = (
            f"{len(chosen)} segments have this name; name it with its folder"
            if chosen
            else "no segment has this name"
        )
        raise QuarantineError(
            f"{text}: {many}\n    expected: the path or file name of one below {data_dir / FOLDER} or {data_dir / QUARANTINE}"
        )
    return chosen[0]


def set_aside(data_dir: Path, log: AuditLog, segment: Segment, *, actor: str, reason: str) -> Path:
    """Enter it and move the segment aside; where it stands then. Raises QuarantineError, OSError."""
    with turn(data_dir):
        ledger = settled(data_dir)
        if segment not in undecided(ledger):
            path = segment.path(data_dir)
            if not path.exists():
                raise QuarantineError(f"{segment.name}: stands in no folder any more")
            digest, _ = fingerprint(path)
            log.append(
                "quarantined", now_us(), segment=place_of(segment), sha256=digest, actor=actor, reason=reason
            )
            _move_aside(data_dir, segment)
    return segment.path_aside(data_dir)


def release(data_dir: Path, log: AuditLog, segment: Segment, *, actor: str, reason: str) -> Path:
    """Enter that it was right and move it back; where it stands then. Raises QuarantineError, OSError."""
    with turn(data_dir):
        ledger = settled(data_dir)
        entry = undecided(ledger).get(segment)
        if entry is None and _last_event(data_dir, segment) == "released":
            return segment.path(data_dir)  # entered before a crash, and settled above
        if entry is None:
            raise QuarantineError(f"{segment.name}: is not in quarantine; see pentrap quarantine --list")
        digest, _ = fingerprint(segment.path_aside(data_dir))
        if digest != entry.facts["sha256"]:
            raise QuarantineError(
                f"{segment.name}: is another file than was set aside\n    found:    SHA-256 {digest}\n"
                f"    expected: {entry.facts['sha256']}, from entry {entry.number}\n    remedy:   restore it from a copy"
            )
        log.append("released", now_us(), segment=place_of(segment), sha256=digest, actor=actor, reason=reason)
        _move_back(data_dir, segment)
    return segment.path(data_dir)


def _last_event(data_dir: Path, segment: Segment) -> str:
    """What the log says last of a segment; empty for nothing."""
    place = place_of(segment)
    events = [
        entry.event for entry in read_entries(data_dir / "audit") if entry.facts.get("segment") == place
    ]
    return events[-1] if events else ""


def destroy(data_dir: Path, log: AuditLog, segment: Segment, *, actor: str, reason: str) -> None:
    """Enter its deletion and delete it. Raises QuarantineError, OSError."""
    with turn(data_dir):
        ledger = settled(data_dir)
        if segment not in undecided(ledger) and place_aside(segment) in ledger.deleted:
            return  # entered before a crash, and settled above
        if segment not in undecided(ledger):
            raise QuarantineError(f"{segment.name}: is not in quarantine; set it aside first")
        path = segment.path_aside(data_dir)
        if not is_sealed(data_dir, segment.sensor, segment.day):
            raise QuarantineError(
                f"{segment.name}: its day is not sealed yet, so nothing would prove what it held\n"
                f"    remedy:   ask again when {segment.day} is over and sealed; until then it stays aside"
            )
        if held := held_orders(path, ledger.holds):
            raise QuarantineError(
                f"{segment.name}: {held}\n    remedy:   pentrap hold --lift, where counsel agrees"
            )
        digest, size = fingerprint(path)
        tombstone = {"name": place_aside(segment), "sha256": digest, "bytes": size, "rows": segment.rows}
        log.append("deleted", now_us(), files=[tombstone], why=DESTROYED, actor=actor, reason=reason)
        files.remove(path)


def listed(data_dir: Path, ledger: Ledger) -> list[Aside]:
    """What is undecided, by day and name."""
    return [
        Aside(segment, entry, segment.path_aside(data_dir).exists())
        for segment, entry in sorted(undecided(ledger).items())
    ]


def is_late(data_dir: Path, segment: Segment) -> bool:
    """Whether its day was sealed without it."""
    return is_sealed(data_dir, segment.sensor, segment.day) and segment in late_segments(
        data_dir, segment.sensor, segment.day
    )


def settle(data_dir: Path) -> None:
    """Complete what a crash left between an entry and its effect."""
    with turn(data_dir):
        settled(data_dir)


def held_orders(path: Path, holds: Mapping[str, Entry]) -> str:
    """In words, which holds forbid this file's deletion; empty where none does."""
    if not holds:
        return ""
    try:
        held = sorted(orders_in(path) & holds.keys())
    except (CorruptError, FileNotFoundError):
        return "which orders it holds cannot be read, and there are holds"
    return (
        "holds rows of " + ", ".join(f"{order} (held by entry {holds[order].number})" for order in held)
        if held
        else ""
    )


def fingerprint(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()


def settled(data_dir: Path) -> Ledger:
    """The ledger, after every file stands where it says. Only in the turn."""
    entries = read_entries(data_dir / "audit")
    ledger = Ledger.of(entries)
    for segment, event in _last_words(entries).items():
        standing, aside = segment.path(data_dir), segment.path_aside(data_dir)
        if event == "quarantined" and not aside.exists():
            _move_aside(data_dir, segment)
        elif event == "released" and aside.exists() and not standing.exists():
            _move_back(data_dir, segment)
        elif event == "deleted" and aside.exists() and not held_orders(aside, ledger.holds):
            files.remove(aside)
    return ledger


def _last_words(entries: Iterable[Entry]) -> dict[Segment, str]:
    """What was entered last about each segment that was ever set aside."""
    found: dict[Segment, str] = {}
    for entry in entries:
        if entry.event in ("quarantined", "released"):
            segment = segment_at(entry.facts["segment"])
            if segment is not None:
                found[segment] = entry.event
        elif entry.event == "deleted":
            for segment in (
                segment_at(FOLDER + file["name"].removeprefix(QUARANTINE)) for file in entry.facts["files"]
            ):
                if segment in found and segment is not None:
                    found[segment] = entry.event
    return found


def _destroyed(ledger: Ledger, segment: Segment, entry: Entry) -> bool:
    deletion = ledger.deleted.get(place_aside(segment))
    return deletion is not None and deletion.number > entry.number


def _move_aside(data_dir: Path, segment: Segment) -> None:
    source = segment.path(data_dir)
    if source.exists():
        files.make_directory(segment.path_aside(data_dir).parent)
        files.move(source, segment.path_aside(data_dir))


def _move_back(data_dir: Path, segment: Segment) -> None:
    files.make_directory(segment.path(data_dir).parent)
    files.move(segment.path_aside(data_dir), segment.path(data_dir))
