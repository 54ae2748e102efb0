"""L-25: the collected set is complete and closed: a file missing from the list, or on it and missing, fails verification."""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent.parent / "court"))
from return_world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """A collector's data, left alone."""
    return make_world(tmp_path_factory.mktemp("closed") / "w", rows=4)


@pytest.fixture(scope="module")
def returned(world, tmp_path_factory) -> Path:
    """Its return, unpacked."""
    folder = tmp_path_factory.mktemp("court")
    world.make(folder / "r.tar")
    with tarfile.open(folder / "r.tar") as tar:
        tar.extractall(folder)
    return next(folder.glob("return-*"))


def told(folder: Path) -> tuple[int, str]:
    """What the verifier says."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={},
        check=False,
    )
    return done.returncode, done.stdout


def make_list_anew(folder: Path) -> None:
    """SHA256SUMS as somebody without the key would write it."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    names = [name for name in names if not name.startswith("SHA256SUMS")]
    sums = (f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (folder / "SHA256SUMS").write_text("".join(sums))


def test_l25_a_file_that_is_not_on_the_list_fails(returned, tmp_path):
    """One row more, in a file beside the others: told by name, and still told with a new list."""
    folder = Path(shutil.copytree(returned, tmp_path / "b"))
    segment = min(folder.glob("collected/*/*.parquet"))
    shutil.copy(
        segment,
        segment.with_name("sinkhole-1.9.1788246000000000-00000000000000000000-00000000000000000003.parquet"),
    )
    code, words = told(folder)
    assert (code, "do not belong here" in words) == (1, True)
    make_list_anew(folder)
    assert told(folder)[0] == 1


def test_l25_a_file_on_the_list_that_is_missing_fails(returned, tmp_path):
    """Each collected file, taken away by itself: told by name, and still told with a new list."""
    for number, path in enumerate(sorted(returned.glob("collected/*/*"))):
        folder = Path(shutil.copytree(returned, tmp_path / str(number)))
        (folder / path.relative_to(returned)).unlink()
        code, words = told(folder)
        assert (code, f"missing, first '{path.relative_to(returned)}'" in words) == (1, True)
        make_list_anew(folder)
        assert told(folder)[0] == 1


def test_l25_no_return_without_a_file_that_its_marker_names(world, tmp_path):
    """In the collector's own folder: each segment taken away by itself, of whichever court, stops the return."""
    for number, path in enumerate(sorted(world.data.glob("segments/*/*.parquet"))):
        copy = World(Path(shutil.copytree(world.folder, tmp_path / str(number))))
        (copy.data / path.relative_to(world.data)).unlink()
        done = copy.pentrap("order", "return", "--order", "avalanche-1", "--to", str(tmp_path / "never.tar"))
        assert (done.returncode, path.name in done.stderr) == (1, True), done.stderr
        assert not (tmp_path / "never.tar").exists()


def test_l25_a_segment_in_quarantine_is_verified_by_its_path(world, tmp_path):
    """Set aside it is still of the set: named where it lies, and told whether it is what was sealed."""
    copy = World(Path(shutil.copytree(world.folder, tmp_path / "w")))
    name = min((copy.data / "segments/date=2026-09-01").glob("*.parquet")).name
    assert copy.pentrap("quarantine", name, "--reason", "content").returncode == 0
    path = copy.data / "quarantine/date=2026-09-01" / name
    done = copy.pentrap("verify", str(path))
    assert (done.returncode, "in quarantine, as entry" in done.stdout) == (0, True), done.stdout + done.stderr
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = copy.pentrap("verify", str(path))
    assert (done.returncode, "as it was sealed" in done.stdout) == (1, True)


def test_l25_a_marker_that_says_something_else_is_a_finding(world, tmp_path):
    """JSON as it should be, but for a key of another name: told with its place and a remedy, wherever markers are read."""
    copy = World(Path(shutil.copytree(world.folder, tmp_path / "w")))
    path = copy.data / "segments/date=2026-09-01/sealed-sinkhole-1.json"
    path.write_bytes(path.read_bytes().replace(b'"bytes"', b'"bYtes"', 1))
    done = copy.pentrap("verify", "--json")
    checked = next(one for one in json.loads(done.stdout)["checked"] if one["kind"] == "custody set")
    [finding] = checked["findings"]
    assert (done.returncode, finding["place"]) == (1, f"read marker: {path}: segments.0.bytes")
    assert "Restore it" in finding["remedy"]
    done = copy.pentrap("coverage", "--date=2026-09-01")
    assert (done.returncode, "segments.0.bytes" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
