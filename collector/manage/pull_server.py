"""The partners' connections: how long one may take to ask, how many there may be, and TLS.

aiohttp's low-level server without its router, so that every request comes to `PullApi.answer` as it was sent. A connection that
has not asked within HEAD_SECONDS, or is idle between requests for as long, is closed. When there are too many, the one that has
waited longest without a request under way gives its place to the newest, so strangers who only connect push out one another.
"""

import asyncio
import ssl
import time
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from collector.manage.pull import PullApi

HEAD_SECONDS = 20.0
"""For a whole head, from accept or from the last answer on."""
CONNECTIONS_MAX = 512
"""Of some 10 kB each while idle, and up to 0.6 MB while a file is on its way."""
FAREWELL_SECONDS = 10.0
"""For the last bytes to leave once a connection is closing; then it is cut."""
STOP_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0


class Connection(web.RequestHandler):
    """One of them."""

    __slots__ = ("busy", "closing_since", "wire")

    def __init__(self, server: "PullServer", *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=cast("Any", None),
            keepalive_timeout=HEAD_SECONDS,
            lingering_time=2.0,
        )
        self.wire: asyncio.Transport | None = None
        self.busy = False
        self.closing_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport: aiohttp forgets it when it begins to close."""
        super().connection_made(transport)
        self.wire = cast("asyncio.Transport", transport)  # uvloop's are no subclasses
        assert isinstance(self._manager, PullServer)
        self._manager.came(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget it."""
        if isinstance(self._manager, PullServer):
            self._manager.left(self)
        self.wire = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Stands for aiohttp's own, whose page quotes to the sender what it could not read."""
        del message
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionError("an answer was already on its way")
        assert isinstance(self._manager, PullServer)
        return self._manager.api.failed(status, exc)


class PullServer(web.Server):
    """Makes connections, and minds them."""

    def __init__(self, api: PullApi) -> None:
        super().__init__(self._take)
        self.api = api
        self._wires: dict[Connection, None] = {}
        self._server: asyncio.AbstractServer | None = None

    def __call__(self) -> Connection:
        """A new connection's."""
        return Connection(self, loop=asyncio.get_running_loop())

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> int:
        """Begin; the port. Raises OSError."""
        self._server = await asyncio.get_running_loop().create_server(
            self,
            host,
            port,
            ssl=context,
            reuse_address=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if context else None,
        )
        chosen: int = self._server.sockets[0].getsockname()[1]
        return chosen

    async def stop(self) -> None:
        """Take no more, let what is under way end for a moment, then cut it."""
        if self._server is not None:
            self._server.close()
        self.pre_shutdown()
        await self.shutdown(STOP_SECONDS)
        for connection in list(self._wires):
            _cut(connection)

    def came(self, connection: Connection) -> None:
        """One more; one less of the idle where there are too many."""
        self._wires[connection] = None
        if len(self._wires) > CONNECTIONS_MAX:
            idle = next((one for one in self._wires if not one.busy), connection)
            self._wires.pop(idle)
            _cut(idle)

    def left(self, connection: Connection) -> None:
        """One less."""
        self._wires.pop(connection, None)

    def mind(self) -> None:
        """Cut what has been closing for too long, because its reader takes nothing; to be called every few seconds."""
        now = time.monotonic()
        for connection in list(self._wires):
            if connection.wire is None or not connection.wire.is_closing():
                continue
            connection.closing_since = connection.closing_since or now
            if now - connection.closing_since > FAREWELL_SECONDS:
                _cut(connection)

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.busy = True
        try:
            return await self.api.answer(request)
        finally:
            connection.busy = False
            if self._wires.pop(connection, self) is None:  # still there: from now on it waits
                self._wires[connection] = None


def context_of(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or later; with `client_ca` a partner's certificate is asked for too. Raises OSError (ssl.SSLError is one)."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    return context


def _cut(connection: Connection) -> None:
    if connection.wire is not None:
        connection.wire.abort()
