"""Counts who was recorded in the last day by reading the segments that stand, a little in each round, the newest first.

New segments and those from before a restart are taken in the same way; reading one twice changes nothing. It is the machine's
own look at its rows: nobody is shown any, what comes out is aggregates (exports/victims.py). Whatever a file or the geo
database does to it, sealing goes on.
"""

import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collector.exports.presence import Presence
from collector.exports.victims import Victims
from collector.ground import logs
from collector.segments.catalogue import segments_of

LIST_SECONDS = 10.0
"""Between two listings of what is new; what is new is read, and then counted."""
COUNT_SECONDS = 60.0
"""At the latest after this long it is counted anew: while much is waiting to be read, and because the day moves on."""
ROUND_SECONDS = 0.1
"""How long a round may read: one segment at least, so that the newest is never waited for."""
DAY_SECONDS = 86_400


class HeadCount:
    """`look` from one thread; `victims` may be read by any."""

    def __init__(self, data_dir: Path, geo_db: Path | None, log: Any) -> None:
        self._data_dir, self._log = data_dir, log
        self._presence = self._open(geo_db)
        self._read: set[Path] = set()
        self._waiting: list[Path] = []
        self._list_due = self._count_due = 0.0
        self.victims = Victims()

    def look(self, now_us: int) -> None:
        """One round."""
        began = time.monotonic()
        if began >= self._list_due:
            self._list_due = began + LIST_SECONDS
            self._list(now_us)
        reading = bool(self._waiting)
        until = time.monotonic() + ROUND_SECONDS
        while self._waiting:
            self._take(self._waiting.pop())
            if time.monotonic() >= until:
                break
        if (reading and not self._waiting) or began >= self._count_due:
            self._count_due = began + COUNT_SECONDS
            self.victims = self._presence.victims(now_us)

    def _list(self, now_us: int) -> None:
        """What stands of today and yesterday, was written within a day, and has not been read."""
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        found: list[tuple[float, Path]] = []
        standing = set()
        for day in (now.date(), now.date() - timedelta(days=1)):
            for segment in segments_of(self._data_dir, day):
                path = segment.path(self._data_dir)
                standing.add(path)
                if path not in self._read:
                    with contextlib.suppress(FileNotFoundError):  # set aside since it was listed
                        found.append((path.stat().st_mtime, path))
        self._read &= standing
        self._waiting = [path for written, path in sorted(found) if written > now_us / 1e6 - DAY_SECONDS]

    def _take(self, path: Path) -> None:
        self._read.add(path)
        try:
            self._presence.take(path)
        except FileNotFoundError:
            pass  # set aside since it was listed
        except Exception as error:  # a picture's trouble must not become sealing's
            self._log.error("segment_not_counted", segment=path.name, place=logs.place(error))

    def _open(self, geo_db: Path | None) -> Presence:
        try:
            return Presence(geo_db)
        except Exception as error:  # likewise; `pentrap check` says what is wrong with the file
            self._log.error("countries_not_counted", place=logs.place(error))
            return Presence(None)
