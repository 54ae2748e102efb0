"""kill -9 during an export: a few of the calls that `loadtest/export_kills.py` strikes all of."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "loadtest"))

from ordeals import exporting, points


@pytest.mark.skipif(not shutil.which("strace"), reason="needs Debian's strace")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("act", ["export", "withdraw"])
def test_l32_killed_anywhere_it_leaves_whole_publications_or_none(tmp_path, act):
    """After each death nothing is half published; done again, each partner has its rows once, none withdrawn among them, and
    nothing is left over.
    """
    found = exporting.run(tmp_path, act, every=24, points_max=3)
    assert points.holds(found), found
