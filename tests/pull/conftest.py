import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "segments"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import partner_side


@pytest.fixture
def served(tmp_path: Path) -> Iterator[partner_side.Served]:
    """A collector's publications behind the real partners' interface, on loopback."""
    with partner_side.serving(tmp_path / "collector") as made:
        yield made
