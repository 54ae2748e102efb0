"""Dawdlers in their thousands, and hardly any descriptors: the honest are answered, everybody has a fate. In short."""

import shutil
from pathlib import Path

import pytest
from ordeals import slow


@pytest.mark.skipif(shutil.which("slowhttptest") is None, reason="slowhttptest is not installed")
@pytest.mark.parametrize("mode", sorted(slow.MODES))
def test_an_honest_machine_is_answered_among_dawdlers(tmp_path: Path, mode: str) -> None:
    """Every check-in of the probe is answered in time and recorded; dawdlers are cut at the deadline; nobody stays open."""
    found = slow.dawdle(tmp_path, mode=mode, connections=1500, seconds=4)
    assert found["holds"], found


def test_a_worker_short_of_descriptors_sheds_and_goes_on_recording(tmp_path: Path) -> None:
    """Under a limit of 120, connections are shed by the caps, never a record for want of a descriptor; no spinning."""
    found = slow.starve(tmp_path, descriptors=120, connections=800, later=False)
    assert found["holds"], found


def test_a_worker_whose_descriptors_run_out_neither_spins_nor_dies(tmp_path: Path) -> None:
    """With accept itself failing (EMFILE) the worker idles, sheds, counts, and answers again once there is room."""
    found = slow.starve(tmp_path, descriptors=120, connections=800, later=True)
    assert found["holds"], found
