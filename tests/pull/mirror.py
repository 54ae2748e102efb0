"""A server that gives out a partner's tree of publications as the real interface does, and lies where it is told to."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from partner_side import Loop

from collector.pull import access, trust
from collector.pull.holdings import holdings
from collector.pull.patience import Patience
from collector.pull.pulling import Puller, Ways
from collector.pull.remote import Remote

TOKEN = "ptr_" + "x" * 43
QUICK = Patience(attempts=4, first_seconds=0.001, longest_seconds=0.01)
Lie = Callable[[web.Request, bytes | None], Any]


class Mirror:
    """Serves `tree`; `lies` by path take the place of the truth, and may be asked for it."""

    def __init__(self, tree: Path):
        self.tree = tree
        self.lies: dict[str, Lie] = {}
        self.asked: list[tuple[str, str | None]] = []
        """Paths, and the ranges asked for."""
        self.key: dict[str, Any] = {"keys": []}
        self.loop = Loop()
        self.port = self.loop.call(self._start())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.loop.call(self._runner.cleanup())
        self.loop.stop()

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, request.headers.get("Range")))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        truth = self.truth(request)
        if lie := self.lies.get(request.path):
            made = lie(request, truth)
            if asyncio.iscoroutine(made):
                made = await made
            if isinstance(made, web.StreamResponse):
                return made
            truth = made
        if truth is None:
            return web.Response(status=404)
        return given(request, truth)

    def truth(self, request: web.Request) -> Any:
        if request.path == "/v1/publications":
            return [one for one in self.listed() if one["sequence"] > int(request.query.get("after", 0))]
        if request.path == "/v1/key":
            return self.key
        match = re.fullmatch(r"/v1/publications/([0-9]+)/([^/]+)", request.path)
        path = self.tree / f"{int(match[1]):06d}" / match[2] if match else None
        return path.read_bytes() if path and path.is_file() else None

    def listed(self) -> list[dict[str, Any]]:
        return [
            {
                "sequence": int(folder.name),
                "manifest_sha256": hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest(),
            }
            for folder in sorted(self.tree.glob("[0-9]*"))
        ]


def given(request: web.Request, body: Any, tag: str = "") -> web.StreamResponse:
    """As the real interface answers: JSON, or bytes with tag and range."""
    if not isinstance(body, bytes):
        return web.json_response(body)
    headers = {"ETag": tag or f'"{hashlib.sha256(body).hexdigest()}"', "Accept-Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=([0-9]+)-", request.headers.get("Range", ""))
    if wanted and request.headers.get("If-Range", headers["ETag"]) == headers["ETag"]:
        start = int(wanted[1])
        if start >= len(body):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
        headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        return web.Response(status=206, body=body[start:], headers=headers)
    return web.Response(body=body, headers=headers)


class Run:
    """A pull in this process: what it said, and how it ended."""

    def __init__(
        self, url: str, to: Path, keys: tuple[bytes, ...], *, pin: bool = False, patience: Patience = QUICK
    ):
        self.said: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.resumed = 0
        try:
            asyncio.run(self._pull(url, to, keys, pin, patience))
        except Exception as error:
            self.error = error

    async def _pull(self, url, to, keys, pin, patience):
        ways = Ways(self.said.append, lambda *_: None, lambda _: None, pin)
        with holdings(to) as held:
            async with Remote(access.Access(url, TOKEN, None), patience) as remote:
                try:
                    await Puller(remote, held, trust.Trust(keys), ways).run()
                finally:
                    self.resumed = remote.resumed

    @property
    def words(self) -> str:
        return str(self.error)


def standing(to: Path) -> list[str]:
    """What has a final name."""
    return sorted(path.name for path in to.iterdir() if path.name[0] != ".")
