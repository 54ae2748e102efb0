"""The whole data plane in this process: the real acceptor, slow path, desk, committer and journal, on real sockets.

Only two things are not the machine's own: what accept returns (one end of a socket pair, and an address), and the
time, which stands still. So two runs may be compared byte for byte.
"""

import asyncio
import socket
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import numpy as np
from collectors import write_operation

from collector.ground.clock import ClockWatch
from collector.ground.codes import Transport
from collector.ground.counters import CELLS, Board
from collector.ground.record import IPV4_PREFIX, RECORD_SIZE
from collector.intake import accept, commit, unfinished
from collector.intake.accept import Acceptor
from collector.intake.commit import Committer
from collector.intake.desk import Desk
from collector.intake.farewell import Farewell
from collector.intake.networks import membership
from collector.intake.settings import IntakeSettings
from collector.intake.sockets import Listener
from collector.intake.unfinished import Unfinished
from collector.journal.format import BLOCK_SIZE
from collector.journal.writer import Journal
from collector.orders.compile import compile_rules
from collector.orders.rules import Rules

PEER = ("203.0.113.5", 40_001)
PROXY_PEER = ("203.0.113.200", 40_002)
OURS = IPV4_PREFIX + bytes([192, 0, 2, 80])
DEFAULT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
TIMED = frozenset(name for name in CELLS if name.startswith(("commit_", "durable_")))
"""Counters that measure how long something took: the only ones that may differ."""


class Left(NamedTuple):
    """All that one check-in left: its record, what each counter rose by, its answer, and the words of the table of unexpected
    ones (empty before) that are not zero, by their place.
    """

    records: bytes
    counted: dict[str, int]
    answer: bytes
    unexpected: dict[int, int]


class DataPlane:
    """One worker without a process of its own."""

    def __init__(self, folder: Path, now_us: int, *, volume: bool, **operation: object) -> None:
        path = write_operation(folder / "operations", volume=volume, **operation)
        self._rules = Rules.load(folder / "rules", compile_rules([path], folder / "rules"))
        self._root = folder / "journal"
        self._loop = asyncio.new_event_loop()
        self._queue: list[tuple[int, tuple[str, int]]] = []
        self._filled: dict[int, int] = {}
        listening = socket.socket()
        self._patches = [
            mock.patch.object(accept.time, "time_ns", return_value=now_us * 1000),
            mock.patch.object(commit, "now_us", return_value=now_us),
            mock.patch.object(unfinished, "LOOK_SECONDS", 60.0),
        ]
        for patch in self._patches:
            patch.start()
        self._listener = Listener(listening, Transport.TCP, socket.AF_UNIX, OURS, 80, self._accept)
        board = Board(1)
        self._page = board.workers[0]
        self.table = board.unexpected[0]
        journal = Journal(self._root, "plane-1", 0, sync=False, seal_us=1 << 60, settle_us=1 << 60)
        farewell = Farewell(self._loop)
        self._farewell = farewell
        self._committer = Committer(
            self._loop, journal, self._page, farewell, self._rules.digest, None, lambda: None
        )
        desk = Desk(
            self._rules,
            DEFAULT,
            ClockWatch(require_sync=False),
            self._committer,
            self._page,
            board.notices[0],
            board.unexpected[0],
            None,
            membership([PROXY_PEER[0] + "/32"]),
        )
        self.desk = desk
        plain = Desk(
            self._rules,
            DEFAULT,
            ClockWatch(require_sync=False),
            self._committer,
            self._page,
            board.notices[0],
            board.unexpected[0],
            None,
            None,
        )
        self._acceptors = []
        for one in (desk, plain):
            waiting = Unfinished(self._loop, one, IntakeSettings(), 1000, self._committer.flush)
            self._acceptors.append(
                (
                    Acceptor(self._loop, self._listener, one, waiting, self._committer.flush),
                    waiting,
                )
            )
        self._loop.remove_reader(listening.fileno())
        self.check_in(
            [b"GET / HTTP/1.1\r\nHost: evil-one.com\r\n\r\n"]
        )  # the journal's file has its header from here on

    def close(self) -> None:
        """Give everything back."""
        for patch in self._patches:
            patch.stop()
        self._farewell.close_all()
        self._listener.sock.close()
        self._loop.close()

    def _accept(self) -> tuple[int, tuple[str, int]]:
        if not self._queue:
            raise BlockingIOError
        return self._queue.pop()

    def check_in(self, pieces: list[bytes], *, proxied: bool = False) -> Left:
        """One connection that sends these pieces, each seen by itself, and then nothing more."""
        ours, theirs = socket.socketpair()
        before = list(self._page.counts)
        self._empty_table()
        size = self._size()
        acceptor, waiting = self._acceptors[0 if proxied else 1]
        with theirs:
            theirs.settimeout(5)
            theirs.sendall(pieces[0])
            self._queue.append((ours.detach(), PROXY_PEER if proxied else PEER))
            acceptor.take()
            for piece in pieces[1:]:
                if not piece:
                    continue
                try:
                    theirs.sendall(piece)
                except OSError:
                    break
                self._turn()
            self._turn()
            waiting.end_all()
            self._committer.flush(0.0)
            self._farewell.close_all()
            answer = b""
            while True:
                try:
                    more = theirs.recv(65536)
                except ConnectionResetError:
                    break
                if not more:
                    break
                answer += more
        counted = {
            name: now - then
            for name, now, then in zip(CELLS, self._page.counts, before, strict=True)
            if now != then and name not in TIMED
        }
        return Left(self._records_since(size), counted, answer, self._table())

    def _table(self) -> dict[int, int]:
        """What stands in the table of unexpected check-ins."""
        words = np.frombuffer(self.table._memory, "<u8")
        self._filled = {int(place): int(words[place]) for place in np.flatnonzero(words)}
        return self._filled

    def _empty_table(self) -> None:
        """As it is when it is made."""
        for place in self._filled:
            self.table._words[place] = 0

    def _turn(self) -> None:
        """Let the loop see what is readable now."""
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()

    def _file(self) -> Path | None:
        return next(iter(self._root.glob("*/*.journal")), None)

    def _size(self) -> int:
        path = self._file()
        return path.stat().st_size if path else 0

    def _records_since(self, size: int) -> bytes:
        path = self._file()
        if path is None:
            return b""
        with path.open("rb") as file:
            file.seek(size or 384)
            block = file.read()
        assert not block or len(block) == BLOCK_SIZE + RECORD_SIZE
        return block[BLOCK_SIZE:]
