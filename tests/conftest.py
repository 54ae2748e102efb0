"""Fixtures that more than one room's tests share."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from collectors import Collector, running


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector that records, with one worker and durability "write"."""
    with running(tmp_path) as made:
        yield made


@pytest.fixture(autouse=True)
def signals_reach_the_next_test() -> Iterator[None]:
    """What a test blocks in this process, whatever a later test starts would inherit: Ctrl-C would not end it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert signal.pthread_sigmask(signal.SIG_SETMASK, before) == before
