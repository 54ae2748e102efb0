"""Tiles: where each stands, that they follow from the entries alone, and that they grow in step with the log."""

import shutil
from pathlib import Path

import pytest
from audit_world import contents, files_end_at
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.audit.tiles import (
    ENTRIES,
    ENTRY_MAX,
    TileWriter,
    bundle,
    bundles_of,
    read_leaves,
    tile_files,
    tile_path,
    tiles_of,
    unbundle,
)
from collector.audit.tree import leaf_hash, root


def entries(count, first=0):
    """Entries that all differ."""
    return [b"entry %d" % number for number in range(first, first + count)]


def hashes(count):
    """Their leaf hashes."""
    return [leaf_hash(entry) for entry in entries(count)]


@pytest.mark.parametrize(
    ("level", "number", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (0, 1, 256, "tile/0/001"),
        (0, 999, 256, "tile/0/999"),
        (0, 1000, 256, "tile/0/x001/000"),
        (0, 1_234_067, 256, "tile/0/x001/x234/067"),
        (5, 1_000_000, 1, "tile/5/x001/x000/000.p/1"),
        (1, 67, 255, "tile/1/067.p/255"),
        (ENTRIES, 1_234_067, 256, "tile/entries/x001/x234/067"),
        (ENTRIES, 0, 7, "tile/entries/000.p/7"),
        (63, 0, 256, "tile/63/000"),
    ],
)
def test_where_a_tile_stands(level, number, width, path):
    """Numbers in groups of three digits, all but the last with an x (the example of C2SP tlog-tiles among them)."""
    assert tile_path(level, number, width) == path
    if width == 256:
        assert tile_path(level, number) == path


def test_a_bundle_is_lengths_and_entries():
    """Two bytes of length, big-endian, then the entry; empty ones and the longest included."""
    assert bundle([]) == b""
    assert bundle([b"", b"ab"]) == b"\0\0\0\2ab"
    assert bundle([b"x" * 258])[:2] == b"\1\2"
    longest = b"y" * ENTRY_MAX
    assert list(unbundle(bundle([longest, b"", b"z"]))) == [longest, b"", b"z"]
    assert ENTRY_MAX == 65_535
    assert list(unbundle(b"")) == []


@given(st.lists(st.binary(max_size=40), max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_bundle_cut_anywhere_else_says_so(held):
    """What was bundled comes out again; a bundle cut in the middle of a length or an entry is refused."""
    whole = bundle(held)
    assert list(unbundle(whole)) == held
    edges = {len(bundle(held[:count])) for count in range(len(held) + 1)}
    for cut in range(len(whole)):
        if cut in edges:
            assert list(unbundle(whole[:cut])) == held[: sorted(edges).index(cut)]
        else:
            with pytest.raises(ValueError, match="ends in the middle of"):
                list(unbundle(whole[:cut]))


def test_a_cut_bundle_says_where():
    """In a length or in an entry."""
    for cut in (b"\0", b"\0\1a\0"):
        with pytest.raises(ValueError, match="in the middle of a length"):
            list(unbundle(cut))
    with pytest.raises(ValueError, match="in the middle of an entry"):
        list(unbundle(b"\0\2a"))


def test_tiles_of_a_tree():
    """600 leaves: two whole tiles and 88 hashes on level 0, two hashes on level 1, which are the whole tiles' roots."""
    leaves = hashes(600)
    made = dict(tiles_of(leaves))
    assert list(made) == ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]
    assert made["tile/0/001"] == b"".join(leaves[256:512])
    assert made["tile/0/002.p/88"] == b"".join(leaves[512:])
    assert made["tile/1/000.p/2"] == root(leaves[:256]) + root(leaves[256:512])
    assert dict(tiles_of([])) == {}
    assert list(dict(tiles_of(leaves[:256]))) == ["tile/0/000", "tile/1/000.p/1"]
    assert dict(bundles_of(entries(300))) == {
        "tile/entries/000": bundle(entries(256)),
        "tile/entries/001.p/44": bundle(entries(44, 256)),
    }


def standing(folder):
    """What is in a folder, but for the empty log."""
    return {name: content for name, content in contents(folder).items() if name.startswith("tile/")}


def should_stand(count):
    """The tiles of so many entries."""
    return dict(tiles_of(hashes(count))) | dict(bundles_of(entries(count)))


def test_a_growing_log_has_the_tiles_of_its_size_at_every_size(tmp_path):
    """From 1 to 520 entries, one at a time: exactly the tiles of that size stand, narrower ones are gone."""
    writer = TileWriter(tmp_path)
    for count, entry in enumerate(entries(520), 1):
        writer.append(entry)
        writer.publish()
        if count < 6 or count % 64 < 3 or count > 510:
            assert standing(tmp_path) == should_stand(count)
            assert tile_files(tmp_path) == sorted(should_stand(count))
            assert read_leaves(tmp_path, count) == hashes(count)
    assert not (tmp_path / "tile/0/000.p").exists()
    assert not list(tmp_path.rglob(".tmp-*"))


def test_growth_over_65536_entries_has_a_third_level(tmp_path):
    """At 65,535, 65,536 and 65,537 entries, opened anew or grown: the tiles are those of the tree, level 2 included."""
    writer = TileWriter(tmp_path)
    every = entries(65_537)
    for entry in every[:65_535]:
        writer.append(entry)
    writer.publish()
    assert "tile/1/000.p/255" in standing(tmp_path)
    for entry in every[65_535:]:
        writer.append(entry)
        writer.publish()
    there = standing(tmp_path)
    assert there == should_stand(65_537)
    assert there["tile/2/000.p/1"] == root(hashes(65_536))
    assert there["tile/0/256.p/1"] == leaf_hash(every[-1])
    assert len(read_leaves(tmp_path, 65_537)) == 65_537


def test_whoever_opens_writes_again_what_is_missing(tmp_path):
    """Any file of a log of 600 entries gone: the next publication puts it back, the same to the byte."""
    grown = TileWriter(tmp_path)
    for entry in entries(600):
        grown.append(entry)
    grown.publish()
    whole = standing(tmp_path)
    for name in whole:
        (tmp_path / name).unlink()
        again = TileWriter(tmp_path)
        for entry in entries(600):
            again.append(entry)
        again.publish()
        assert standing(tmp_path) == whole
    shutil.rmtree(tmp_path / "tile")
    again = TileWriter(tmp_path)
    for entry in entries(600):
        again.append(entry)
    assert not (tmp_path / "tile").exists(), "taking entries in writes nothing"
    again.publish()
    assert standing(tmp_path) == whole


def test_narrower_tiles_that_a_crash_left_beside_a_whole_one_go(tmp_path):
    """A whole tile stands, and its partial ones too: the next publication removes them."""
    writer = TileWriter(tmp_path)
    for entry in entries(255):
        writer.append(entry)
    writer.publish()
    (tmp_path / "tile/0/000").write_bytes(b"".join(hashes(256)))
    writer.append(entries(1, 255)[0])
    writer.publish()
    assert standing(tmp_path) == should_stand(256)


def test_a_refused_whole_tile_is_written_by_the_next_publication(tmp_path):
    """The disk refuses at the 256th entry: publication says so and loses nothing."""
    writer = TileWriter(tmp_path)
    for entry in entries(255):
        writer.append(entry)
    writer.publish()
    writer.append(entries(1, 255)[0])
    with files_end_at(100), pytest.raises(OSError, match="too large"):
        writer.publish()
    writer.append(entries(1, 256)[0])
    writer.publish()
    assert standing(tmp_path) == should_stand(257)


def test_a_tile_of_another_length_is_no_tile(tmp_path):
    """Leaves are read from tiles of exactly their width."""
    path = tmp_path / "tile/0/000.p/2"
    path.parent.mkdir(parents=True)
    for content in (b"", b"x" * 63, b"x" * 65):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"tile 0 of level 0 has {len(content)} bytes, expected 64"):
            read_leaves(tmp_path, 2)
    path.write_bytes(b"x" * 64)
    assert read_leaves(tmp_path, 2) == [b"x" * 32] * 2
    with pytest.raises(FileNotFoundError):
        read_leaves(tmp_path, 3)
    assert read_leaves(tmp_path, 0) == []
    assert tile_files(Path(tmp_path / "nothing")) == []
    (path.parent / ".tmp-1").write_bytes(b"")
    assert tile_files(tmp_path) == ["tile/0/000.p/2"]


def test_tiles_are_private(tmp_path):
    """Entries hold officers' reasons: files 0600, folders 0700."""
    writer = TileWriter(tmp_path)
    for entry in entries(257):
        writer.append(entry)
    writer.publish()
    for path in (tmp_path / "tile").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600)
