"""deploy/PARTNERS.md as its reader has it: its fenced blocks, and a desk on which they are run word for word."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from collectors import PENTRAP

GUIDE = Path(__file__).resolve().parents[2] / "deploy/PARTNERS.md"
ADDRESS = "https://collector.example:8444"
TOKEN = "ptr_…"


class Block(NamedTuple):
    """One fenced block; `needs` is the second word after the fence."""

    language: str
    needs: str
    text: str


def blocks(language: str = "", needs: str | None = None) -> list[Block]:
    """The guide's blocks, or those of a language and a need."""
    found = re.findall(r"^```([a-z]+) ?([a-z]*)\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    made = [Block(*one) for one in found]
    return [one for one in made if language in ("", one.language) and (needs is None or one.needs == needs)]


class Desk:
    """A partner's working folder with `token` and `pentrap.pub`, after the guide's shell blocks; and what they said."""

    def __init__(self, folder, served):
        for name, content in (("token", served.token), ("pentrap.pub", served.key)):
            (folder / name).write_bytes(content.read_bytes())
            (folder / name).chmod(0o600)
        self.folder, self.url, self.token = folder, served.url, served.token.read_text().strip()
        script = ["set -eu"]
        for number, block in enumerate(blocks("sh", "")):
            script += [f"echo '== {number}'", self.here(block.text)]
        self.said = self.run("bash", "-c", "\n".join(script))

    def here(self, text):
        """A block's text with this collector's address and token."""
        return text.replace(ADDRESS, self.url).replace(TOKEN, self.token)

    def run(self, *words, seconds=120):
        """Run a command on the desk, far from UTC; what it said."""
        done = subprocess.run(
            words,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=os.environ | {"PATH": f"{PENTRAP.parent}:/usr/bin:/bin", "TZ": "America/New_York"},
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def python(self, text):
        """Run Python of the collector's own environment."""
        return self.run(sys.executable, "-c", text)
