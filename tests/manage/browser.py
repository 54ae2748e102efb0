"""Debian's Chromium, driven by Playwright, and pages to show it: the real application with a look of ours."""

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator
from typing import Any, Self

from aiohttp import web
from collectors import free_port
from playwright.sync_api import Browser, sync_playwright
from prometheus_client import CollectorRegistry

from collector.manage.app import application
from collector.manage.status.look import Look

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""As root, on a machine without a graphics card and without a network."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """One browser, with a new profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Shown:
    """The management application with a look that may be changed, on a port of its own; `stop` ends it early."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}/"
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._serve(ready)), daemon=True
        )
        self._thread.start()
        ready.wait(10)

    def stop(self) -> None:
        """No answer from here on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(10)

    async def _serve(self, ready: threading.Event) -> None:
        def readiness() -> dict[str, Any]:
            return {"ready": True}

        app = application(CollectorRegistry(), readiness, lambda: self.look, "", local=True)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        ready.set()
        await self._ended.wait()
        await runner.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
