"""What stands in a day's folder, and the marker that seals it. The listing is the catalogue.

    data_dir/segments/date=YYYY-MM-DD/sealed-<sensor>.json

The marker says that all records which this sensor made on that UTC day are in the segments it names. It is
written once and never changed, so what a day's export was made from can always be told: a segment that stands
in the folder and not in the marker came late and belongs to a supplement; one that the marker names and the
folder lacks, or holds with another size, was lost. Other sensors' segments may share the folder and have
their own marker.

    {"marker_version": 1, "schema_version": 1, "producer": "pentrap 0.1.0",
     "sensor": "sinkhole-1", "day": "2026-11-22", "sealed_at": "2026-11-23T00:01:00.000000Z",
     "rows": 51000,
     "segments": [{"name": …, "rows": 51000, "bytes": 702731, "sha256": …}, …],        by name
     "quarantined": [],                                        the same of those set aside before the seal
     "streams": {"sinkhole-1.0.1795305600000000": {"ranges": [[0, 50999]], "gaps": []}, …},
     "kernel_dropped": {"tcp": 0, "udp": 0},
     "checkins": {"accepted": 51020, "open": 0, "fates": {"recorded": 51000, …}},              null: not known whole
     "clock": {"synchronised": true, "largest_offset_us": 120, "steps": 0}}                    null: not known

Ranges are record numbers, both ends inclusive. A stream counts from 0, so whatever a stream's segments leave
out below its last record is a gap: records that a crash or rot took. Records after the last one cannot be
missed here; the journal's recovery counts those. Two segments that hold the same record number would be a row
published twice: that is refused.

A segment in quarantine (`path_aside`) when the day is sealed is named under `quarantined` and its rows are not counted;
its numbers are no gap. One that is released later stands in the folder and not in the marker, so it came late. One that
is set aside after the seal is still named under `segments`, and is not lost.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from collector.ground import files
from collector.ground.errors import CorruptError
from collector.segments.segment import (
    FOLDER,
    QUARANTINE,
    Segment,
    aside_directory,
    day_directory,
    parse_day,
    parse_segment,
)
from collector.segments.versions import MARKER_VERSION, SCHEMA_VERSION
from collector.segments.write import PRODUCER

FIRST_RECORD = 0
"""The number of a stream's first record."""

Range = tuple[int, int]
_REMEDY = "Restore the segment from a copy; the day stays open until then."
_RESTORE = "Restore it from a copy; it is never made anew."


class _Part(BaseModel):
    """A part of a marker: what is read of it; more may stand there."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


class _Named(_Part):
    name: str
    rows: int
    bytes: int
    sha256: str


class _Stream(_Part):
    ranges: list[Range]
    gaps: list[Range]


class _CheckIns(_Part):
    accepted: int
    open: int
    fates: dict[str, int]


class _Clock(_Part):
    synchronised: bool
    largest_offset_us: int | None
    steps: int


class _Marker(_Part):
    """Those with a default are not in early markers."""

    rows: int
    segments: list[_Named]
    quarantined: list[_Named] = []
    streams: dict[str, _Stream]
    kernel_dropped: dict[str, int]
    checkins: _CheckIns | None = None
    clock: _Clock | None = None


def days(data_dir: Path) -> list[date]:
    """The UTC days that have a folder, in order."""
    return _days_below(data_dir / FOLDER)


def days_aside(data_dir: Path) -> list[date]:
    """The UTC days that have a folder in quarantine, in order."""
    return _days_below(data_dir / QUARANTINE)


def _days_below(root: Path) -> list[date]:
    if not root.is_dir():
        return []
    return sorted(day for path in root.iterdir() if (day := parse_day(path.name)) is not None)


def segments_of(data_dir: Path, day: date, sensor: str | None = None) -> list[Segment]:
    """A day's segments, of one sensor or of all, by stream and first record; other files are passed over."""
    return _segments_in(day_directory(data_dir, day), day, sensor)


def segments_aside(data_dir: Path, day: date, sensor: str | None = None) -> list[Segment]:
    """A day's segments in quarantine, as `segments_of`."""
    return _segments_in(aside_directory(data_dir, day), day, sensor)


def _segments_in(folder: Path, day: date, sensor: str | None) -> list[Segment]:
    if not folder.is_dir():
        return []
    found = (parse_segment(day, path.name) for path in folder.iterdir())
    return sorted(s for s in found if s is not None and sensor in (None, s.sensor))


def marker_path(data_dir: Path, sensor: str, day: date) -> Path:
    """Where the marker of a sensor's day stands, or would."""
    return day_directory(data_dir, day) / f"sealed-{sensor}.json"


def is_sealed(data_dir: Path, sensor: str, day: date) -> bool:
    """Whether the day has its marker."""
    return marker_path(data_dir, sensor, day).exists()


def seal_day(
    data_dir: Path,
    sensor: str,
    day: date,
    *,
    sealed_at: datetime,
    kernel_dropped: Mapping[str, int],
    checkins: Mapping[str, Any] | None = None,
    clock: Mapping[str, Any] | None = None,
) -> Path:
    """Write the marker of a day whose records are all in segments; one that stands already is left as it is.

    `sealed_at` is aware; `kernel_dropped` counts by transport what the kernel dropped before us on that day;
    `checkins` and `clock` are the day's first equation and what is known of its clock, as the marker has them, None where
    that is not known. Reads every segment once. Only in its `turn`. Raises CorruptError where a segment does not hold the
    rows that its name promises, or two hold the same record.
    """
    target = marker_path(data_dir, sensor, day)
    if target.exists():
        return target
    segments = segments_of(data_dir, day, sensor)
    aside = segments_aside(data_dir, day, sensor)
    entries = [_entry(segment.path(data_dir), segment) for segment in segments]
    marker = {
        "marker_version": MARKER_VERSION,
        "schema_version": SCHEMA_VERSION,
        "producer": PRODUCER,
        "sensor": sensor,
        "day": day.isoformat(),
        "sealed_at": sealed_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "rows": sum(entry["rows"] for entry in entries),
        "segments": sorted(entries, key=lambda entry: entry["name"]),
        "quarantined": [_entry(segment.path_aside(data_dir), segment) for segment in aside],
        "streams": _streams(data_dir, day, segments, aside),
        "kernel_dropped": dict(sorted(kernel_dropped.items())),
        "checkins": checkins,
        "clock": clock,
    }
    files.make_directory(target.parent)
    files.publish_bytes(target, (json.dumps(marker, indent=1, ensure_ascii=True) + "\n").encode("ascii"))
    return target


def read_marker(data_dir: Path, sensor: str, day: date) -> dict[str, Any]:
    """The marker's content. FileNotFoundError where the day is not sealed, CorruptError where it does not fit."""
    path = marker_path(data_dir, sensor, day)
    content = path.read_bytes()
    try:
        marker = json.loads(content)
    except (ValueError, RecursionError):
        _refuse("read marker", path, "the file", "is not JSON", _RESTORE)
    if not isinstance(marker, dict) or (marker.get("sensor"), marker.get("day")) != (sensor, day.isoformat()):
        _refuse("read marker", path, "sensor, day", "do not match its name", "Restore it from a copy.")
    if marker.get("marker_version") != MARKER_VERSION:
        _refuse(
            "read marker",
            path,
            "marker_version",
            f"is not {MARKER_VERSION}",
            "Use the release that wrote it.",
        )
    try:
        _Marker.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(ascii(part).strip("'") for part in first["loc"])
        _refuse("read marker", path, place or "the file", first["msg"], _RESTORE)
    return marker


def late_segments(data_dir: Path, sensor: str, day: date) -> list[Segment]:
    """Segments of a sealed day that its marker does not name: they came after it."""
    known = {entry["name"] for entry in read_marker(data_dir, sensor, day)["segments"]}
    return [segment for segment in segments_of(data_dir, day, sensor) if segment.name not in known]


def lost_segments(data_dir: Path, sensor: str, day: date) -> list[str]:
    """Names in a sealed day's marker of which neither the folder nor the quarantine has a file of that size.

    Hashes are not read. What was deleted by an entry of the audit log is among them: `custody.inventory` knows.
    """
    folders = [
        place for place in (aside_directory(data_dir, day), day_directory(data_dir, day)) if place.is_dir()
    ]
    sizes = {
        path.name: path.stat().st_size for place in folders for path in place.iterdir() if path.is_file()
    }
    marker = read_marker(data_dir, sensor, day)
    return [entry["name"] for entry in marker["segments"] if sizes.get(entry["name"]) != entry["bytes"]]


def ranges_of(segments: Iterable[Segment]) -> dict[str, list[Range]]:
    """By stream, the record numbers that segments hold, in order; what follows one another is one range."""
    return {stream: _merged(sorted(held)) for stream, held in sorted(_ranges(segments).items())}


def _entry(path: Path, segment: Segment) -> dict[str, Any]:
    try:
        footer = pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError) as error:
        _refuse(
            "seal day",
            path,
            "the footer",
            f"is unreadable ({type(error).__name__})",
            _REMEDY,
        )
    if footer.num_rows != segment.rows:
        _refuse(
            "seal day",
            path,
            "the footer",
            f"found {footer.num_rows} rows, expected {segment.rows}",
            _REMEDY,
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": segment.name, "rows": segment.rows, "bytes": file.tell(), "sha256": digest}


def _streams(
    data_dir: Path, day: date, segments: Iterable[Segment], aside: Iterable[Segment]
) -> dict[str, dict[str, list[Range]]]:
    """By stream, what its segments hold and lack; a stream that crossed midnight has the rest next door."""
    today = _ranges(segments)
    nearby = _ranges(aside)
    for step in (-1, 1):
        beside = day + timedelta(days=step)
        for stream, ranges in _ranges(
            segments_of(data_dir, beside) + segments_aside(data_dir, beside)
        ).items():
            nearby.setdefault(stream, []).extend(ranges)
    found = {}
    for stream, held in sorted(today.items()):
        whole = sorted(held + nearby.get(stream, []))
        for (first, last), (following, _) in pairwise(whole):
            if following <= last:
                _refuse(
                    "seal day",
                    day_directory(data_dir, day),
                    f"stream {stream}",
                    f"two segments hold record {following} (one begins at {first})",
                    "The day stays open; keep the longer segment and set the other aside.",
                )
        end = max(last for _, last in held)
        gaps = [gap for gap in _gaps(whole) if gap[0] <= end]
        found[stream] = {"ranges": _merged(sorted(held)), "gaps": gaps}
    return found


def _ranges(segments: Iterable[Segment]) -> dict[str, list[Range]]:
    held: dict[str, list[Range]] = {}
    for segment in segments:
        held.setdefault(segment.stream, []).append((segment.first, segment.last))
    return held


def _gaps(ranges: list[Range]) -> list[Range]:
    """What sorted ranges leave out from FIRST_RECORD on."""
    edges = [(FIRST_RECORD - 1, FIRST_RECORD - 1), *ranges]
    return [(left[1] + 1, right[0] - 1) for left, right in pairwise(edges) if right[0] > left[1] + 1]


def _merged(ranges: list[Range]) -> list[Range]:
    """Sorted ranges that follow one another become one."""
    merged = ranges[:1]
    for first, last in ranges[1:]:
        if first == merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def _refuse(operation: str, path: Path, place: str, cause: str, remedy: str) -> NoReturn:
    raise CorruptError(operation, str(path), place, cause, remedy)
