import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "segments"))

import segment_world


@pytest.fixture(scope="session")
def rules(tmp_path_factory):
    """Two operations' schedule in a real index, three orders, two services."""
    return segment_world.small_rules(tmp_path_factory.mktemp("rules"))
