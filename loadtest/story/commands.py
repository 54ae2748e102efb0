"""The story's commands, run as a person would: by a shell, in somebody's folder, with this environment's programs."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from collector.cli.progress import Bar
from story.stage import Stage
from story.terminal import WIDTH, Terminal

PROGRAMS = Path(sys.executable).parent
LINE = WIDTH - 4
"""Of a command's line, before the backslash."""
LOOK_SECONDS = 0.2
COMMAND_SECONDS = 300.0
"""A command of the story needs seconds; this one hangs."""


class DoesNotHold(RuntimeError):  # noqa: N818 - the story's own word
    """Something is not as it should be; the story ends."""


class Progress(NamedTuple):
    """What a bar shows while a command runs, on a terminal."""

    title: str
    look: Callable[[], tuple[int, int]]
    """How many of how many steps are done."""


class Commands(NamedTuple):
    """The shell of everybody in the story."""

    stage: Stage
    terminal: Terminal

    def run(self, who: str, text: str, progress: Progress | None = None) -> str:
        """Show a command, run it, show what it printed; both its outputs. Raises DoesNotHold unless it ends with 0."""
        self.terminal.command(who, text)
        bar = Bar(progress.title if progress else "")
        code, said = self._run(self.stage.of(who), text, lambda: bar(*progress.look()) if progress else None)
        bar(1, 1)
        self.terminal.output(said)
        if code:
            raise DoesNotHold(f"{text.splitlines()[0]}: found exit code {code}, expected 0")
        return said

    def _run(self, folder: Path, text: str, meanwhile: Callable[[], object]) -> tuple[int, str]:
        """In a session of its own, so that all of it can be ended, whoever presses Ctrl-C where."""
        path = f"{PROGRAMS}:{os.environ.get('PATH', os.defpath)}"
        until = time.monotonic() + COMMAND_SECONDS
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                ["sh", "-c", text],
                cwd=folder,
                env=os.environ | {"PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                while process.poll() is None and time.monotonic() < until:
                    meanwhile()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(LOOK_SECONDS)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            said.seek(0)
            return code, said.read().decode("utf-8", "replace")


def sql(statement: str) -> str:
    """The command that asks DuckDB and shows the answer."""
    return f"python -c 'import duckdb, sys; duckdb.sql(sys.stdin.read()).show()' <<'SQL'\n{statement}\nSQL"


def in_lines(program: str, options: Iterable[str]) -> str:
    """One command over as many lines as it needs, with options that belong together kept so."""
    lines = [program]
    for option in options:
        if len(lines) == 1 or len(lines[-1]) + len(option) > LINE:
            lines.append(f"    {option}")
        else:
            lines[-1] += f" {option}"
    return " \\\n".join(lines)
