"""Audit entries: one JSON object a line, on disk before the act that it records takes effect (law.md L-21).

    audit/log.jsonl    {"number": 1, "time": "2026-11-22T10:00:00.000000Z", "event": "started", …}

One process writes at a time (the supervisor, which holds the data directory's lock). A line torn by a crash was never
durable, so its act never took effect: opening the log cuts it.
"""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collector.ground import files

LOG_NAME = "log.jsonl"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AuditLog:
    """Appends entries durably."""

    def __init__(self, directory: Path) -> None:
        files.make_directory(directory)
        path = self._path = directory / LOG_NAME
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, files.FILE_MODE)
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            os.ftruncate(self._descriptor, whole)
        self._number = content.count(b"\n", 0, whole)
        os.fsync(self._descriptor)
        files.sync_directory(directory)

    @property
    def installed_us(self) -> int:
        """When the first entry was written. Only after there is one."""
        with open(self._path, "rb") as file:
            moment = datetime.fromisoformat(json.loads(file.readline())["time"])
        return (moment - _EPOCH) // timedelta(microseconds=1)

    @property
    def is_new(self) -> bool:
        """Whether nothing was ever written: this data directory is being installed."""
        return self._number == 0

    def append(self, event: str, now_us: int, **facts: Any) -> None:
        """Write one entry; it is durable when this returns. Raises OSError, and the act must then not happen."""
        moment = (_EPOCH + timedelta(microseconds=now_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entry = {"number": self._number + 1, "time": moment, "event": event, **facts}
        line = json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
        before = os.fstat(self._descriptor).st_size
        try:
            if os.write(self._descriptor, line) != len(line):
                raise OSError(28, "short write of an audit entry")  # noqa: TRY301 - undone like any refused write
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, before)
            raise
        self._number += 1
