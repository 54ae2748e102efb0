"""L-32: a day becomes complete once, and what was complete never changes."""

import hashlib
import sys
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "segments"))
import segment_world
from segment_world import DAY_US, NOON_US, STREAM

from collector.ground import logs
from collector.ground.counters import Board
from collector.segments.catalogue import is_sealed, late_segments, marker_path, read_marker
from collector.segments.write import write_segments
from collector.service.sealer import SETTLE_US, Sealer

DAY = date(2026, 11, 22)
SENSOR = "sinkhole-1"
MIDNIGHT_US = NOON_US + DAY_US // 2
DEADLINE_US = 10_000_000
"""What a head may take: those that began before midnight still belong to the day before."""


def sealer(data: Path) -> Sealer:
    """A clerk's, installed at noon of DAY."""
    return Sealer(data, SENSOR, NOON_US, DEADLINE_US, Board(1), logs.get("clerk"))


def hashes(data: Path) -> dict[str, str]:
    """Every file of the day by its content."""
    folder = data / "segments" / f"date={DAY}"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_l32_a_day_is_complete_after_midnight_and_the_time_for_stragglers(tmp_path):
    """Not one microsecond before midnight plus the heads' deadline plus settling; then at once, and a quiet day too."""
    (tmp_path / "rules").mkdir()
    rules = segment_world.small_rules(tmp_path / "rules")
    write_segments(tmp_path, segment_world.pack() * 3, 0, STREAM, rules)
    clerk, due = sealer(tmp_path), MIDNIGHT_US + DEADLINE_US + SETTLE_US
    for moment in (NOON_US, MIDNIGHT_US - 1, MIDNIGHT_US, due - 1):
        clerk.work(moment)
        assert not is_sealed(tmp_path, SENSOR, DAY), moment
    clerk.work(due)
    assert read_marker(tmp_path, SENSOR, DAY)["rows"] == 3
    clerk.work(due + DAY_US)
    assert read_marker(tmp_path, SENSOR, date(2026, 11, 23))["rows"] == 0


def test_l32_what_comes_late_changes_nothing_that_was_complete(tmp_path):
    """A segment of a sealed day stands beside it and is told apart; marker and earlier segments keep every byte, through
    later rounds of the same clerk and of one that started anew.
    """
    (tmp_path / "rules").mkdir()
    rules = segment_world.small_rules(tmp_path / "rules")
    write_segments(tmp_path, segment_world.pack() * 3, 0, STREAM, rules)
    due = MIDNIGHT_US + DEADLINE_US + SETTLE_US
    sealer(tmp_path).work(due)
    complete = hashes(tmp_path)
    assert marker_path(tmp_path, SENSOR, DAY).name in complete
    [late] = write_segments(tmp_path, segment_world.pack() * 2, 3, STREAM, rules)
    for clerk in (sealer(tmp_path), sealer(tmp_path)):
        clerk.work(due + 60_000_000)
        clerk.work(due + 3 * DAY_US)
    now = hashes(tmp_path)
    assert {name: now[name] for name in complete} == complete
    assert set(now) - set(complete) == {late.name}
    assert late_segments(tmp_path, SENSOR, DAY) == [late]
    assert read_marker(tmp_path, SENSOR, DAY)["rows"] == 3
