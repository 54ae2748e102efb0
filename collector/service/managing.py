"""The clerk's part in the management plane: where it listens.

An address that cannot be had at a start is the supervisor's to tell (manage_address.py); later, when the clerk is replaced, it
is logged and tried again: a clerk that ends because of it would take sealing along.
"""

import asyncio
import time
from typing import Any

from aiohttp import web

from collector.ground import logs
from collector.manage.settings import split_address

AGAIN_SECONDS = 5.0


class Managing:
    """The plane of one clerk."""

    def __init__(self, application: web.Application, listen: str, log: Any) -> None:
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        self._listen, self._log = listen, log
        self._server: asyncio.AbstractServer | None = None
        self._next = 0.0

    async def look(self) -> None:
        """Start where it is time to. Twice a second or so."""
        if self._server is None and time.monotonic() >= self._next:
            await self._start()

    async def stop(self) -> None:
        """Take no more, and let what is under way end."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()

    async def _start(self) -> None:
        if self._runner.server is None:
            await self._runner.setup()
        assert self._runner.server is not None
        host, port = split_address(self._listen)
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._runner.server, host, port, reuse_address=True)
        except OSError as error:
            self._log.error("manage_not_listening", place=logs.place(error), errno=error.errno)
            self._next = time.monotonic() + AGAIN_SECONDS
