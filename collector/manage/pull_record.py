"""The log's side of the partners' interface: an entry is durable before the answer that it records begins (law.md L-21).

One thread has the log, without the key: the clerk's own signs a moment later. Requests wait in its line, in order; where the
line is full or the disk refuses, the request gets 503 and no byte. A disk that refuses costs the log's descriptor: it is opened
anew, at most once a second.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from collector.audit.log import AuditLog
from collector.ground.clock import now_us
from collector.ground.errors import CorruptError, PentrapError

WAITING_MAX = 256
"""Requests in the line: a second's worth on a slow disk."""
AGAIN_SECONDS = 1.0


class NotEnteredError(PentrapError):
    """The entry is not durable: what it records must not happen."""


class PullRecord:
    """Enters what partners ask."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._thread = ThreadPoolExecutor(1, "pull-record")
        self._log: AuditLog | None = None
        self._failed = -AGAIN_SECONDS
        self._waiting = 0

    async def pulled(self, facts: Mapping[str, Any]) -> None:
        """A request with valid credentials is about to be answered. Raises NotEnteredError."""
        await self._in_line(self._append_pulled, facts)

    async def refused(self, count: int, since_us: int) -> None:
        """There were so many without. Raises NotEnteredError."""
        await self._in_line(self._append_refused, {"count": count, "since": since_us})

    async def close(self) -> None:
        """When nobody asks any more."""
        await asyncio.to_thread(self._thread.shutdown)
        if self._log is not None:
            self._log.close()
            self._log = None

    async def _in_line(self, append: Any, facts: Mapping[str, Any]) -> None:
        if self._waiting >= WAITING_MAX:
            raise NotEnteredError(f"{self._waiting} entries are waiting, expected less than {WAITING_MAX}")
        self._waiting += 1
        # A client that goes away cancels its answer, not its entry: whoever was about to be answered stands in the log.
        entering = asyncio.get_running_loop().run_in_executor(self._thread, append, facts)
        entering.add_done_callback(self._left_line)
        await asyncio.shield(entering)

    def _left_line(self, entering: "asyncio.Future[None]") -> None:
        self._waiting -= 1
        if not entering.cancelled():
            entering.exception()  # seen, even where nobody waits for it any more

    def _append_pulled(self, facts: Mapping[str, Any]) -> None:
        try:
            self._open().append("pulled", now_us(), **facts)
        except (OSError, CorruptError, ValueError) as error:
            raise self._gave_up(error) from None

    def _append_refused(self, facts: Mapping[str, Any]) -> None:
        try:
            self._open().append("pull_refused", now_us(), **facts)
        except (OSError, CorruptError, ValueError) as error:
            raise self._gave_up(error) from None

    def _open(self) -> AuditLog:
        if self._log is None:
            if time.monotonic() - self._failed < AGAIN_SECONDS:
                raise OSError("the log could not be written a moment ago")
            self._log = AuditLog(self._directory)
        return self._log

    def _gave_up(self, error: Exception) -> NotEnteredError:
        if self._log is not None:
            self._log.close()
            self._log = None
        if time.monotonic() - self._failed >= AGAIN_SECONDS:
            self._failed = time.monotonic()
        return NotEnteredError(type(error).__name__)
