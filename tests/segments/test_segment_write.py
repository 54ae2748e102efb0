"""A run becomes a segment file: whole or not at all, the same bytes each time, nothing of the order's seal."""

import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from segment_world import DAY_US, NOON_US, STREAM, expected_rows, pack, small_rules, subjects_by_operation

from collector.ground import files
from collector.ground.errors import CorruptError
from collector.ground.record import IPV4_PREFIX, RECORD_SIZE
from collector.segments import write
from collector.segments.segment import Segment, parse_day, parse_segment
from collector.segments.write import write_segments

ROOT = Path(__file__).resolve().parents[2]
MIDNIGHT_US = NOON_US + DAY_US // 2


def many(count: int, rules, start_us: int = NOON_US, seed: int = 1) -> bytes:
    """Varied records in nearly rising time."""
    chance = random.Random(seed)
    about = [
        (order, *subject)
        for order, operation in enumerate(rules.order_operations)
        for subject in subjects_by_operation(rules)[operation]
    ]
    found = []
    for place in range(count):
        order, kind, subject = chance.choice(about)
        src = IPV4_PREFIX + chance.randbytes(4) if place % 3 else chance.randbytes(16)
        time_us = start_us + place * 1000 + chance.randrange(3000)
        found.append(pack(time_us=time_us, src=src, order=order, kind=kind, subject=subject))
    return b"".join(found)


def rows_of(path: Path) -> list[dict]:
    return pq.ParquetFile(path).read().to_pylist()


def files_under(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def test_the_range_is_the_name(rules, tmp_path):
    """date=YYYY-MM-DD/<stream>-<first>-<last>.parquet, numbers of 20 digits; the name reads back as what it was."""
    [segment] = write_segments(tmp_path, many(3, rules), 41, STREAM, rules)
    expected = f"segments/date=2026-11-22/{STREAM}-{41:020d}-{43:020d}.parquet"
    assert [str(path.relative_to(tmp_path)) for path in files_under(tmp_path)] == [expected]
    assert segment.path(tmp_path) == tmp_path / expected
    assert parse_segment(segment.day, segment.name) == segment
    assert (segment.rows, segment.sensor) == (3, "sinkhole-1")


@pytest.mark.parametrize(
    "name",
    [
        ".tmp-abc",
        "sealed-sinkhole-1.json",
        f"{STREAM}-{1:020d}-{0:020d}.parquet",
        f"{STREAM}-1-2.parquet",
        f"{STREAM}-{0:020d}-{1:020d}.parquet.part",
        f"Sinkhole.0.1795305600000000-{0:020d}-{1:020d}.parquet",
        f"../{STREAM}-{0:020d}-{1:020d}.parquet",
    ],
)
def test_other_names_are_no_segments(name):
    """Temporaries, markers, backward ranges and strangers are passed over."""
    assert parse_segment(parse_day("date=2026-11-22"), name) is None


@pytest.mark.parametrize(
    "name", ["2026-11-22", "date=2026-11-32", "date=20261122", "date=2026-W47-7", "day=2026-11-22"]
)
def test_other_folders_are_no_days(name):
    """Only date=YYYY-MM-DD."""
    assert parse_day(name) is None


def test_segments_are_private(rules, tmp_path):
    """0600 files in 0700 folders, whatever the umask."""
    before = os.umask(0)
    try:
        [segment] = write_segments(tmp_path, pack(), 0, STREAM, rules)
    finally:
        os.umask(before)
    path = segment.path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in path.parents[:2]] == [0o700, 0o700]


def test_repeating_the_step_gives_the_same_bytes_under_the_same_name(rules, tmp_path):
    """Same records, same file, byte for byte: in the same place, elsewhere, and from another process."""
    records = many(500, rules)
    [segment] = write_segments(tmp_path / "a", records, 7, STREAM, rules)
    once = segment.path(tmp_path / "a").read_bytes()
    write_segments(tmp_path / "a", records, 7, STREAM, rules)
    assert [path.read_bytes() for path in files_under(tmp_path / "a")] == [once]
    child = os.fork()
    if not child:
        write_segments(tmp_path / "b", records, 7, STREAM, rules)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert [path.read_bytes() for path in files_under(tmp_path / "b")] == [once]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_chance_gets_into_the_file(share, rules, tmp_path, monkeypatch):
    """The same bytes again and again, whether names are in a dictionary or not, null domains among them."""
    monkeypatch.setattr(write, "DISTINCT_SHARE_MAX", {"src_ip": share, "domain": share})
    contents = set()
    for place in range(10):
        [segment] = write_segments(tmp_path / str(place), many(500, rules), 7, STREAM, rules)
        contents.add(segment.path(tmp_path / str(place)).read_bytes())
    assert len(contents) == 1


STEPS = ["mkdir", "mkstemp", "parquet", "fsync", "rename", "directory"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_death_between_any_two_steps_loses_and_doubles_nothing(step, when, rules, tmp_path):
    """Killed before or after each step, there is the whole file or none; repeated, each row is there once."""
    records = many(50, rules)
    child = os.fork()
    if not child:
        target = {
            "mkdir": (files, "make_directory"),
            "mkstemp": (files.tempfile, "mkstemp"),
            "parquet": (write, "_write_parquet"),
            "fsync": (files.os, "fchmod"),
            "rename": (files.os, "rename"),
            "directory": (files, "sync_directory"),
        }[step]
        real = getattr(*target)

        def deadly(*args, **kwargs):
            if when == "after":
                real(*args, **kwargs)
            os.kill(os.getpid(), 9)

        setattr(*target, deadly)
        write_segments(tmp_path, records, 0, STREAM, rules)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    seen = files_under(tmp_path)
    assert all(path.name.startswith(files.TEMPORARY_PREFIX) or len(rows_of(path)) == 50 for path in seen)
    [segment] = write_segments(tmp_path, records, 0, STREAM, rules)
    files.clear_temporaries(tmp_path)
    assert files_under(tmp_path) == [segment.path(tmp_path)]
    with duckdb.connect() as connection:
        pattern = tmp_path / "segments" / "*" / "*.parquet"
        assert connection.execute(f"SELECT count(*), count(DISTINCT record) FROM '{pattern}'").fetchone() == (
            50,
            50,
        )


def test_a_temporary_left_behind_is_not_read(rules, tmp_path):
    """What a death left unfinished is no Parquet file to a reader of the folder, nor to the catalogue."""
    [segment] = write_segments(tmp_path, many(10, rules), 0, STREAM, rules)
    (segment.path(tmp_path).parent / ".tmp-dead").write_bytes(b"PAR1 torn")
    with duckdb.connect() as connection:
        pattern = tmp_path / "segments" / "*" / "*.parquet"
        assert connection.execute(f"SELECT count(*) FROM '{pattern}'").fetchone() == (10,)


def test_a_disk_that_refuses_leaves_nothing(rules, tmp_path, monkeypatch):
    """An error while writing is told, and neither a torn segment nor a temporary stays."""

    def refuse(descriptor):
        raise OSError(5, "Input/output error")

    files.make_directory(tmp_path / "segments/date=2026-11-22")
    monkeypatch.setattr(files.os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        write_segments(tmp_path, many(10, rules), 0, STREAM, rules)
    assert files_under(tmp_path) == []


def test_a_run_over_midnight_is_cut_and_nothing_is_lost(rules, tmp_path):
    """Pieces are contiguous, each of one UTC day; together they are the run. A clock set back makes more pieces."""
    times = [MIDNIGHT_US - 2, MIDNIGHT_US - 1, MIDNIGHT_US, MIDNIGHT_US + 1, MIDNIGHT_US - 1, MIDNIGHT_US]
    records = b"".join(pack(time_us=time_us) for time_us in times)
    found = write_segments(tmp_path, records, 10, STREAM, rules)
    assert [(s.day.isoformat(), s.first, s.last) for s in found] == [
        ("2026-11-22", 10, 11),
        ("2026-11-23", 12, 13),
        ("2026-11-22", 14, 14),
        ("2026-11-23", 15, 15),
    ]
    rows = [row for segment in found for row in rows_of(segment.path(tmp_path))]
    assert sorted(rows, key=lambda row: (row["timestamp"], row["record"])) == expected_rows(
        records, 10, STREAM, rules
    )
    assert all(row["timestamp"].date() == s.day for s in found for row in rows_of(s.path(tmp_path)))


@pytest.mark.parametrize("time_us", [-1, 2**62])
def test_a_time_that_no_clock_says_is_refused(time_us, rules, tmp_path):
    """Such a record names no folder; CorruptError, and the journal stays."""
    with pytest.raises(CorruptError, match="time_us"):
        write_segments(tmp_path, pack() + pack(time_us=time_us), 0, STREAM, rules)
    assert files_under(tmp_path) == []


def test_no_records_are_no_segment(rules, tmp_path):
    """An empty run leaves nothing behind."""
    assert write_segments(tmp_path, b"", 0, STREAM, rules) == []
    assert files_under(tmp_path) == []


def test_a_long_run_is_written_in_row_groups(rules, tmp_path, monkeypatch):
    """Row groups bound memory; the file is the same rows in the same order across them."""
    monkeypatch.setattr(write, "ROW_GROUP_ROWS", 64)
    records = many(200, rules)
    [segment] = write_segments(tmp_path, records, 0, STREAM, rules)
    assert pq.read_metadata(segment.path(tmp_path)).num_row_groups == 4
    assert rows_of(segment.path(tmp_path)) == expected_rows(records, 0, STREAM, rules)


def test_the_file_is_made_for_its_readers(rules, tmp_path):
    """zstd, statistics, page index, sorting columns, page checksums that a reader verifies."""
    [segment] = write_segments(tmp_path, many(2_000, rules), 0, STREAM, rules)
    group = pq.read_metadata(segment.path(tmp_path)).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert all(
        column.is_stats_set and column.has_offset_index and column.has_column_index for column in columns
    )
    assert [columns[s.column_index].path_in_schema for s in group.sorting_columns] == ["timestamp", "record"]
    encodings = {column.path_in_schema: set(column.encodings) for column in columns}
    assert "DELTA_BINARY_PACKED" in encodings["timestamp"] & encodings["record"]
    assert "BYTE_STREAM_SPLIT" in encodings["src_port"]
    assert "DELTA_LENGTH_BYTE_ARRAY" in encodings["src_ip"]
    assert "RLE_DICTIONARY" in encodings["domain"] & encodings["family"] & encodings["stream"]
    content = bytearray(segment.path(tmp_path).read_bytes())
    content[columns[0].data_page_offset + 60] ^= 1
    segment.path(tmp_path).write_bytes(content)
    with pytest.raises(OSError, match=r"CRC|checksum"):
        pq.ParquetFile(segment.path(tmp_path), page_checksum_verification=True).read()


def test_l34_the_metadata_places_the_file_and_keeps_the_seal(rules, tmp_path):
    """Exactly these keys; no court, docket or officer of the operation file anywhere in the file."""
    [segment] = write_segments(tmp_path, many(100, rules), 5, STREAM, rules)
    assert pq.read_metadata(segment.path(tmp_path)).metadata == {
        b"pentrap.dataset": b"events",
        b"pentrap.schema_version": b"1",
        b"pentrap.sensor": b"sinkhole-1",
        b"pentrap.stream": STREAM.encode(),
        b"pentrap.day": b"2026-11-22",
        b"pentrap.first": b"5",
        b"pentrap.last": b"104",
        b"pentrap.rules": rules.digest.encode(),
        b"pentrap.producer": b"pentrap 0.1.0",
    }
    assert b"SEALED" not in segment.path(tmp_path).read_bytes()


def test_the_index_can_be_closed_afterwards(tmp_path):
    """No view of the mapped schedule outlives the conversion (closing would raise BufferError)."""
    (tmp_path / "rules").mkdir()
    own = small_rules(tmp_path / "rules")
    [segment] = write_segments(tmp_path, many(100, own), 0, STREAM, own)
    own.close()
    assert len(rows_of(segment.path(tmp_path))) == 100


def test_importing_the_room_costs_nothing():
    """Pyarrow and numpy come with the modules that need them, not with the package or its file names."""
    code = "import sys, collector.segments.segment; sys.exit(bool({'pyarrow', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_sixty_seconds_fit_into_twenty_bytes_an_event(rules, tmp_path):
    """51,000 distinct IPv4 sources over a short schedule; loadtest/segment_size.py has the long one."""
    chance = random.Random(20)
    about = [(0, *subject) for subject in subjects_by_operation(rules)["avalanche"]]
    found = []
    for place in range(51_000):
        order, kind, subject = chance.choice(about)
        found.append(
            pack(
                time_us=NOON_US + place * 1176 + chance.randrange(1176),
                src=IPV4_PREFIX + chance.randbytes(4),
                src_port=chance.randrange(1024, 65536),
                order=order,
                kind=kind,
                subject=subject,
            )
        )
    [segment] = write_segments(tmp_path, b"".join(found), 0, STREAM, rules)
    assert segment.path(tmp_path).stat().st_size / 51_000 <= 20
    assert segment == Segment(segment.day, STREAM, 0, len(found) - 1)
    assert len(found) * RECORD_SIZE == 2_958_000
    assert pa.cpu_count() >= 1
