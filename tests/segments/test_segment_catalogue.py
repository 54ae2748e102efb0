"""A day's folder and its marker: complete, closed, never changed."""

import hashlib
import json
import os
import stat
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from segment_world import DAY_US, NOON_US, STREAM, pack

from collector.ground.errors import CorruptError
from collector.segments.catalogue import (
    days,
    is_sealed,
    late_segments,
    lost_segments,
    marker_path,
    read_marker,
    seal_day,
    segments_of,
)
from collector.segments.write import write_segments

DAY = date(2026, 11, 22)
SENSOR = "sinkhole-1"
OTHER_WORKER = "sinkhole-1.1.1795305600000123"
OTHER_SENSOR = "sinkhole-2.0.1795305600000000"
AT = datetime(2026, 11, 23, 1, 0, tzinfo=timezone(timedelta(hours=1)))
DROPPED = {"udp": 7, "tcp": 0}


def write(directory, rules, first, count, stream=STREAM, time_us=NOON_US):
    records = b"".join(pack(time_us=time_us + place) for place in range(count))
    [segment] = write_segments(directory, records, first, stream, rules)
    return segment


def seal(directory, sensor=SENSOR, day=DAY, at=AT):
    return seal_day(directory, sensor, day, sealed_at=at, kernel_dropped=DROPPED)


def test_the_listing_is_the_catalogue(rules, tmp_path):
    """Days and segments come from names alone; strangers, temporaries and markers are passed over."""
    assert days(tmp_path) == []
    assert segments_of(tmp_path, DAY) == []
    second = write(tmp_path, rules, 10, 5)
    first = write(tmp_path, rules, 0, 10)
    foreign = write(tmp_path, rules, 0, 3, OTHER_SENSOR)
    write(tmp_path, rules, 0, 1, time_us=NOON_US + DAY_US)
    folder = first.path(tmp_path).parent
    (folder / ".tmp-x").write_bytes(b"")
    (folder / "README").write_bytes(b"")
    (tmp_path / "segments/lost+found").mkdir()
    assert days(tmp_path) == [DAY, DAY + timedelta(days=1)]
    assert segments_of(tmp_path, DAY) == [first, second, foreign]
    assert segments_of(tmp_path, DAY, SENSOR) == [first, second]


def test_the_marker_says_what_the_day_holds(rules, tmp_path):
    """Rows, segments with size and hash, ranges and gaps by stream, kernel drops, instant; of this sensor only."""
    held = [write(tmp_path, rules, 0, 10), write(tmp_path, rules, 10, 5), write(tmp_path, rules, 20, 1)]
    held.append(write(tmp_path, rules, 3, 2, OTHER_WORKER))
    write(tmp_path, rules, 0, 3, OTHER_SENSOR)
    path = seal(tmp_path)
    assert path == tmp_path / "segments/date=2026-11-22/sealed-sinkhole-1.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    marker = json.loads(path.read_text())
    assert marker == read_marker(tmp_path, SENSOR, DAY)
    assert marker.pop("segments") == [
        {
            "name": segment.name,
            "rows": segment.rows,
            "bytes": segment.path(tmp_path).stat().st_size,
            "sha256": hashlib.sha256(segment.path(tmp_path).read_bytes()).hexdigest(),
        }
        for segment in held
    ]
    assert marker == {
        "marker_version": 1,
        "schema_version": 1,
        "producer": "pentrap 0.1.0",
        "sensor": "sinkhole-1",
        "day": "2026-11-22",
        "sealed_at": "2026-11-23T00:00:00.000000Z",
        "rows": 18,
        "quarantined": [],
        "streams": {
            STREAM: {"ranges": [[0, 14], [20, 20]], "gaps": [[15, 19]]},
            OTHER_WORKER: {"ranges": [[3, 4]], "gaps": [[0, 2]]},
        },
        "kernel_dropped": {"tcp": 0, "udp": 7},
        "checkins": None,
        "clock": None,
    }


def test_l32_a_marker_is_written_once(rules, tmp_path):
    """Sealing again, later and with more in the folder, changes no byte and touches no inode."""
    write(tmp_path, rules, 0, 10)
    assert not is_sealed(tmp_path, SENSOR, DAY)
    path = seal(tmp_path)
    content, inode = path.read_bytes(), path.stat().st_ino
    write(tmp_path, rules, 10, 10)
    assert seal(tmp_path, at=AT + timedelta(days=1)) == path
    assert (path.read_bytes(), path.stat().st_ino) == (content, inode)
    assert is_sealed(tmp_path, SENSOR, DAY)


def test_l32_late_and_lost_segments_are_found_by_comparing(rules, tmp_path):
    """What the folder has and the marker lacks is late; what the marker names and the folder lacks is lost."""
    first, second = write(tmp_path, rules, 0, 10), write(tmp_path, rules, 10, 10)
    seal(tmp_path)
    assert (late_segments(tmp_path, SENSOR, DAY), lost_segments(tmp_path, SENSOR, DAY)) == ([], [])
    late = write(tmp_path, rules, 20, 1)
    first.path(tmp_path).unlink()
    os.truncate(second.path(tmp_path), 100)
    assert late_segments(tmp_path, SENSOR, DAY) == [late]
    assert lost_segments(tmp_path, SENSOR, DAY) == [first.name, second.name]


def test_a_quiet_day_is_sealed_too(tmp_path):
    """A sensor that recorded nothing says so; otherwise the day would wait for it."""
    marker = json.loads(seal(tmp_path).read_text())
    assert (marker["rows"], marker["segments"], marker["streams"]) == (0, [], {})


def test_a_stream_that_crossed_midnight_has_no_gap(rules, tmp_path):
    """Records that stand in the neighbouring day are not missing."""
    write(tmp_path, rules, 0, 10)
    write(tmp_path, rules, 10, 5, time_us=NOON_US + DAY_US)
    write(tmp_path, rules, 15, 5)
    for day, ranges in ((DAY, [[0, 9], [15, 19]]), (DAY + timedelta(days=1), [[10, 14]])):
        marker = json.loads(seal(tmp_path, day=day).read_text())
        assert marker["streams"] == {STREAM: {"ranges": ranges, "gaps": []}}


def test_the_same_record_in_two_segments_is_refused(rules, tmp_path):
    """A row must not be published twice: the day stays open, and the error says where."""
    write(tmp_path, rules, 0, 10)
    write(tmp_path, rules, 9, 3)
    with pytest.raises(CorruptError, match="two segments hold record 9"):
        seal(tmp_path)
    assert not is_sealed(tmp_path, SENSOR, DAY)


@pytest.mark.parametrize("damage", ["torn", "empty", "short"])
def test_a_segment_that_breaks_its_name_is_refused(damage, rules, tmp_path):
    """A footer that cannot be read, or has other rows than the name promises, keeps the day open."""
    segment = write(tmp_path, rules, 0, 10)
    path = segment.path(tmp_path)
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.rename(segment._replace(last=10).path(tmp_path))
    with pytest.raises(CorruptError, match="seal day"):
        seal(tmp_path)
    assert not is_sealed(tmp_path, SENSOR, DAY)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"sensor": "other", "day": "2026-11-22", "marker_version": 1}', b"\xff"]
)
def test_a_damaged_marker_is_not_believed_nor_made_anew(content, rules, tmp_path):
    """CorruptError, and the file stays for whoever restores it."""
    write(tmp_path, rules, 0, 10)
    path = marker_path(tmp_path, SENSOR, DAY)
    path.write_bytes(content)
    with pytest.raises(CorruptError, match="read marker"):
        read_marker(tmp_path, SENSOR, DAY)
    seal(tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("rows", ...),
        ("rows", "13"),
        ("segments", ...),
        ("segments", {}),
        ("segments.0", None),
        ("segments.0.bytes", ...),
        ("segments.0.bytes", 1.5),
        ("segments.0.name", 7),
        ("segments.0.sha256", None),
        ("quarantined", None),
        ("streams", []),
        (f"streams.{STREAM}.ranges", ...),
        (f"streams.{STREAM}.ranges.0", [1]),
        ("kernel_dropped", ...),
        ("kernel_dropped.tcp", True),
        ("checkins", []),
        ("checkins.fates", ...),
        ("clock", "good"),
        ("clock.steps", ...),
    ],
)
def test_a_marker_that_lacks_a_key_or_has_another_kind_of_value_is_told_by_its_place(
    place, value, rules, tmp_path
):
    """JSON with the right name and version is not enough: whatever is read of it is there, and of its kind."""
    write(tmp_path, rules, 0, 10)
    path = seal_day(
        tmp_path,
        SENSOR,
        DAY,
        sealed_at=AT,
        kernel_dropped=DROPPED,
        checkins={"accepted": 10, "open": 0, "fates": {"recorded": 10}},
        clock={"synchronised": True, "largest_offset_us": None, "steps": 0},
    )
    marker = json.loads(path.read_bytes())
    inner, (*folders, last) = marker, place.replace(STREAM, "{}").split(".")
    for key in folders:
        inner = inner[int(key) if key.isdigit() else key.format(STREAM)]
    last = int(last) if last.isdigit() else last.format(STREAM)
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    path.write_text(json.dumps(marker))
    with pytest.raises(CorruptError) as told:
        read_marker(tmp_path, SENSOR, DAY)
    operation, where, said, cause, remedy = told.value.parts
    assert (operation, where) == ("read marker", str(path))
    assert said.startswith(place)
    assert cause
    assert "Restore it" in remedy


@pytest.mark.parametrize("key", ["quarantined", "checkins", "clock"])
def test_an_early_marker_without_what_came_later_is_read(key, rules, tmp_path):
    """A marker is never written again, so those from before a key was added are read as they are."""
    write(tmp_path, rules, 0, 10)
    path = seal(tmp_path)
    marker = json.loads(path.read_bytes())
    del marker[key]
    path.write_text(json.dumps(marker))
    assert read_marker(tmp_path, SENSOR, DAY) == marker


def test_a_marker_of_another_release_is_not_guessed_at(rules, tmp_path):
    """Another marker_version is refused by number."""
    path = seal(tmp_path)
    path.write_text(path.read_text().replace('"marker_version": 1', '"marker_version": 2'))
    with pytest.raises(CorruptError, match="marker_version"):
        read_marker(tmp_path, SENSOR, DAY)


def test_an_unsealed_day_has_no_late_segments(rules, tmp_path):
    """Late means after the marker; without one there is nothing to compare with."""
    write(tmp_path, rules, 0, 10)
    with pytest.raises(FileNotFoundError):
        late_segments(tmp_path, SENSOR, DAY)
    assert AT.astimezone(UTC).hour == 0
