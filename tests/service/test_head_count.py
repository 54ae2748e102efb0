"""The head count reads the segments that stand, the newest first, and lets nothing get in the way of sealing."""

import os
import sys
import time
from pathlib import Path

import pytest
import structlog

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "segments"))

from presence_world import NOON_US, segment
from segment_world import STREAM

from collector.segments.segment import Segment, day_of
from collector.service import head_count
from collector.service.head_count import HeadCount

DAY_US = 86_400_000_000
TODAY = day_of(NOON_US // DAY_US)
YESTERDAY = day_of(NOON_US // DAY_US - 1)


def place(data: Path, day, first: int, rows, ago_seconds: float = 0.0) -> Path:
    """A segment of a day that was written some time before noon."""
    path = Segment(day, STREAM, first, first + len(rows) - 1).path(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    segment(path, rows)
    written = NOON_US / 1e6 - ago_seconds
    os.utime(path, (written, written))
    return path


def rows_of(family: str, minute: int, count: int = 12):
    return [(minute, f"192.0.2.{n}", family) for n in range(count)]


def counted(heads: HeadCount) -> dict:
    return dict(heads.victims.families.rows)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    """Every look lists and counts."""
    monkeypatch.setattr(head_count, "LIST_SECONDS", 0.0)


def test_what_stands_is_counted_and_what_comes_too(tmp_path) -> None:
    """Segments from before the start are read, new ones when they appear, those older than a day not at all."""
    place(tmp_path, TODAY, 0, rows_of("tinba", -60), 3600)
    place(tmp_path, YESTERDAY, 0, rows_of("citadel", -1200), 72_000)
    place(tmp_path, YESTERDAY, 500, rows_of("bolek", -2000), 120_000)
    heads = HeadCount(tmp_path, None, structlog.get_logger())
    heads.look(NOON_US)
    assert counted(heads) == {"tinba": 12, "citadel": 12}
    assert len(heads._read) == 2
    place(tmp_path, TODAY, 100, rows_of("rovnix", -1))
    heads.look(NOON_US)
    assert counted(heads) == {"tinba": 12, "citadel": 12, "rovnix": 12}
    assert heads.victims.countries is None


def test_the_newest_first_and_a_little_at_a_time(tmp_path, monkeypatch) -> None:
    """A round reads for a tenth of a second, one segment at least, the newest first; the count says since when it is known."""
    monkeypatch.setattr(head_count, "ROUND_SECONDS", 1e-9)
    monkeypatch.setattr(head_count, "COUNT_SECONDS", 0.0)
    for number, ago in enumerate((300, 100, 200)):
        place(tmp_path, TODAY, number * 100, rows_of(f"f-{ago}", -ago // 60), ago)
    heads = HeadCount(tmp_path, None, structlog.get_logger())
    seen = []
    for _ in range(3):
        heads.look(NOON_US)
        seen.append(sorted(counted(heads)))
    assert seen == [["f-100"], ["f-100", "f-200"], ["f-100", "f-200", "f-300"]]


def test_what_was_set_aside_is_passed_over(tmp_path, monkeypatch) -> None:
    """A segment that is gone between listing and reading costs nothing."""
    monkeypatch.setattr(head_count, "LIST_SECONDS", 60.0)
    gone = place(tmp_path, TODAY, 0, rows_of("tinba", -5))
    heads = HeadCount(tmp_path, None, structlog.get_logger())
    heads._list(NOON_US)
    heads._list_due = time.monotonic() + 60
    gone.unlink()
    heads.look(NOON_US)
    assert counted(heads) == {}


def test_damage_is_told_once_and_goes_no_further(tmp_path, capsys) -> None:
    """A segment that is no Parquet, a geo database that is none: an event each, without a name or a row; the rest counts."""
    place(tmp_path, TODAY, 0, rows_of("tinba", -5))
    bad = place(tmp_path, TODAY, 100, rows_of("tinba", -4))
    bad.write_bytes(b"192.0.2.99")
    os.utime(bad, (NOON_US / 1e6, NOON_US / 1e6))
    (tmp_path / "geo.mmdb").write_bytes(b"no database")
    heads = HeadCount(tmp_path, tmp_path / "geo.mmdb", structlog.get_logger())
    for _ in range(3):
        heads.look(NOON_US)
    assert counted(heads) == {"tinba": 12}
    said = capsys.readouterr().out
    assert said.count("segment_not_counted") == 1
    assert said.count("countries_not_counted") == 1
    assert "192.0.2" not in said
