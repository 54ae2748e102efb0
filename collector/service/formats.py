"""Before anything is touched at a start: is what lies in the data directory in formats that this release reads?

    journal/<stream>/*.journal              journal.format.VERSION
    segments/date=…/sealed-<sensor>.json    of the latest day: MARKER_VERSION, and the segments' SCHEMA_VERSION
    access/tokens.json                      exports.tokens
    audit/log.jsonl                         the last entry is of a kind that is known

Formats before ours are read (`tests/golden/` keeps a data directory of each, for good). One that came after is refused with
everything as it was: a journal that was set aside as rotten would be rows that no day has. What is rotten is not asked
about here: that is recovery's, and is counted.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from collector.audit.events import EVENTS
from collector.exports.tokens import VERSION as TOKENS_VERSION
from collector.ground.errors import ConfigurationError, CorruptError, FormatError, Problem
from collector.journal.format import HEADER_SIZE, VERSION, decode_header
from collector.journal.names import list_journals
from collector.segments.versions import MARKER_VERSION, SCHEMA_VERSION

_LATER = "start the release that wrote it; an older release never runs on a newer one's data directory"
LAST_ENTRY_BYTES = 1 << 17
"""Read at the log's end to find its last entry: twice an entry's largest size."""


def refuse_later_formats(data_dir: Path) -> None:
    """Raises ConfigurationError with each file that a later release wrote, OSError."""
    problems = [*_journals(data_dir), *_markers(data_dir), *_tokens(data_dir), *_log(data_dir)]
    if problems:
        raise ConfigurationError(problems)


def _journals(data_dir: Path) -> Iterator[Problem]:
    for path, _ in list_journals(data_dir / "journal"):
        with path.open("rb") as file:
            content = file.read(HEADER_SIZE)
        try:
            decode_header(content, str(path))
        except FormatError as error:
            _, _, place, cause, remedy = error.parts
            yield Problem(str(path), place, cause, f"version {VERSION} or earlier", remedy)
        except CorruptError:
            continue


def _markers(data_dir: Path) -> Iterator[Problem]:
    days = sorted((data_dir / "segments").glob("date=*"))
    for path in sorted(days[-1].glob("sealed-*.json")) if days else ():
        with suppress(ValueError, AttributeError, TypeError):
            marker = json.loads(path.read_bytes())
            for key, ours in (("marker_version", MARKER_VERSION), ("schema_version", SCHEMA_VERSION)):
                if marker.get(key, 0) > ours:
                    yield Problem(str(path), key, str(marker[key]), f"{ours} or earlier", _LATER)


def _tokens(data_dir: Path) -> Iterator[Problem]:
    path = data_dir / "access" / "tokens.json"
    with suppress(FileNotFoundError, ValueError, AttributeError, TypeError):
        version = json.loads(path.read_bytes()).get("version", 0)
        if version > TOKENS_VERSION:
            yield Problem(str(path), "version", str(version), f"{TOKENS_VERSION} or earlier", _LATER)


def _log(data_dir: Path) -> Iterator[Problem]:
    path = data_dir / "audit" / "log.jsonl"
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LAST_ENTRY_BYTES))
            lines = file.read().splitlines()
        entry: dict[str, Any] = json.loads(lines[-1]) if lines else {"event": "installed"}
        if entry["event"] not in EVENTS:
            expected = "an event of this release's table"
            yield Problem(
                str(path), f"entry {int(entry['number'])}", "an event that it lacks", expected, _LATER
            )
