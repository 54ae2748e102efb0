"""A built package knows the revision that it was built from, and says so wherever it names itself."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from collectors import ROOT

SOURCES = ("collector", "pyproject.toml", "setup.py", "README.md")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a package is built from, without its history."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def wheel(checkout: Path, **environment: str) -> zipfile.ZipFile:
    """The wheel that is built there."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        ".",
    ]
    clean = {name: value for name, value in os.environ.items() if name != "SOURCE_REVISION"}
    subprocess.run([*command, "-w", "out"], cwd=checkout, env=clean | environment, check=True)
    (found,) = (checkout / "out").glob("*.whl")
    return zipfile.ZipFile(found)


def git(checkout: Path, *words: str) -> str:
    """A git command there, as somebody who has no settings."""
    who = {f"GIT_{role}_{what}": "nobody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = os.environ | who | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", *words], cwd=checkout, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_build_is_told_its_revision_and_every_door_says_it(checkout: Path, tmp_path: Path) -> None:
    """SOURCE_REVISION, which the image's build gives, is in the wheel; `--version` and metrics name it."""
    with wheel(checkout, SOURCE_REVISION=COMMIT) as built:
        assert built.read("collector/revision.txt") == f"{COMMIT}\n".encode()
        built.extractall(tmp_path / "installed")
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=tmp_path / "installed", check=True, capture_output=True, text=True
    ).stdout
    assert shown.splitlines()[0].endswith(f" ({COMMIT})")
    assert f'revision="{COMMIT}"' in shown


SHOW = """
import sys
sys.path.insert(0, "")
import collector
from collector.cli import release
assert collector.__file__.startswith(__import__("os").getcwd()), collector.__file__
print(release())
from collector.manage.circumstances import Circumstances, Snapshot
from collector.manage.text_format import encode
print(encode(Circumstances(lambda: Snapshot([], [], 0.0, 0, 0, False, 0.0, {})).collect()))
"""


def test_a_checkout_is_asked_for_its_revision(checkout: Path) -> None:
    """Without being told, git's word counts, with a plus where the package's files differ from it."""
    git(checkout, "init", "-q")
    git(checkout, "add", *SOURCES)
    git(checkout, "commit", "-q", "-m", "all of it")
    commit = git(checkout, "rev-parse", "HEAD")
    with wheel(checkout) as built:
        assert built.read("collector/revision.txt").decode().strip() == commit
    (checkout / "collector" / "py.typed").write_text("changed")
    shutil.rmtree(checkout / "out")
    with wheel(checkout) as built:
        assert built.read("collector/revision.txt").decode().strip() == f"{commit}+"


def test_an_archive_does_not_borrow_the_revision_of_a_repository_around_it(checkout: Path) -> None:
    """An unpacked archive within another project's repository has no revision, rather than a wrong one."""
    git(checkout.parent, "init", "-q")
    git(checkout.parent, "commit", "-q", "--allow-empty", "-m", "another project")
    with wheel(checkout) as built:
        assert "collector/revision.txt" not in built.namelist()
