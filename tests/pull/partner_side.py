"""The real partners' interface over real publications, and `pentrap pull` as a partner starts it."""

import asyncio
import contextlib
import io
import json
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from publication_world import NOW_US, PARTNER, Exports

from collector.cli import main
from collector.exports import sshsig, tokens
from collector.ground.clock import now_us
from collector.ground.counters import Board
from collector.manage.pull import PullApi
from collector.manage.pull_access import Access
from collector.manage.pull_counts import PullCounts
from collector.manage.pull_pages import pages
from collector.manage.pull_record import PullRecord
from collector.manage.pull_server import PullServer

TODAY_US = now_us()
"""Publications of these tests are made today, so that no copy's time is over."""


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Served:
    """Publications, the interface that gives them out, and what a partner was handed at the beginning."""

    def __init__(self, folder: Path, make=Exports):
        self.exports = make(folder)
        self.folder = folder
        self.loop = Loop()
        self.tls = None
        data = self.exports.data
        with tokens.changing(data, self.exports.log, "p-1", NOW_US) as changes:
            secret, _ = changes.add(PARTNER, "main", 3650)
        self.token = folder / "token"
        self.token.write_text(secret + "\n")
        self.token.chmod(0o600)
        self.key = folder / "pentrap.pub"
        self.key.write_text(sshsig.public_line(self.exports.public, "pentrap") + "\n")
        self.port = 0

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def publish(self, *days: int, **changes: Any) -> None:
        for day in days or (0,):
            self.exports.publish(day, now_us=TODAY_US, **changes)

    def start(self, port: int = 0) -> None:
        data = self.exports.data
        self._record = PullRecord(data / "audit")
        self._api = PullApi(
            data,
            pages(data, self.exports.key_file),
            Access(data, (PARTNER,)),
            self._record,
            PullCounts(Board(1).pull_requests),
        )
        self.server = self.loop.call(self._make())
        self.port = self.loop.call(self.server.listen("127.0.0.1", port, self.tls))

    def stop(self) -> None:
        self.loop.call(self.server.stop())
        self.loop.call(self._api.close())
        self.loop.call(self._record.close())

    async def _make(self) -> PullServer:
        return PullServer(self._api)

    def pull(
        self, to: Path, *words: str, url: str = "", key: Path | None = None, no_key: bool = False
    ) -> "Said":
        """`pentrap pull`, with the token and the key that were handed over."""
        given = [] if no_key or "--trust-first-use" in words else ["--key", str(key or self.key)]
        at = ["--token-file", str(self.token), "--to", str(to)]
        return run("pull", url or self.url, *at, *given, *words)


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    def of(self, what: str) -> list[dict[str, Any]]:
        return [one for one in self.said if one["what"] == what]


def run(*words: str) -> Said:
    """`pentrap` with these words, in this process: a new one needs a second to import everything."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(list(words))
        except SystemExit as ended:
            code = ended.code
    return Said(code, out.getvalue(), err.getvalue())


def verify(*words: str) -> Said:
    return run("verify", *words)


@contextlib.contextmanager
def serving(folder: Path):
    """One that serves until the end of the block."""
    made = Served(folder)
    made.start()
    try:
        yield made
    finally:
        with contextlib.suppress(Exception):
            made.stop()
        made.loop.stop()


def wait_for(what, seconds: float = 10.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
