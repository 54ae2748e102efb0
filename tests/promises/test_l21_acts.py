"""L-21 over whole commands: `loadtest/acts.py` in short. The campaign strikes every call of every act; its result stands in
loadtest/results/acts.json.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "loadtest"))
sys.path.append(str(Path(__file__).resolve().parent.parent / "court"))

from ordeals import acts, lives, points
from ordeals.living import Told

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace: apt-get install strace")


@pytest.mark.parametrize("act", ["quarantine", "purge", "return"])
def test_l21_no_effect_without_its_entry_wherever_a_command_is_killed(tmp_path: Path, act: str) -> None:
    """Killed at a call, a command has done nothing that no entry names, and run again it does the rest, once."""
    found = acts.run(tmp_path, only=(act,), points_max=2)[act]
    assert points.holds(found), found
    assert found["struck"] == 2
    assert found["calls"] > 20


@pytest.mark.skipif(os.getuid() != 0, reason="needs root: a collector lets nobody else attach to it")
@pytest.mark.parametrize(("life", "role"), [(1, "clerk")])
def test_l21_no_effect_without_its_entry_wherever_the_collector_is_killed(
    tmp_path: Path, life: int, role: str
) -> None:
    """Killed at a call, the collector has put nothing in force and deleted nothing that no entry names, and started again it
    does the rest, once.
    """
    name = f"{lives.LIVES[life].name}: {role}"
    found = lives.run(tmp_path, only=(name,), points_max=2)[name]
    assert points.holds(found), found
    assert found["struck"] == 2


def test_l21_the_ordeal_sees_an_effect_without_an_entry(tmp_path: Path) -> None:
    """The check itself: a segment that is gone, and a return that stands, without entries, are told."""
    first = acts.prepared(tmp_path / "world")
    after = acts.copy(first, tmp_path / "after")
    next(after.data.glob("segments/date=*/*.parquet")).unlink()
    (after.folder / "return.tar").write_bytes(b"x")
    told = acts.problems_of(first, after, "198.51.100.7")
    assert any("changed without an entry: segments/" in line for line in told)
    (after.data / "rules" / "current").write_text("0" * 64)
    assert "rules in force without an entry" in lives.standing(first, after, Told())
    assert {"a return without its entry", "rows shown without an entry"} <= set(told)
