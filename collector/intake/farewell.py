"""An orderly close that does not destroy the answer.

close() with unread bytes sends RST, and a client may then lose an answer that it had already received (measured: a body
20 ms behind its head, 20 of 20 answers lost). So: shutdown(SHUT_WR) right after the answer, and the descriptor waits
here. A first look after LOOK_AFTER, when most clients have closed; then one look every PATIENCE, each discarding in
the kernel what
came (recv with MSG_TRUNC: a body never enters this process); closed on the client's FIN, after DRAIN_BYTES, or a second.
"""

import asyncio
import socket
from collections import deque

from collector.intake.sockets import RawSocket

LOOK_AFTER = 0.02
"""Seconds from shutdown to the first look: one round trip for most of the world's near half."""
PATIENCE = 0.1
"""Seconds between later looks."""
LINGER_SECONDS = 1.0
"""A client that has not closed by then has had its answer, or will never have it."""
DRAIN_BYTES = 64 << 10
"""Bytes discarded for one connection at one look; whoever sends more is not waiting for an answer."""

_DISCARD = int(socket.MSG_TRUNC | socket.MSG_DONTWAIT)


class Farewell:
    """Connections that have their answer and only need to be closed well."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.count = 0
        self._loop = loop
        self._fresh: deque[tuple[float, list[RawSocket]]] = deque()
        self._patient: deque[tuple[float, float, list[RawSocket]]] = deque()
        self._scratch = bytearray(DRAIN_BYTES)
        self._timer: asyncio.TimerHandle | None = None

    def add(self, socks: list[RawSocket]) -> None:
        """Take over connections whose sending side has been shut down."""
        self.count += len(socks)
        self._fresh.append((self._loop.time() + LOOK_AFTER, socks))
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_AFTER, self._look)

    def close_all(self) -> None:
        """Discard what has arrived and close everything now (a clean stop)."""
        for socks in [entry[-1] for entry in self._fresh] + [entry[-1] for entry in self._patient]:
            for sock in self._settle(socks):
                sock.close()
        self._fresh.clear()
        self._patient.clear()
        self.count = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        now = self._loop.time()
        fresh, patient = self._fresh, self._patient
        waiting: list[RawSocket] = []
        while fresh and fresh[0][0] <= now:
            waiting += self._settle(fresh.popleft()[1])
        if waiting:
            patient.append((now + PATIENCE, now - LOOK_AFTER + LINGER_SECONDS, waiting))
        while patient and patient[0][0] <= now:
            _, until, socks = patient.popleft()
            left = self._settle(socks)
            if now >= until:
                for sock in left:
                    sock.close()
                self.count -= len(left)
            elif left:
                patient.append((now + PATIENCE, until, left))
        due = [queue[0][0] for queue in (fresh, patient) if queue]
        self._timer = self._loop.call_later(max(min(due) - now, 0.005), self._look) if due else None

    def _settle(self, socks: list[RawSocket]) -> list[RawSocket]:
        """Close those whose client has closed, discard what the others sent; the ones still open."""
        scratch = self._scratch
        still_open = []
        for sock in socks:
            try:
                got = sock.recv_into(scratch, DRAIN_BYTES, _DISCARD)
            except BlockingIOError:
                still_open.append(sock)
                continue
            except OSError:
                got = 0
            if 0 < got < DRAIN_BYTES:
                still_open.append(sock)  # its FIN may follow: the next look tells
                continue
            sock.close()
        self.count -= len(socks) - len(still_open)
        return still_open
