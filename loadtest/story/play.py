"""What the chapters share: the stage, its commands, the books, how much is played."""

import os
from dataclasses import dataclass
from pathlib import Path

from bed.process import Process

from story.accounts import Accounts
from story.commands import Commands, Progress
from story.stage import BOTNET, Stage
from story.terminal import Terminal

LOADTEST = Path(__file__).resolve().parents[1]
CONFIG = "--config pentrap.toml"


@dataclass
class Play:
    """A story under way."""

    stage: Stage
    terminal: Terminal
    commands: Commands
    accounts: Accounts
    check_ins: int
    rate: int
    seed: int
    process: Process | None = None
    day: str = ""

    def run(self, who: str, text: str, progress: Progress | None = None) -> str:
        """A command, shown and run."""
        return self.commands.run(who, text, progress)

    def script(self, name: str) -> str:
        """A script of loadtest/, as the botnet's folder sees it."""
        away = Path(os.path.relpath(LOADTEST, self.stage.of(BOTNET)))
        return str((away if self.stage.folder.is_relative_to(LOADTEST.parent) else LOADTEST) / name)
