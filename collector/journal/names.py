"""Names of streams and journal files: the range is the name.

    journal/<stream>/<stream>-<first>.journal           open, or left by a process that died
    journal/<stream>/<stream>-<first>-<last>.journal    sealed: holds exactly these records
    journal/<stream>/<stream>-<first>-<last>.damaged    set aside: read as far as it verifies, kept for an engineer

A stream is one worker's one UTC day: `<sensor>.<worker>.<start>`, start in 16-digit UTC microseconds. Numbers have 20 digits.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(
    r"(?P<stream>[a-z0-9-]+\.[0-9]+\.[0-9]{16})-(?P<first>[0-9]{20})(?:-(?P<last>[0-9]{20}))?\.journal"
)


class JournalName(NamedTuple):
    """What a journal's file name says; `last` is None while it is open."""

    stream: str
    first: int
    last: int | None


def stream_name(sensor: str, worker: int, start_us: int) -> str:
    """The stream that a worker begins at `start_us`."""
    return f"{sensor}.{worker}.{start_us:016d}"


def open_name(stream: str, first: int) -> str:
    """The name of a journal that is being written."""
    return f"{stream}-{first:020d}.journal"


def sealed_name(stream: str, first: int, last: int) -> str:
    """The name of a journal that is complete."""
    return f"{stream}-{first:020d}-{last:020d}.journal"


def parse_name(name: str) -> JournalName | None:
    """Read a file name; None where it is no journal's."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    last = match["last"]
    return JournalName(match["stream"], int(match["first"]), None if last is None else int(last))


def list_journals(root: Path) -> list[tuple[Path, JournalName]]:
    """All journals under `root`, each stream's in order of its first record."""
    found: list[tuple[Path, JournalName]] = []
    for directory in root.iterdir() if root.exists() else ():
        # The clerk removes a stream's folder with its last file, whoever else may be looking (glob would raise).
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            names = ((text, parse_name(text)) for text in os.listdir(directory))
            found += [(directory / text, name) for text, name in names if name is not None]
    return sorted(found, key=lambda item: (item[1].stream, item[1].first, item[1].last is None))
