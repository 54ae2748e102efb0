"""Damaged journals kept as they were found: each folder under damaged/ is a story with its end."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from journal_world import STREAM, listing, records, served

from collector.journal.format import read_journal
from collector.journal.names import list_journals
from collector.journal.recover import recover

STORIES = sorted(path.parent for path in Path(__file__).parent.glob("damaged/*/story.json"))


@pytest.mark.parametrize("folder", STORIES, ids=lambda folder: folder.name)
def test_the_story_ends_as_told(folder, tmp_path):
    """Recovered, the folder serves exactly the records that the story names, once each, and the damage is told."""
    story = json.loads((folder / "story.json").read_text())
    root = tmp_path / "journal"
    shutil.copytree(folder, root, ignore=shutil.ignore_patterns("story.json"))
    told = recover(root)
    found = []
    for path, name in list_journals(root):
        assert name.last is not None
        found += sorted(served(read_journal(path, name.last + 1)).items())
    assert found == [(number, records(number, 1)) for number in story["recorded"]]
    assert sum(item.torn_bytes for item in told if item.records) == story.get("torn_bytes", 0)
    assert sum(item.corrupt_blocks for item in told) == story.get("corrupt_blocks", 0)
    assert any(item.set_aside for item in told) == story.get("set_aside", False)
    assert bool(list(root.rglob("*.damaged"))) == story.get("set_aside", False)


def test_the_stories_are_what_their_script_makes(tmp_path):
    """The kept bytes are reproducible: the script beside them writes the same files again."""
    assert len(STORIES) == 11
    here = Path(__file__).parent
    shutil.copy(here / "make_damaged.py", tmp_path)
    shutil.copy(here / "journal_world.py", tmp_path)
    environment = {"PYTHONPATH": str(here.parent.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, str(tmp_path / "make_damaged.py")], check=True, env=environment)
    assert listing(tmp_path / "damaged") == listing(here / "damaged")
    assert all(STREAM in name or name.endswith("story.json") for name in listing(here / "damaged"))
