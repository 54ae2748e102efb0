"""The partners' interface on a real socket, over a data directory with publications; in this process, with a loop of
its own.
"""

import asyncio
import contextlib
import http.client
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))

from publication_world import Exports

from collector.audit.log import read_entries
from collector.exports import tokens
from collector.ground.clock import now_us
from collector.ground.counters import Board
from collector.manage.pull import PullApi
from collector.manage.pull_access import LOOK_SECONDS, Access
from collector.manage.pull_counts import PullCounts
from collector.manage.pull_gate import LIMITS
from collector.manage.pull_pages import pages
from collector.manage.pull_record import PullRecord
from collector.manage.pull_server import PullServer

DAY_US = 86_400_000_000
UNLIMITED = LIMITS._replace(source_burst=10**9, all_burst=10**9, account_burst=10**9)


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Interface:
    """One interface; `listening` starts it."""

    def __init__(self, world: Exports, partners=("cert-a", "cert-b"), limits=UNLIMITED):
        self.world = world
        self.counts = PullCounts(Board(1).pull_requests)
        self.access = Access(world.data, partners)
        self.limits = limits
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: self.loop.run_until_complete(self._live()), daemon=True
        )

    def give(self, partner, account="main", days=365, ago_days=0.0):
        """A token that was made some days ago; its secret."""
        with self._changing(ago_days) as changes:
            return changes.add(partner, account, days)[0]

    def rotate(self, partner, account="main", overlap=7, ago_days=0.0):
        with self._changing(ago_days) as changes:
            return changes.rotate(partner, account, 365, overlap)[0]

    def revoke(self, partner, account="main"):
        with self._changing(0) as changes:
            assert changes.revoke(partner, account)

    def _changing(self, ago_days):
        moment = now_us() - int(ago_days * DAY_US)
        return tokens.changing(self.world.data, self.world.log, "p-1", moment)

    def settle(self):
        """Until the interface must have looked at changed tokens."""
        time.sleep(LOOK_SECONDS + 0.05)

    def ask(self, path, token="", method="GET", headers=(), port=0) -> Said:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=20)
        with contextlib.closing(connection):
            return ask_on(connection, path, token, method, headers)

    def entries(self, event="pulled"):
        return [entry.facts for entry in read_entries(self.world.data / "audit") if entry.event == event]

    async def _live(self):
        self.record = PullRecord(self.world.data / "audit")
        documents = pages(self.world.data, self.world.key_file)
        self.api = PullApi(self.world.data, documents, self.access, self.record, self.counts, self.limits)
        self.server = PullServer(self.api)
        self.port = await self.server.listen("127.0.0.1", 0, None)
        self._ready.set()
        while not self._stopping.is_set():
            self.server.mind()
            await self.api.keep_count()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 0.2)
        await self.server.stop()
        await self.api.close()
        await self.record.close()

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.loop.close()


def ask_on(connection, path, token="", method="GET", headers=()) -> Said:
    """One request on a connection that may be used again."""
    connection.putrequest(method, path, skip_accept_encoding=True)
    if token:
        connection.putheader("Authorization", f"Bearer {token}")
    for name, value in dict(headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return Said(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


def raw(port, request: bytes, source="127.0.0.1", timeout=10.0) -> bytes:
    """All that comes back for these bytes."""
    said = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout, (source, 0)) as sock,
        contextlib.suppress(OSError),
    ):
        sock.sendall(request)
        while more := sock.recv(1 << 20):
            said += more
    return said


@contextlib.contextmanager
def listening(folder: Path, publications=(("cert-a", 2), ("cert-b", 2)), **options) -> Iterator[Interface]:
    """An interface over so many publications for each partner, of different sizes."""
    world = Exports(folder)
    for partner, count in publications:
        for day in range(count):
            rows = 3 + 2 * day + len(partner) + ord(partner[-1]) % 7
            world.publish(day=day, rows=rows, partner=partner, order="avalanche-1", now_us=now_us())
    with Interface(world, **options) as made:
        yield made


def until(condition, seconds=10.0):
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
