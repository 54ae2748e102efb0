import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "segments"))

import segment_world
from custody_world import World


@pytest.fixture(scope="session")
def rules(tmp_path_factory):
    """Two operations, three orders, two services."""
    return segment_world.small_rules(tmp_path_factory.mktemp("rules"))


@pytest.fixture
def world(tmp_path, rules):
    """A data directory without a process."""
    made = World(tmp_path / "house", rules)
    yield made
    made.log.close()
