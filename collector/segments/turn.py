"""One at a time: sealing a day, setting a segment aside, deleting.

    data_dir/segments/lock    held (flock) meanwhile, by whichever process: the clerk, an officer's command

A day's marker names what stands in two folders, so nothing may move between them while it is made. Writing new segments
needs no turn: a segment is named by its range and appears whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from collector.ground import files
from collector.segments.segment import FOLDER

LOCK = "lock"


@contextmanager
def turn(data_dir: Path) -> Iterator[None]:
    """Wait for the turn and keep it. Not to be nested."""
    with files.locked(data_dir / FOLDER / LOCK):
        yield
