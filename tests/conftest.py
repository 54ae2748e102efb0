"""Fixtures that more than one room's tests share."""

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
