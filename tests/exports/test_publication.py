"""A publication appears whole or not at all, once, and never changes."""

import json
import shutil
import threading
from types import SimpleNamespace

import pytest
from publication_world import DAY, NOW_US, ORDER, PARTNER, Exports, contents, write

from collector.exports import publication
from collector.exports.manifest import MANIFEST
from collector.exports.publication import publications, publish, read, settle, stage
from collector.ground import files
from collector.ground.errors import CorruptError


@pytest.fixture
def world(tmp_path):
    return Exports(tmp_path)


def test_publications_are_numbered_chained_and_entered(world):
    """Each has the next number, the hash of the one before, the log's checkpoint of its time, and an entry with its hash."""
    made = [world.publish(day) for day in range(3)]
    assert [one.sequence for one in made] == [1, 2, 3]
    stand = publications(world.data, PARTNER)
    assert [one.manifest.previous_sha256 for one in stand] == [
        None,
        *(one.manifest_sha256 for one in made[:2]),
    ]
    assert [entry.facts["manifest_sha256"] for entry in world.entries()] == [
        one.manifest_sha256 for one in made
    ]
    assert [int(one.manifest.audit_checkpoint.split("\n")[1]) for one in stand] == [1, 2, 3]
    assert publications(world.data, PARTNER, after=2) == [read(world.data, PARTNER, 3)]
    assert publications(world.data, "nobody") == []
    assert world.numbers() == ["000001", "000002", "000003"]
    assert {path.stat().st_mode & 0o777 for path in world.tree.rglob("0*/*")} == {0o600}


def test_partners_have_sequences_of_their_own(world):
    """One partner's numbers say nothing of another's."""
    assert [world.publish(partner=name).sequence for name in ("a", "b", "a-2", "b")] == [1, 1, 1, 1]
    assert [world.publish(1, partner=name).sequence for name in ("a", "b")] == [2, 2]
    assert publication.partners(world.data) == ["a", "a-2", "b"]


def test_the_same_day_again_is_the_same_publication(world):
    """Done twice it stands once; its staged files are gone and the log has one entry."""
    first = world.publish()
    assert world.publish(rows=6) == first
    assert (world.numbers(), len(world.entries())) == (["000001"], 1)
    assert world.publish(supplement=1, kind="supplement").sequence == 2


def test_what_raises_leaves_nothing(world):
    """An error while files are written, or files that are not those named: nothing stands, nothing is entered."""
    with pytest.raises(FileNotFoundError), stage(world.data, PARTNER) as staged:
        (staged / "absent" / write(staged, DAY, 5)[0].name).touch()
    with stage(world.data, PARTNER) as staged:
        said = contents(write(staged, DAY, 5))
        (staged / "more").touch()
        with pytest.raises(ValueError, match="not those of the manifest"):
            publish(world.log, world.data, world.key, staged, said, "avalanche", NOW_US)
    assert (world.numbers(), world.entries()) == ([], [])


def test_a_name_is_used_once(world):
    """File names are unique over all publications of a partner."""
    world.publish()
    with stage(world.data, PARTNER) as staged:
        said = contents(write(staged, DAY, 5), supplement=1)
        with pytest.raises(ValueError, match="earlier publication"):
            publish(world.log, world.data, world.key, staged, said, "avalanche", NOW_US)


def crash_before_rename(world, monkeypatch, **words):
    """Everything up to the rename, as a kill would leave it."""

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publication, "files", SimpleNamespace(**vars(files) | {"rename": die}))
        with pytest.raises(KeyboardInterrupt):
            world.publish(**words)


def test_an_entered_publication_is_completed(world, monkeypatch):
    """Killed between entry and rename: `settle` gives it its number, and doing it again makes no second."""
    world.publish()
    crash_before_rename(world, monkeypatch, day=1)
    assert [len(world.entries()), world.numbers()[1:]] == [2, ["000001"]]
    settle(world.data, PARTNER)
    assert world.numbers() == ["000001", "000002"]
    assert world.publish(day=1).sequence == 2
    assert world.publish(day=2).sequence == 3


def test_a_number_that_nobody_saw_is_used_again(world, monkeypatch):
    """The staged folder of an entered publication was deleted by hand: the same number, entered again, has no gap before it."""
    world.publish()
    crash_before_rename(world, monkeypatch, day=1)
    shutil.rmtree(next(world.tree.glob(".tmp-*")))
    assert world.publish(day=2).sequence == 2
    assert [entry.facts["sequence"] for entry in world.entries()] == [1, 2, 2]
    assert (
        publications(world.data, PARTNER)[1].manifest.previous_sha256
        == world.entries()[0].facts["manifest_sha256"]
    )


@pytest.mark.parametrize("number", [1, 2])
def test_a_publication_that_is_gone_stops_the_sequence(world, number):
    """One that later ones follow is never made anew."""
    for day in range(3):
        world.publish(day)
    shutil.rmtree(world.tree / f"{number:06d}")
    with pytest.raises(CorruptError, match="is gone"):
        world.publish(3)
    assert len(world.entries()) == 3


def test_a_publication_without_an_entry_stops_the_sequence(world):
    """A folder put there by hand is nothing that we made."""
    world.publish()
    shutil.copytree(world.tree / "000001", world.tree / "000002")
    with pytest.raises(CorruptError, match="no entry"):
        world.publish(1)


def test_a_changed_manifest_is_not_built_upon(world):
    """The chain goes on from what the log says, or not at all."""
    world.publish()
    path = world.tree / "000001" / MANIFEST
    said = json.loads(path.read_bytes())
    said["purpose"] = "another"
    path.write_text(json.dumps(said, sort_keys=True, indent=2) + "\n")
    with pytest.raises(CorruptError, match="is not the one"):
        world.publish(1)


def test_leftovers_go_and_what_is_being_written_stays(world):
    """A folder whose maker is gone is swept away; one that a living maker holds is not."""
    world.tree.mkdir(parents=True)
    (world.tree / ".tmp-left").mkdir()
    (world.tree / ".tmp-left" / "half.parquet").write_bytes(b"x" * 10)
    with stage(world.data, PARTNER) as staged:
        write(staged, DAY, 5)
        world.publish(1)
        assert [staged.name, "000001"] == world.numbers()
        assert len(list(staged.iterdir())) == 2
    assert world.numbers() == ["000001"]


def test_makers_at_once_get_numbers_of_their_own(world):
    """Eight at once: eight numbers, one chain."""
    threads = [
        threading.Thread(target=lambda day=day: Exports(world.folder).publish(day)) for day in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stand = publications(world.data, PARTNER)
    assert [one.sequence for one in stand] == list(range(1, 9))
    hashes = [entry.facts["manifest_sha256"] for entry in world.entries()]
    assert [one.manifest.previous_sha256 for one in stand] == [None, *hashes[:-1]]
    assert {entry.facts["order"] for entry in world.entries()} == {ORDER}
