"""The slow path: connections whose head is not there yet, silent ones, and those from listed proxies.

Each costs one descriptor, one reader and at most HEAD_MAX bytes until its verdict, its end or its deadline. All have the
same time to live, so the oldest is always first in `_waiting`, and one timer serves all.

Overload, in this order: a source with too many unfinished connections has its newest shed; beyond the cap on connections or
on held bytes the connection that has waited longest is shed, since an honest machine finishes its head in a round
trip. Shed means
closed without an answer, counted as dropped_overload.
"""

import asyncio
import socket
from collections.abc import Callable

from collector.ground.codes import Application, Fate, Transport, Trust
from collector.intake.desk import Desk, Party
from collector.intake.settings import IntakeSettings
from collector.intake.sockets import RawSocket
from collector.wire.classify import HEAD_MAX, Conversation
from collector.wire.proxy import REJECTED, read_proxy
from collector.wire.verdict import Verdict

LOOK_SECONDS = 0.05
"""How late a deadline may be noticed."""


class Connection:
    """One unfinished connection. `preamble` is set while a listed proxy's header is awaited."""

    __slots__ = ("conversation", "deadline", "party", "preamble", "received", "sock", "source")

    def __init__(self, sock: RawSocket, party: Party, deadline: float, preamble: bytearray | None) -> None:
        self.sock = sock
        self.party = party
        self.deadline = deadline
        self.source = party.src
        self.received = 0
        self.preamble = preamble
        self.conversation = Conversation()


class Unfinished:
    """All unfinished connections of a worker. `after` ends a turn of the loop in which one got its fate."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        desk: Desk,
        settings: IntakeSettings,
        connections_max: int,
        after: Callable[[float], None],
    ) -> None:
        self.held_bytes = 0
        self._loop = loop
        self._desk = desk
        self._after = after
        self._seconds = float(settings.head_deadline_seconds)
        self._connections_max = connections_max
        self._source_max = settings.unfinished_per_source_max
        self._bytes_max = settings.unfinished_bytes_max_mb << 20
        self._waiting: dict[int, Connection] = {}
        self._sources: dict[bytes, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def takes_special(
        self, sock: RawSocket, now_us: int, src: bytes, src_port: int, dst: bytes, dst_port: int
    ) -> bool:
        """Handle what the settings list by network: our own probes and proxies. False for everybody else."""
        desk = self._desk
        if desk.is_probe is not None and desk.is_probe(src):
            party = Party(now_us, src, src_port, dst, dst_port, Transport.TCP, Trust.HANDSHAKE)
            self._admit(Connection(sock, party, self._loop.time() + self._seconds, None))
            return True
        if desk.is_proxy is not None and desk.is_proxy(src):
            party = Party(now_us, src, src_port, dst, dst_port, Transport.TCP, Trust.PROXY)
            self._admit(Connection(sock, party, self._loop.time() + self._seconds, bytearray()))
            return True
        return False

    def wait(self, sock: RawSocket, party: Party, content: bytes) -> None:
        """Take over a connection that has sent `content`, which is no verdict yet."""
        connection = Connection(sock, party, self._loop.time() + self._seconds, None)
        connection.received = len(content)
        if content:
            # The fast path saw no verdict in these bytes, so neither does this; it only remembers them.
            connection.conversation.feed(content)
            self.held_bytes += connection.conversation.held
        self._admit(connection)

    def end_all(self) -> None:
        """Treat every connection as if its deadline had come."""
        for connection in list(self._waiting.values()):
            self._end(connection)

    def _admit(self, connection: Connection) -> None:
        source = connection.source
        count = self._sources.get(source, 0)
        number = connection.sock.fileno()
        self._waiting[number] = connection
        self._sources[source] = count + 1
        if count >= self._source_max:
            self._shed(connection)
            return
        while len(self._waiting) > self._connections_max or self.held_bytes > self._bytes_max:
            self._shed(next(iter(self._waiting.values())))
        if number in self._waiting:
            self._loop.add_reader(number, self._readable, connection)
            if self._timer is None:
                self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def _readable(self, connection: Connection) -> None:
        began = self._loop.time()
        try:
            content = connection.sock.recv(HEAD_MAX, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            content = b""
        if not content:
            self._end(connection)
        else:
            self._feed(connection, content)
        self._after(began)

    def _feed(self, connection: Connection, content: bytes) -> None:
        if connection.preamble is not None:
            connection.preamble += content
            proxied = read_proxy(bytes(connection.preamble))
            if proxied is None:
                return
            if proxied is REJECTED:
                self._refuse(connection, Fate.REJECTED_PROXY)
                return
            content = bytes(connection.preamble[proxied.length :])
            connection.preamble = None
            connection.party = connection.party._replace(
                src=proxied.src, src_port=proxied.src_port, dst=proxied.dst, dst_port=proxied.dst_port
            )
            if not content:
                return
        connection.received += len(content)
        before = connection.conversation.held
        verdict = connection.conversation.feed(content)
        self.held_bytes += connection.conversation.held - before
        if verdict is not None:
            self._settle(connection, verdict)
        elif self.held_bytes > self._bytes_max:
            self._shed(next(iter(self._waiting.values())))

    def _end(self, connection: Connection) -> None:
        """FIN, RST, or the deadline: what there is decides."""
        if connection.preamble is not None:
            self._refuse(connection, Fate.REJECTED_PROXY)
        else:
            self._settle(connection, connection.conversation.end())

    def _settle(self, connection: Connection, verdict: Verdict) -> None:
        self._forget(connection)
        desk = self._desk
        if desk.is_probe is not None and desk.is_probe(connection.party.src):
            desk.pardon(verdict.application, connection.sock)
            return
        application = verdict.application if connection.received else Application.OPAQUE
        desk.settle(
            connection.party, verdict.name, application, verdict.flaw, connection.received, connection.sock
        )

    def _refuse(self, connection: Connection, fate: Fate) -> None:
        self._forget(connection)
        self._desk.refuse(fate, connection.sock)

    def _shed(self, connection: Connection) -> None:
        self._refuse(connection, Fate.DROPPED_OVERLOAD)

    def _forget(self, connection: Connection) -> None:
        number = connection.sock.fileno()
        self._loop.remove_reader(number)
        del self._waiting[number]
        self.held_bytes -= connection.conversation.held
        left = self._sources[connection.source] - 1
        if left:
            self._sources[connection.source] = left
        else:
            del self._sources[connection.source]

    def _look(self) -> None:
        """End those whose deadline has come; they stand first."""
        now = self._loop.time()
        ended = False
        while self._waiting:
            connection = next(iter(self._waiting.values()))
            if connection.deadline > now:
                break
            self._end(connection)
            ended = True
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look) if self._waiting else None
        if ended:
            self._after(now)
