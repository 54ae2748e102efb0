"""The daily export: when the clerk starts it, and what it learns of it.

It runs as `pentrap export --due` in a process of its own, with memory of its own: whatever becomes of it, the clerk goes on
sealing and answering. What it says goes into a file without a name and is read once it has ended: a pipe is full after
64 KiB, and its writer would wait for ever. It starts at `[export] at` once yesterday is sealed by every expected sensor, at
05:30 UTC otherwise, and looks again every hour for what came late. Nothing is remembered here: what is owed is read off
what stands.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from typing import IO, Any

from collector.exports.partners import read_partners
from collector.manage.deliveries import Deliveries
from collector.service.exporting import is_complete, is_published_from
from collector.service.settings import Settings

AGAIN_SECONDS = 3600
"""Between two looks for late segments."""
AGAIN_AFTER_FAILURE_SECONDS = 300
STOP_SECONDS = 10


class DailyExport:
    """One child at a time. Call `look` now and then, from one thread."""

    def __init__(self, settings: Settings, deliveries: Deliveries, log: Any) -> None:
        self._settings, self._deliveries, self._log = settings, deliveries, log
        hour, minute = map(int, settings.export.at.split(":"))
        self._at = timedelta(hours=hour, minutes=minute)
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._next = 0.0
        self._day: date | None = None

    @property
    def pid(self) -> int:
        """The process of an export that is at work; 0: none is."""
        child = self._child
        return 0 if child is None else child.pid

    def look(self, now: datetime) -> None:
        """Start it where it is time, and take in what it said where it has ended."""
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._child = None
            self._take_in(code)
        if self._is_time(now):
            self._start(now)

    def stop(self) -> None:
        """End a child that is at work: it publishes whole or not at all."""
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None
            self._forget()

    def _is_time(self, now: datetime) -> bool:
        if self._settings.export.unfinished_days or not read_partners(self._settings.partners_file, []):
            return False  # a demonstration exports when it is told to; nobody to export to
        yesterday = now.date() - timedelta(days=1)
        begun = now - datetime(now.year, now.month, now.day, tzinfo=UTC) >= self._at
        ready = is_complete(self._settings, yesterday) or now >= is_published_from(yesterday)
        if not begun or not ready:
            return False
        return self._day != now.date() or time.monotonic() >= self._next

    def _start(self, now: datetime) -> None:
        command = [sys.executable, "-m", "collector.cli", "export", "--due", "--json"]
        self._forget()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the child is taken in
        self._child = subprocess.Popen(
            [*command, "--config", str(self._settings.file)], stdout=self._said, stdin=subprocess.DEVNULL
        )
        self._day = now.date()
        self._next = time.monotonic() + AGAIN_SECONDS

    def _take_in(self, code: int) -> None:
        """`code` is the child's. What it said may end anywhere: somebody may have killed it."""
        moment = time.time()
        whole = True
        for line in self._lines():
            try:
                self._learn(json.loads(line))
            except Exception:  # whatever a broken child says must not end the clerk
                whole = False
        if code or not whole:
            self._next = time.monotonic() + AGAIN_AFTER_FAILURE_SECONDS
            self._log.error("export_failed", code=code, told_whole=whole)
        else:
            self._deliveries.succeeded(
                [partner.name for partner in read_partners(self._settings.partners_file, [])], moment
            )

    def _lines(self) -> list[bytes]:
        assert self._said is not None
        self._said.seek(0)
        lines = self._said.read().splitlines()
        self._forget()
        return lines

    def _learn(self, day: dict[str, Any]) -> None:
        self._deliveries.exported(day)
        for made in day["publications"]:
            self._log.info(
                "exported",
                day=day["day"],
                partner=made["partner"],
                sequence=made["sequence"],
                kind=made["kind"],
                rows=made["rows"],
            )

    def _forget(self) -> None:
        if self._said is not None:
            self._said.close()
            self._said = None
