"""What pyproject.toml cannot say: a built package knows the revision that it was built from.

`collector/revision.txt` is written into wheels only. The revision is SOURCE_REVISION of the environment (the container image
is built without a repository), else what git says of this folder, with a plus where files of the package differ from it;
where neither knows, none is written. An editable installation has none: its files may change at any time.
"""

import os
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent


def revision() -> str:
    """The commit in full, or ""."""
    if told := os.environ.get("SOURCE_REVISION", ""):
        return told
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "collector", "pyproject.toml") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(*words: str) -> str:
    # Only a repository whose top is this very folder speaks for it: an unpacked archive may lie inside another's.
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(HERE.parent)}
    command = ["git", "-C", str(HERE), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class BuildWithRevision(build_py):
    """Writes the revision beside the modules that were copied."""

    def run(self) -> None:
        super().run()
        known = revision()
        if known and not self.editable_mode:
            (Path(self.build_lib) / "collector" / "revision.txt").write_text(known + "\n", encoding="ascii")


setup(cmdclass={"build_py": BuildWithRevision})
