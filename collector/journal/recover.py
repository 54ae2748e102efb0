"""After a death: give every journal that was left open its sealed name, and say what could not be kept.

An open name means that its process died (or lost its disk). What verifies is sealed; a torn tail was never
acknowledged, so cutting it loses no answered check-in. Where a later file of the same stream begins inside this one's
range, the later file holds those records (see `stream`). Running this again after a crash in its middle does the same again.
"""

import os
from pathlib import Path
from typing import NamedTuple

from collector.ground import files
from collector.ground.errors import CorruptError
from collector.journal.format import HEADER_SIZE, read_journal
from collector.journal.names import JournalName, list_journals, sealed_name


class Recovered(NamedTuple):
    """What became of one file. `written` is the process's record count up to this file's last good block."""

    path: str
    records: int
    torn_bytes: int
    corrupt_blocks: int
    written: int
    set_aside: bool


def recover(root: Path, prefix: str = "") -> list[Recovered]:
    """Seal all journals under `root` left open by streams whose name begins with `prefix`.

    Only for streams whose process is dead. Raises OSError where the disk refuses; the files are then as before.
    """
    journals = [item for item in list_journals(root) if item[1].stream.startswith(prefix)]
    firsts: dict[str, list[int]] = {}
    for _, name in journals:
        firsts.setdefault(name.stream, []).append(name.first)
    found = []
    for path, name in journals:
        if name.last is None:
            later = [first for first in firsts[name.stream] if first > name.first]
            found.append(_seal(path, name, min(later, default=None)))
    return found


def _seal(path: Path, name: JournalName, limit: int | None) -> Recovered:
    size = path.stat().st_size
    try:
        journal = read_journal(path, limit)
    except CorruptError:
        if size <= HEADER_SIZE:
            files.remove(path)  # died while the header was written: nothing was ever in it
            return Recovered(str(path), 0, size, 0, 0, set_aside=False)
        files.rename(path, path.with_suffix(".damaged"))
        return Recovered(str(path), 0, size, 1, 0, set_aside=True)
    set_aside = not journal.runs and bool(journal.torn_bytes)
    if set_aside:
        files.rename(
            path, path.with_suffix(".damaged")
        )  # never acknowledged, or rotten: an engineer may tell
    elif not journal.runs:
        files.remove(path)
    else:
        with path.open("r+b") as file:
            file.truncate(journal.good_bytes)
            os.fsync(file.fileno())
        files.rename(path, path.parent / sealed_name(name.stream, name.first, journal.runs[-1].last))
    return Recovered(
        str(path),
        journal.records,
        journal.torn_bytes,
        journal.corrupt_blocks,
        journal.written_by_process,
        set_aside,
    )
