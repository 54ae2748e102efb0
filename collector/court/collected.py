"""Every file that was collected under a return's orders, and what became of it (law.md L-25: complete and closed).

Looked at are the days on which recording was possible and those that hold rows of the orders all the same. Of such a day
every segment is listed, those without a row of the return too, so that the list can be held against the day's marker: a
segment that the marker names must be there, or set aside, or deleted with an entry in the log. Anything else is missing,
and then no return is made.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from collector.audit.ledger import Ledger
from collector.court.rows import SegmentCount, Tally, Windows, count_segment
from collector.court.scope import ReturnRefusedError
from collector.custody.inventory import Item, inventory
from collector.segments.catalogue import days, read_marker, segments_of
from collector.segments.segment import FOLDER, day_directory

PRESENT, QUARANTINED, DELETED = "present", "quarantined", "deleted"

Progress = Callable[[int], None]
"""Told how many bytes have been worked through."""


@dataclass
class CollectedFile:
    """One segment, there or not."""

    day: date
    name: str
    sha256: str
    bytes: int
    rows: int
    state: str = PRESENT
    sealed: bool = False
    entry: int | None = None
    """The number of the entry that set it aside or deleted it."""
    count: SegmentCount | None = None
    included: dict[str, Any] | None = None

    @property
    def path(self) -> str:
        """Below data_dir."""
        return f"{FOLDER}/date={self.day.isoformat()}/{self.name}"


@dataclass
class CollectedDay:
    """One day's folder."""

    day: date
    markers: list[str] = field(default_factory=list)
    """Names of the marker files."""
    streams: dict[str, Any] = field(default_factory=dict)
    kernel_dropped: dict[str, int] = field(default_factory=dict)
    files: list[CollectedFile] = field(default_factory=list)


@dataclass
class Collected:
    """All of it."""

    days: list[CollectedDay]
    tally: Tally
    damaged_journals: list[dict[str, Any]]
    damaged_names: list[str]
    """Below data_dir."""

    @property
    def files(self) -> list[CollectedFile]:
        """By day, then name."""
        return [file for day in self.days for file in day.files]

    def names_in_return(self) -> list[str]:
        """Below data_dir: the files whose rows are in the bundle, and the damaged journals that collected.json names."""
        return [*(file.path for file in self.files if file.included), *self.damaged_names]


def bytes_to_read(data_dir: Path) -> int:
    """How many bytes all segments have: what `gather` works through."""
    return sum(
        segment.path(data_dir).stat().st_size
        for day in days(data_dir)
        for segment in segments_of(data_dir, day)
    )


def gather(
    data_dir: Path, ledger: Ledger, windows: Windows, touched: Iterable[date], progress: Progress
) -> Collected:
    """Read every segment once; list, hash and count. Raises ReturnRefusedError, CorruptError, OSError."""
    tally = Tally()
    by_day = {day: CollectedDay(day) for day in touched}
    sealed: dict[date, set[str]] = {}
    missing = []
    for item in inventory(data_dir, ledger):
        if item.state in ("lost", "unexpected"):
            missing.append(f"{item.name} is {item.state}: {item.note or 'it stands where no file should'}")
        elif item.kind == "marker" and item.day is not None:
            found = by_day.setdefault(item.day, CollectedDay(item.day))
            sealed.setdefault(item.day, set()).update(_take_marker(data_dir, found, Path(item.name).name))
        elif item.kind == "segment" and item.day is not None:
            by_day.setdefault(item.day, CollectedDay(item.day)).files.append(_listed(item))
    if missing:
        raise ReturnRefusedError(
            [*missing, "the collected set is not complete: restore from a copy, or find out why"]
        )
    kept = []
    for day, found in sorted(by_day.items()):
        for file in found.files:
            file.sealed = file.name in sealed.get(day, ())
            if file.state == PRESENT:
                _read(data_dir, found, file, windows, tally, progress)
        if day in touched or any(
            file.state == DELETED or (file.count and file.count.ours) for file in found.files
        ):
            kept.append(found)
    damaged = _damaged(data_dir)
    names = [str(path.relative_to(data_dir)) for path in damaged]
    return Collected(kept, tally, [_described(path) for path in damaged], names)


def _take_marker(data_dir: Path, found: CollectedDay, name: str) -> list[str]:
    """Add what a marker says to its day; the segments that it names."""
    marker = read_marker(data_dir, name.removeprefix("sealed-").removesuffix(".json"), found.day)
    found.markers.append(name)
    found.streams |= marker["streams"]
    for transport, count in marker["kernel_dropped"].items():
        found.kernel_dropped[transport] = found.kernel_dropped.get(transport, 0) + count
    return [entry["name"] for entry in (*marker["segments"], *marker.get("quarantined", ()))]


def _listed(item: Item) -> CollectedFile:
    assert item.day is not None
    return CollectedFile(
        item.day,
        Path(item.name).name,
        item.sha256 or "",
        item.size or 0,
        item.rows or 0,
        item.state,
        entry=item.entry,
    )


def _read(
    data_dir: Path,
    found: CollectedDay,
    file: CollectedFile,
    windows: Windows,
    tally: Tally,
    progress: Progress,
) -> None:
    path = day_directory(data_dir, found.day) / file.name
    sha256 = digest(path)
    if file.sha256 not in ("", sha256):
        raise ReturnRefusedError(
            [f"{file.path} is not the file that its day's marker names: restore it from a copy"]
        )
    file.sha256 = sha256
    file.count = count_segment(path, found.day.isoformat(), windows, tally)
    progress(file.bytes)


def _damaged(data_dir: Path) -> list[Path]:
    """Journals that did not verify everywhere and were set aside; their whole parts are in segments."""
    root = data_dir / "journal"
    return sorted(root.glob("*/*.damaged")) if root.is_dir() else []


def _described(path: Path) -> dict[str, Any]:
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest(path)}


def digest(path: Path) -> str:
    """A file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
