"""What a day's export is made from: which segments stand, which sensors have sealed the day, what was set aside or withdrawn.

A day is complete when every expected sensor has its marker. A segment that its marker names and nobody has entered as
destroyed must be there: a day that lost rows is not exported as if it had them (CorruptError). Segments that come later
than a publication are found by their names, which are their ranges: a manifest says which records it was made from.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from collector.audit.ledger import Ledger
from collector.custody.quarantine import DESTROYED, held_days
from collector.exports.kinds import Entitlement, Kind
from collector.exports.manifest import CheckIns, Clock, Manifest
from collector.exports.withdrawn import Withdrawn, to_take_back, withdrawn_of
from collector.ground.errors import CorruptError
from collector.segments.catalogue import is_sealed, lost_segments, ranges_of, read_marker, segments_of
from collector.segments.segment import DAY_PREFIX, QUARANTINE, Segment

Ranges = Mapping[str, Sequence[tuple[int, int]]]


class DaySource(NamedTuple):
    """A day as it stands now."""

    day: date
    segments: tuple[Segment, ...]
    sensors: tuple[str, ...]
    """Those expected, and any other that has segments of the day."""
    missing: tuple[str, ...]
    """The expected sensors that have not sealed it."""
    held: bool
    """A segment of it is in quarantine and undecided: nothing is exported (law.md L-17)."""
    destroyed_rows: int
    """Rows of segments that an officer's decision destroyed."""
    withdrawn: tuple[Withdrawn, ...]
    """What was found wrong of it, and is given to nobody."""
    kernel_dropped: dict[str, int]
    checkins: CheckIns | None
    """The first equation over all expected sensors; None where one of them does not know its own, or has not sealed."""
    clock: Clock

    @property
    def rows(self) -> int:
        """Rows that stand."""
        return sum(segment.rows for segment in self.segments)


class Due(NamedTuple):
    """A publication that is to be made: for whom, of what kind, of which segments' rows, after which withdrawals."""

    entitlement: Entitlement
    kind: Kind
    supplement: int
    segments: tuple[Segment, ...]
    withdrawn: tuple[Withdrawn, ...] = ()
    """Those that it leaves out (a day) or takes back (a withdrawal)."""


def read_source(data_dir: Path, day: date, expected: Iterable[str], ledger: Ledger) -> DaySource:
    """The day as it stands; whether it is whole, `check_whole` says. Raises CorruptError, OSError."""
    segments = segments_of(data_dir, day)
    sensors = tuple(sorted({*expected, *(segment.sensor for segment in segments)}))
    wanted = tuple(expected)
    missing = tuple(sorted(sensor for sensor in wanted if not is_sealed(data_dir, sensor, day)))
    destroyed = _destroyed(ledger, day)
    markers = [read_marker(data_dir, sensor, day) for sensor in sensors if is_sealed(data_dir, sensor, day)]
    held = day in held_days(ledger)
    return DaySource(
        day,
        tuple(segments),
        sensors,
        missing,
        held,
        sum(destroyed.values()),
        withdrawn_of(ledger, day),
        {name: sum(one["kernel_dropped"].get(name, 0) for one in markers) for name in ("tcp", "udp")},
        None if missing else _checkins([one.get("checkins") for one in markers]),
        _clock([one.get("clock") for one in markers]),
    )


def _checkins(stated: Sequence[dict[str, Any] | None]) -> CheckIns | None:
    """The sensors' equations added up."""
    known = [one for one in stated if one is not None]
    if not known or len(known) < len(stated):
        return None
    fates: dict[str, int] = {}
    for one in known:
        for fate, count in one["fates"].items():
            fates[fate] = fates.get(fate, 0) + count
    return CheckIns(
        accepted=sum(one["accepted"] for one in known), open=sum(one["open"] for one in known), fates=fates
    )


def _clock(stated: Sequence[dict[str, Any] | None]) -> Clock:
    """The worst that a sensor says of its clock."""
    known = [one for one in stated if one is not None]
    if not known or len(known) < len(stated):
        return Clock(source="not known", largest_offset_us=None, steps=0)
    synchronised = all(one["synchronised"] for one in known)
    offsets = [one["largest_offset_us"] for one in known if one["largest_offset_us"] is not None]
    return Clock(
        source="the kernel's, synchronised" if synchronised else "the kernel's, not synchronised",
        largest_offset_us=max(offsets) if offsets and synchronised else None,
        steps=sum(one["steps"] for one in known),
    )


def check_whole(data_dir: Path, source: DaySource, ledger: Ledger) -> None:
    """Every segment that a marker names stands, or was destroyed by an entry. Raises CorruptError."""
    destroyed = _destroyed(ledger, source.day)
    for sensor in set(source.sensors) - set(source.missing):
        if not is_sealed(data_dir, sensor, source.day):
            continue
        for name in lost_segments(data_dir, sensor, source.day):
            if name not in destroyed:
                raise _lost(data_dir, source.day, name, ledger)


def due(
    entitlement: Entitlement,
    source: DaySource,
    published: Iterable[Manifest],
    orders_of: Callable[[Segment], frozenset[str]],
) -> list[Due]:
    """What an entitlement is owed of the day, after what was published, in the order in which it is to be made.

    `orders_of` says of which orders a segment has rows. One that came late without any of the order's changes nothing for it.
    """
    all_before = [
        manifest
        for manifest in published
        if (manifest.order, manifest.date) == (entitlement.order, source.day)
    ]
    before = [manifest for manifest in all_before if manifest.kind != "withdrawal"]
    if not before:
        known = tuple(one for one in source.withdrawn if one.order == entitlement.order)
        return [Due(entitlement, "day", 0, source.segments, known)]
    number = 1 + max(manifest.supplement for manifest in all_before)
    back = to_take_back(source.withdrawn, entitlement.partner, entitlement.order, all_before)
    owed = [Due(entitlement, "withdrawal", number, source.segments, back)] if back else []
    late = tuple(
        segment
        for segment in source.segments
        if not any(_covers(manifest, segment) for manifest in before)
        and entitlement.order in orders_of(segment)
    )
    completed = not source.missing and not before[-1].complete
    if late or completed:
        owed.append(Due(entitlement, "supplement", number + len(owed), late))
    return owed


def records_of(segments: Iterable[Segment]) -> dict[str, tuple[tuple[int, int], ...]]:
    """The ranges that a manifest names."""
    return {stream: tuple(ranges) for stream, ranges in ranges_of(segments).items()}


def _covers(manifest: Manifest, segment: Segment) -> bool:
    return any(
        first <= segment.first and segment.last <= last
        for first, last in manifest.records.get(segment.stream, ())
    )


def _destroyed(ledger: Ledger, day: date) -> dict[str, int]:
    """Rows by name of the day's segments that were destroyed out of quarantine."""
    place = f"{QUARANTINE}/{DAY_PREFIX}{day.isoformat()}/"
    found: dict[str, int] = {}
    for name, entry in ledger.deleted.items():
        if name.startswith(place) and entry.facts["why"] == DESTROYED:
            file: dict[str, Any] = next(f for f in entry.facts["files"] if f["name"] == name)
            found[name.removeprefix(place)] = file["rows"]
    return found


def _lost(data_dir: Path, day: date, name: str, ledger: Ledger) -> CorruptError:
    purged = any(path.endswith(f"/{name}") for path in ledger.deleted)
    cause = f"{name} " + (
        "was purged when its time was over"
        if purged
        else "is named by the day's marker, and is not there or has another size"
    )
    remedy = (
        "Nothing: what was published of the day stays as it is."
        if purged
        else "Restore the segment from a copy; pentrap verify says what is missing"
    )
    return CorruptError("export a day", str(data_dir), f"day {day.isoformat()}", cause, remedy)
