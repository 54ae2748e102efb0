import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import pull_world


@pytest.fixture
def served(tmp_path: Path) -> Iterator[pull_world.Served]:
    """A collector's publications behind the real partners' interface, on loopback."""
    with pull_world.serving(tmp_path / "collector") as made:
        yield made
