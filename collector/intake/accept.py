"""The fast path: the whole head in the first segment, which is what almost every infected machine sends.

TCP_DEFER_ACCEPT hands a connection over when its first bytes are there, so accept, recv and the verdict follow one another
without an event, a transport or an object that outlives the turn. Up to BATCH connections are taken, their records
committed as one block, then all are answered. Whatever needs more (no data yet, an unfinished head, a listed proxy)
goes to the slow path.

Running out of descriptors: with a level-triggered listener, accept would fail and fire again without end. A spare descriptor
is given up to accept one connection and shed it, and accepting pauses.
"""

import asyncio
import contextlib
import errno
import os
import resource
import socket
import time
from collections.abc import Callable

from collector.ground.codes import Application, Fate, Flaw, Transport, Trust
from collector.ground.counters import APPLICATION_0, CELL
from collector.ground.record import RECORD, RECORD_SIZE, VOLUME_NONE
from collector.intake.desk import Desk, Party
from collector.intake.sockets import Listener, RawSocket, pack_address
from collector.intake.unfinished import Unfinished
from collector.journal.format import BLOCK_SIZE
from collector.wire.classify import HEAD_MAX, classify
from collector.wire.http import plain_host

BATCH = 64
"""Connections taken in one turn: enough to share a write, few enough that the first waits less than 2 ms for the last."""
PAUSE_SECONDS = 0.1
"""Pause after running out of descriptors; connections meanwhile wait in the kernel's queue."""
FILES_KEPT = 32
"""Descriptors that connections must leave: a journal that cannot be opened would cost every machine its record."""
TAKEN_MAX = 1 << 20
"""Connections that a clean stop still takes from the queue, so that a flood cannot keep it from stopping."""

# Plain numbers: an enum's attribute costs a dictionary look-up at each use.
_STREAM = int(socket.SOCK_STREAM)
_DONTWAIT = int(socket.MSG_DONTWAIT)
_TCP = int(Transport.TCP)
_HTTP = int(Application.HTTP)
_HANDSHAKE = int(Trust.HANDSHAKE)
_ACCEPTED = CELL["accepted_tcp"]
_IS_HTTP = APPLICATION_0 + _HTTP
_OUT_OF_DESCRIPTORS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_pack_into = RECORD.pack_into


class Acceptor:
    """Takes connections from one listening socket. `after` runs at the end of each turn that took any."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listener: Listener,
        desk: Desk,
        unfinished: Unfinished,
        after: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._desk = desk
        self._unfinished = unfinished
        self._after = after
        self._scratch = bytearray(
            HEAD_MAX
        )  # every first read goes here: no 8 KiB to allocate for a head of 200 bytes
        self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._descriptor_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_KEPT
        loop.add_reader(listener.sock.fileno(), self.take)

    def take(self) -> int:
        """One turn; how many connections were taken."""
        # What the loop below touches again and again is a local: attribute look-ups cost a tenth of a check-in's Python.
        listener, desk, unfinished = self._listener, self._desk, self._unfinished
        accept, family, known_dst, dst_port = listener.accept, listener.family, listener.dst, listener.port
        committer, counts, decide, answers = desk.committer, desk.counts, desk.decide, desk.answers
        special = desk.is_probe is not None or desk.is_proxy is not None
        notices, served = desk.notices, desk.served
        clock_ns, hold, scratch = time.time_ns, committer.held.append, self._scratch
        note = desk.page.note_tcp
        began = time.monotonic()
        desk.look_at_clock()
        plain = not desk.doubt
        descriptor_max = self._descriptor_max
        taken = 0
        while taken < BATCH:
            try:
                descriptor, peer = accept()
            except BlockingIOError:
                break
            except OSError as error:
                # Anything else was aborted before we took it (accept(2)): never ours; the listener fires again for the next.
                if error.errno in _OUT_OF_DESCRIPTORS:
                    taken += self._shed_one()
                break
            now = clock_ns() // 1000
            taken += 1
            counts[_ACCEPTED] = accepted = counts[_ACCEPTED] + 1
            note(accepted)  # at once: whatever kills us from here on, this check-in is counted
            sock = RawSocket(family, _STREAM, _TCP, descriptor)
            if (
                descriptor > descriptor_max
            ):  # the kernel gives the lowest that is free, so hardly any are left
                desk.refuse(Fate.DROPPED_OVERLOAD, sock)
                self._pause()
                break
            src = pack_address(peer[0])
            dst = pack_address(sock.getsockname()[0]) if known_dst is None else known_dst
            if special and unfinished.takes_special(sock, now, src, peer[1], dst, dst_port):
                continue
            try:
                received = sock.recv_into(scratch, HEAD_MAX, _DONTWAIT)
            except BlockingIOError:
                unfinished.wait(sock, Party(now, src, peer[1], dst, dst_port, _TCP, _HANDSHAKE), b"")
                continue
            except OSError:
                received = 0
            name = plain_host(scratch, received)
            if name is None:
                party = Party(now, src, peer[1], dst, dst_port, _TCP, _HANDSHAKE)
                self._take_other(sock, party, bytes(scratch[:received]))
                continue
            fate, operation, order, kind, subject, volume = decide(name, _TCP, dst, dst_port, now)
            batch = committer.batch
            count = batch.count
            if fate or not plain or count == batch.room or not committer.day_start <= now < committer.day_end:
                party = Party(now, src, peer[1], dst, dst_port, _TCP, _HANDSHAKE)
                desk.settle(party, name, _HTTP, Flaw.NONE, received, sock)
                continue
            # What follows is `Desk.settle` for a recorded HTTP check-in, unrolled: it saves 1.5 us of 10.
            counts[_IS_HTTP] += 1
            _pack_into(
                batch.buffer,
                BLOCK_SIZE + count * RECORD_SIZE,
                now,
                src,
                dst,
                subject,
                received if volume else VOLUME_NONE,
                order,
                peer[1],
                dst_port,
                _TCP,
                _HTTP,
                _HANDSHAKE,
                kind,
            )
            batch.count = count + 1
            if notices and operation in notices:
                served[notices[operation]] += 1
            hold((sock, answers[operation]))
        if taken:
            self._after(began)
        return taken

    def _take_other(self, sock: RawSocket, party: Party, content: bytes) -> None:
        """Whatever is no plain HTTP head: TLS, opaque, odd heads, unfinished ones, an end before the first byte."""
        verdict = classify(content, False) if content else None
        if verdict is not None:
            self._desk.settle(party, verdict.name, verdict.application, verdict.flaw, len(content), sock)
        elif content:
            self._unfinished.wait(sock, party, content)
        else:
            self._desk.settle(party, None, Application.OPAQUE, Flaw.NONE, 0, sock)

    def stop(self) -> None:
        """Take what the kernel still has queued, then close: closing a listener resets whatever waits in it."""
        self._loop.remove_reader(self._listener.sock.fileno())
        taken = 0
        while taken < TAKEN_MAX and (now := self.take()):
            taken += now
        self._listener.sock.close()
        if self._spare >= 0:
            os.close(self._spare)

    def _shed_one(self) -> int:
        """Out of descriptors: give one connection the spare, count it as shed, and pause."""
        shed = 0
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1  # its number may be another's by the next time
            with contextlib.suppress(OSError):
                connection, _ = self._listener.sock.accept()
                self._desk.counts[_ACCEPTED] += 1
                self._desk.refuse(Fate.DROPPED_OVERLOAD, connection)
                shed = 1
        self._pause()
        return shed

    def _pause(self) -> None:
        """Leave what waits to the kernel's queue for a while."""
        self._loop.remove_reader(self._listener.sock.fileno())
        self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        if self._listener.sock.fileno() >= 0:
            if self._spare < 0:
                with contextlib.suppress(OSError):
                    self._spare = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
            self._loop.add_reader(self._listener.sock.fileno(), self.take)
