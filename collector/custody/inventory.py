"""Every file of the custody set, and what became of each: the collected set is complete and closed (law.md L-25).

What should be there is told by the markers of sealed days and by the audit log; what is there, by the folders. A segment of
a sealed day that its marker does not name came late; that is no error. A day that is not sealed yet promises nothing, so a
file that vanishes from it unentered cannot be missed here; its numbers are, as a gap, when the day is sealed.
"""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal, NamedTuple

from collector.audit.ledger import Ledger
from collector.custody.quarantine import fingerprint, place_aside, place_of, undecided
from collector.ground import files
from collector.segments.catalogue import days, days_aside, read_marker
from collector.segments.segment import (
    FOLDER,
    QUARANTINE,
    Segment,
    aside_directory,
    day_directory,
    parse_day,
    parse_segment,
)
from collector.segments.turn import LOCK

State = Literal["present", "quarantined", "deleted", "lost", "unexpected"]
_MARKER = re.compile(r"sealed-(?P<sensor>[a-z0-9][a-z0-9-]{0,31})\.json", re.ASCII)
_JOURNAL = re.compile(r"journal/[^/]+/[^/]+\.(?:journal|damaged)", re.ASCII)


class Item(NamedTuple):
    """One file. `name` is its proper place below data_dir; `sha256` is the marker's, the log's or what was computed."""

    name: str
    kind: Literal["segment", "marker", "journal", "damaged journal", "other"]
    state: State
    day: date | None = None
    rows: int | None = None
    size: int | None = None
    sha256: str | None = None
    late: bool = False
    """Of a sealed day, and not in its marker."""
    entry: int | None = None
    """The audit entry that deleted it or set it aside."""
    note: str = ""
    """What is wrong, or unusual, in words."""


class _Promised(NamedTuple):
    rows: int
    size: int
    sha256: str
    marker: str


def inventory(data_dir: Path, ledger: Ledger, *, hashes: bool = False) -> list[Item]:
    """The whole set, by name. With `hashes` every file is read and held against its marker or entry. Raises CorruptError."""
    promised: dict[Segment, _Promised] = {}
    sealed: set[tuple[str, date]] = set()
    found: list[Item] = []
    standing: set[Segment] = set()
    for day in days(data_dir):
        folder = day_directory(data_dir, day)
        for path in sorted(folder.iterdir()):
            name = str(path.relative_to(data_dir))
            marker = _MARKER.fullmatch(path.name)
            segment = parse_segment(day, path.name)
            if marker:
                sealed.add((marker["sensor"], day))
                content = read_marker(data_dir, marker["sensor"], day)
                promised |= _promises(content, day)
                found.append(Item(name, "marker", "present", day, content["rows"], path.stat().st_size))
            elif segment:
                standing.add(segment)
            elif not path.name.startswith(files.TEMPORARY_PREFIX):
                found.append(Item(name, "other", "unexpected", day, note="no segment's name"))
    found += _strangers(data_dir)
    aside = {
        segment
        for day in days_aside(data_dir)
        for path in aside_directory(data_dir, day).iterdir()
        if (segment := parse_segment(day, path.name))
    }
    waiting = undecided(ledger)
    entered = {segment for name in ledger.deleted if (segment := _segment_of(name))}
    for segment in sorted({*promised, *standing, *aside, *waiting, *entered}):
        late = (segment.sensor, segment.day) in sealed and segment not in promised
        item = Item(place_of(segment), "segment", "lost", segment.day, segment.rows, late=late)
        found.append(_told(data_dir, ledger, segment, item, promised.get(segment), hashes=hashes))
    found += _journals(data_dir, ledger)
    return sorted(found)


def _told(
    data_dir: Path, ledger: Ledger, segment: Segment, item: Item, promised: _Promised | None, *, hashes: bool
) -> Item:
    """The state of one segment."""
    standing, aside = segment.path(data_dir), segment.path_aside(data_dir)
    waiting = undecided(ledger).get(segment)
    deleted = ledger.deleted.get(place_of(segment)) or ledger.deleted.get(place_aside(segment))
    if waiting is not None:
        deleted = None
        path = aside if aside.exists() else standing
        note = (
            "in both folders"
            if aside.exists() and standing.exists()
            else ""
            if aside.exists()
            else "not moved yet: repeat the command"
        )
        item = item._replace(
            state="quarantined", entry=waiting.number, sha256=waiting.facts["sha256"], note=note
        )
        if not path.exists():
            return item._replace(
                state="lost", note=f"set aside by entry {waiting.number}, and in neither folder"
            )
        expected = _Promised(segment.rows, -1, waiting.facts["sha256"], f"entry {waiting.number}")
    elif deleted is not None:
        file = next(
            f for f in deleted.facts["files"] if f["name"] in (place_of(segment), place_aside(segment))
        )
        item = item._replace(entry=deleted.number, size=file["bytes"], sha256=file["sha256"])
        if standing.exists() or aside.exists():
            note = f"deleted by entry {deleted.number}, and there: pentrap purge finishes it"
            return item._replace(state="unexpected", note=note)
        if promised and promised.sha256 != file["sha256"]:
            note = f"entry {deleted.number} deleted another file than the marker names"
            return item._replace(state="deleted", note=note)
        return item._replace(state="deleted")
    elif aside.exists():
        note = "in quarantine without an undecided entry"
        return item._replace(state="unexpected", size=aside.stat().st_size, note=note)
    elif not standing.exists():
        assert promised is not None
        note = f"{promised.marker} names it, the folder lacks it, no entry deleted it"
        return item._replace(size=promised.size, sha256=promised.sha256, note=note)
    else:
        path, expected = standing, promised or _Promised(segment.rows, -1, "", "")
        item = item._replace(state="present", sha256=expected.sha256 or None)
    return _checked(item, path, expected, hashes=hashes)


def _checked(item: Item, path: Path, expected: _Promised, *, hashes: bool) -> Item:
    """Size and, where asked, hash against what was promised; another file than promised is a lost one."""
    size = path.stat().st_size
    item = item._replace(size=size)
    if expected.size not in (-1, size):
        return item._replace(state="lost", note=f"found {size} bytes, {expected.marker} says {expected.size}")
    if hashes:
        digest, _ = fingerprint(path)
        item = item._replace(sha256=digest)
        if expected.sha256 not in ("", digest):
            note = f"found SHA-256 {digest}, {expected.marker} says {expected.sha256}"
            return item._replace(state="lost", note=note)
    return item


def _promises(marker: dict[str, Any], day: date) -> dict[Segment, _Promised]:
    place = f"sealed-{marker['sensor']}.json"
    return {
        segment: _Promised(entry["rows"], entry["bytes"], entry["sha256"], place)
        for entry in (*marker["segments"], *marker.get("quarantined", ()))
        if (segment := parse_segment(day, entry["name"]))
    }


def _segment_of(name: str) -> Segment | None:
    """The segment of a deletion's name, in whichever folder it stood."""
    top, _, rest = name.partition("/")
    folder, _, file = rest.partition("/")
    day = parse_day(folder)
    return parse_segment(day, file) if top in (FOLDER, QUARANTINE) and day else None


def _strangers(data_dir: Path) -> Iterator[Item]:
    """What stands beside the days' folders, and what is no segment in quarantine."""
    for root in (data_dir / FOLDER, data_dir / QUARANTINE):
        for path in root.iterdir() if root.is_dir() else ():
            if parse_day(path.name) is None and path.name != LOCK:
                yield Item(str(path.relative_to(data_dir)), "other", "unexpected", note="no day's folder")
    for day in days_aside(data_dir):
        for path in aside_directory(data_dir, day).iterdir():
            if parse_segment(day, path.name) is None:
                name = str(path.relative_to(data_dir))
                yield Item(name, "other", "unexpected", day, note="no segment's name")


def _journals(data_dir: Path, ledger: Ledger) -> Iterator[Item]:
    """Journals that are not segments yet, and those set aside as damaged."""
    for path in sorted((data_dir / "journal").glob("*/*")):
        name = str(path.relative_to(data_dir))
        if not _JOURNAL.fullmatch(name):
            continue
        kind: Literal["journal", "damaged journal"] = (
            "journal" if path.suffix == ".journal" else "damaged journal"
        )
        deleted = ledger.deleted.get(name)
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue  # became Parquet meanwhile
        if deleted:
            note = f"deleted by entry {deleted.number}, and there: pentrap purge finishes it"
            yield Item(name, kind, "unexpected", size=size, entry=deleted.number, note=note)
        else:
            yield Item(name, kind, "present", size=size)
    for name, entry in ledger.deleted.items():
        if _JOURNAL.fullmatch(name) and not (data_dir / name).exists():
            file = next(f for f in entry.facts["files"] if f["name"] == name)
            yield Item(
                name,
                "damaged journal",
                "deleted",
                size=file["bytes"],
                sha256=file["sha256"],
                entry=entry.number,
            )
