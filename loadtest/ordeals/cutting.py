"""Downloads through a line that is cut, again and again: whatever arrives must be what was published.

A proxy on loopback passes bytes on to the partners' interface and cuts each connection after a random number of bytes, in the
middle of heads, of bodies and between requests, by FIN or by RST. The client is `pentrap pull`'s own, with short pauses; some
downloads are given up in the middle as well, and a new client goes on in the same folder, as after a kill.
"""

import asyncio
import contextlib
import hashlib
import random
import shutil
import socket
import struct
from pathlib import Path
from typing import Any, NamedTuple

from collector.pull.access import Access
from collector.pull.errors import PullError
from collector.pull.holdings import holdings
from collector.pull.patience import Patience
from collector.pull.pulling import Puller, Ways
from collector.pull.remote import Remote
from collector.pull.trust import Trust

CHUNK = 16 * 1024
QUICK = Patience(attempts=60, first_seconds=0.001, longest_seconds=0.005)
_RESET = struct.pack("ii", 1, 0)
GIVEN_UP_MAX = 20


class Line:
    """The proxy. `average` is how many bytes a connection passes before it is cut, drawn anew for each."""

    def __init__(self, target: tuple[str, int], seed: str, average: float) -> None:
        self._target, self._random, self._average = target, random.Random(seed), average
        self.connections = self.cuts = self.bytes = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> int:
        """The port."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def close(self) -> None:
        """No more connections."""
        assert self._server is not None
        self._server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = [int(self._random.expovariate(1 / self._average))]
        resets = self._random.random() < 0.5
        try:
            inner_reader, inner_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        ways = (self._copy(reader, inner_writer, left), self._copy(inner_reader, writer, left))
        tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if left[0] <= 0:
            self.cuts += 1
            if resets:
                sock: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
        inner_writer.transport.abort()
        writer.close()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: list[int]
    ) -> None:
        while left[0] > 0:
            chunk = (await reader.read(CHUNK))[: left[0]]
            if not chunk:
                return
            left[0] -= len(chunk)
            self.bytes += len(chunk)
            writer.write(chunk)
            await writer.drain()


class Download(NamedTuple):
    """One pull of everything into a new folder."""

    right: bool
    cuts: int
    resumed: int
    given_up: int
    bytes: int
    """Over the line, heads and requests included."""


async def download(
    target: tuple[str, int],
    token: str,
    key: bytes,
    to: Path,
    wanted: dict[str, str],
    seed: str,
    average: float,
) -> Download:
    """Pull through a line that is cut until everything stands; `wanted` has the hash of each file by name below the folder."""
    chance = random.Random(seed + " client")
    line = Line(target, seed, average)
    port = await line.open()
    given_up = resumed = 0
    while True:
        patient = given_up < GIVEN_UP_MAX and chance.random() < 0.2
        limit = chance.uniform(0.0, 0.05) if patient else None
        remote = Remote(Access(f"http://127.0.0.1:{port}", token, None), QUICK)
        try:
            await asyncio.wait_for(_pull(remote, to, key), limit)
            break
        except TimeoutError:
            given_up += 1
        finally:
            resumed += remote.resumed
    await line.close()
    found = await asyncio.to_thread(hashes, to)
    return Download(found == wanted, line.cuts, resumed, given_up, line.bytes)


def hashes(tree: Path) -> dict[str, str]:
    """Of every file in a tree but its lock, by name below it."""
    files = [path for path in tree.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


async def _pull(remote: Remote, to: Path, key: bytes) -> None:
    ways = Ways(lambda _: None, lambda *_: None, lambda _: None, pin=False)
    with holdings(to) as held:
        async with remote:
            await Puller(remote, held, Trust((key,)), ways).run()


def many(
    target: tuple[str, int],
    token: str,
    key: bytes,
    tree: Path,
    work: Path,
    *,
    count: int,
    seed: str,
    at_once: int = 4,
) -> dict[str, Any]:
    """`count` downloads of the tree, each into a folder of its own; what came of them."""
    wanted = hashes(tree)
    size = sum((tree / name).stat().st_size for name in wanted)
    averages = (size / 20, size / 5, size)
    """From many cuts a download to one now and then."""

    async def one(number: int, room: asyncio.Semaphore) -> Download | str:
        to = work / f"to-{number}"
        async with room:
            try:
                average = averages[number % len(averages)]
                return await download(target, token, key, to, wanted, f"{seed} {number}", average)
            except PullError as error:
                return f"download {number}: {error}"
            finally:
                shutil.rmtree(to, ignore_errors=True)

    async def everything() -> list[Download | str]:
        room = asyncio.Semaphore(at_once)
        return await asyncio.gather(*(one(number, room) for number in range(count)))

    found = asyncio.run(everything())
    done = [made for made in found if isinstance(made, Download)]
    wrong = [made for made in found if isinstance(made, str)]
    wrong += [
        f"download {number}: other bytes"
        for number, made in enumerate(found)
        if isinstance(made, Download) and not made.right
    ]
    total = sum(made.bytes for made in done)
    return {
        "downloads": count,
        "right": sum(made.right for made in done),
        "wrong": wrong[:20],
        "files": len(wanted),
        "bytes_of_one": size,
        "cuts": sum(made.cuts for made in done),
        "downloads_cut": sum(made.cuts > 0 for made in done),
        "most_cuts_of_one": max((made.cuts for made in done), default=0),
        "resumed": sum(made.resumed for made in done),
        "clients_given_up": sum(made.given_up for made in done),
        "bytes_over_the_line_per_byte": round(total / (size * max(len(done), 1)), 3),
        "holds": not wrong and len(done) == count,
    }
