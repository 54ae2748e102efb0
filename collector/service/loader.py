"""Operation files become the rules in force, in a child process, so that reading 2.4 million domains neither stops
the supervisor
from minding its workers nor leaves its memory large for all that it forks later.
"""

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any, NamedTuple

from collector.ground import files
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.compile import compile_rules

CURRENT = "current"
"""The file in `rules/` that names the rules in force."""


class Loaded(NamedTuple):
    """What a load came to: a digest, or problems."""

    digest: str
    problems: list[Problem]
    again: bool = False
    """The files may be well: it was the machine that failed, and another try may not."""


def start(paths: list[Path], directory: Path) -> tuple[int, int]:
    """Begin a load: (pid, descriptor from which `finish` reads once the child has ended or closed it)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    os.close(reading)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    result: dict[str, Any]
    try:
        result = {"digest": compile_rules(paths, directory)}
    except ConfigurationError as error:
        result = {"problems": [dataclasses.asdict(problem) for problem in error.problems]}
    except BaseException as error:
        problem = Problem(
            str(directory), "compiling", type(error).__name__, "rules written", "see disk space and rights"
        )
        result = {"problems": [dataclasses.asdict(problem)], "again": True}
    with os.fdopen(writing, "w") as pipe:
        json.dump(result, pipe)
    os._exit(0)


def finish(pid: int, descriptor: int) -> Loaded:
    """Wait for a load and say what it came to."""
    with os.fdopen(descriptor) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    result: dict[str, Any] = (
        json.loads(text) if text else {"problems": [dataclasses.asdict(_KILLED)], "again": True}
    )
    problems = [Problem(**problem) for problem in result.get("problems", [])]
    return Loaded(result.get("digest", ""), problems, result.get("again", False))


_KILLED = Problem(
    "operations", "compiling", "the process was killed", "rules written", "see the machine's memory"
)


def adopt(directory: Path, digest: str) -> None:
    """Make `digest` the rules in force, durably."""
    files.publish_bytes(directory / CURRENT, f"{digest}\n".encode())
