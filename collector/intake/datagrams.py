"""UDP: one datagram, one check-in, recorded and never answered (an answer to a spoofed source would hit a bystander).

The payload never enters the process: recvmsg with a buffer of one byte and MSG_TRUNC tells the datagram's length and
discards the
rest. A datagram through a listed proxy has no header that could be believed (the PROXY protocol is read on TCP only).
"""

import asyncio
import socket
import time
from collections.abc import Callable

from collector.ground.clock import now_us
from collector.ground.codes import Application, Fate, Transport, Trust
from collector.ground.counters import CELL
from collector.intake.desk import Desk, Party
from collector.intake.sockets import Listener, datagrams_dropped, destination_of, pack_address

BATCH = 256
"""Datagrams read in one turn: a burst is drained fast, and TCP is not kept waiting longer than some milliseconds."""
PENDING_MAX = 1 << 18
"""Records that may wait for a commit; beyond it datagrams stay in the kernel's buffer, whose overflow the kernel counts."""
PAUSE_SECONDS = 0.02
TAKEN_MAX = 1 << 18
"""Datagrams that a clean stop still reads, so that a flood cannot keep it from stopping: many full receive buffers."""

_ANCILLARY = socket.CMSG_SPACE(64)
_ACCEPTED = CELL["accepted_udp"]


class Datagrams:
    """Reads one UDP socket. `after` runs at the end of each turn that read any."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, listener: Listener, desk: Desk, after: Callable[[float], None]
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._desk = desk
        self._after = after
        self._buffers = [bytearray(1)]
        self._dropped = 0
        loop.add_reader(listener.sock.fileno(), self.take)

    @property
    def dropped(self) -> int:
        """Datagrams that the kernel dropped on this socket since it was bound, also once it is closed."""
        if self._listener.sock.fileno() >= 0:
            self._dropped = datagrams_dropped(self._listener.sock)
        return self._dropped

    def take(self) -> None:
        """One turn, unless too many records wait for the disk."""
        if self._desk.committer.open > PENDING_MAX:
            self._loop.remove_reader(self._listener.sock.fileno())
            self._loop.call_later(PAUSE_SECONDS, self._resume)
        else:
            self._read()

    def _read(self) -> int:
        """Read a batch; how many datagrams there were."""
        listener, desk = self._listener, self._desk
        read = listener.sock.recvmsg_into
        buffers = self._buffers
        counts = desk.counts
        began = time.monotonic()
        desk.look_at_clock()
        taken = 0
        while taken < BATCH:
            try:
                size, ancillary, _, peer = read(buffers, _ANCILLARY, socket.MSG_TRUNC | socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                break  # an ICMP error, and we send nothing that it could concern
            taken += 1
            counts[_ACCEPTED] += 1
            desk.page.note_udp(counts[_ACCEPTED])
            src = pack_address(peer[0])
            dst = listener.dst or destination_of(ancillary) or bytes(16)
            if desk.is_probe is not None and desk.is_probe(src):
                desk.refuse(Fate.SUPPRESSED_PROBE, None)
            elif desk.is_proxy is not None and desk.is_proxy(src):
                desk.refuse(Fate.REJECTED_PROXY, None)
            else:
                party = Party(now_us(), src, peer[1], dst, listener.port, Transport.UDP, Trust.DATAGRAM)
                desk.settle(party, None, Application.OPAQUE, 0, size, None)
        buffers[0][0] = 0
        if taken:
            self._after(began)
        return taken

    def stop(self) -> None:
        """Read what is queued, then close; what a flood adds beyond TAKEN_MAX meanwhile goes with the socket."""
        self._loop.remove_reader(self._listener.sock.fileno())
        taken = 0
        while taken < TAKEN_MAX and (now := self._read()):
            taken += now
        self._dropped = self.dropped
        self._listener.sock.close()

    def _resume(self) -> None:
        if self._listener.sock.fileno() >= 0:
            self._loop.add_reader(self._listener.sock.fileno(), self.take)
