"""The partners' interface: what is asked, by whom, and what is answered (contract: "Partner API").

    GET, HEAD  /v1/publications?after=SEQUENCE       what stands for the partner, beyond a number
    GET, HEAD  /v1/publications/{sequence}/{file}    one file of it
    GET, HEAD  /v1/schema/{dataset}.json             the columns, explained
    GET, HEAD  /v1/key                               the keys that sign
    GET, HEAD  /v1/openapi.json                      this, for machines

In this order: the credentials, whatever was asked for (401, or 429 once too many failed); the account's rate (429); the path
as it was sent, byte by byte, against the five above (404: no decoding, no dot segments, no second spelling of anything); the
method (405); what stands (the same 404 for what is absent and what is someone else's); the entry in the audit log; the answer.
Errors are application/problem+json (RFC 9457). Nothing of a request comes back in an answer (law.md L-15). Of an account's
requests beyond its rate one a minute has an entry; the others are counted in the next one, and get a status and no body,
as does what could not be entered (503).
"""

import asyncio
import base64
import json
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from collector.exports.tokens import TOKEN, Token, digest
from collector.ground import logs
from collector.ground.clock import now_us
from collector.ground.errors import CorruptError
from collector.manage.pull_access import Access
from collector.manage.pull_counts import PullCounts
from collector.manage.pull_gate import LIMITS, Account, Limits, Strangers
from collector.manage.pull_range import wanted
from collector.manage.pull_record import NotEnteredError, PullRecord
from collector.manage.pull_shelf import ROOT, Held, Shelf, open_held

CHUNK = 256 * 1024
STALL_SECONDS = 60.0
"""For one chunk to be taken, so at least 4 kB a second; slower readers are cut off, and resume with Range."""
FILE_THREADS = 4
_BEARER = re.compile(rf"bearer +({TOKEN.pattern})", re.ASCII | re.IGNORECASE)
_LIST = re.compile(rf"{ROOT}(?:\?(?:after=(0|[1-9][0-9]{{0,5}}))?)?", re.ASCII)
_FILE = re.compile(rf"{ROOT}/([1-9][0-9]{{0,5}})/([A-Za-z0-9][A-Za-z0-9._-]{{0,199}})", re.ASCII)
_PAGE = re.compile(r"/v1/(key|openapi\.json|schema/[a-z0-9_]{1,32}\.json)", re.ASCII)
_ORIGIN = re.compile(r"https?://[^/?#]*(?=/)", re.ASCII | re.IGNORECASE)
"""Of a request in absolute form, which a server has to take (RFC 9112, 3.2.2)."""
Page = Callable[[], bytes]


class Answer(NamedTuple):
    """What is about to be said; `body` is bytes, or a file's descriptor to be sent from `offset`."""

    status: int
    headers: dict[str, str]
    body: bytes | int
    size: int
    """Of the body; of a HEAD's, what a GET would have had."""
    sequence: int = 0
    file: str = ""
    offset: int = 0
    held: Held | None = None


class PullApi:
    """One interface. `pages` are the documents by their path below /v1/; each may be asked again at any time."""

    def __init__(
        self,
        data_dir: Path,
        pages: dict[str, Page],
        access: Access,
        record: PullRecord,
        counts: PullCounts,
        limits: Limits = LIMITS,
    ) -> None:
        now = time.monotonic()
        self._shelf = Shelf(data_dir)
        self._pages = pages
        self._access = access
        self._record = record
        self._counts = counts
        self._limits = limits
        self._strangers = Strangers(limits, now)
        self._refused_since_us = now_us()
        self._accounts: dict[tuple[str, str], Account] = {}
        self._under_way: dict[str, int] = {}
        self._looking = ThreadPoolExecutor(1, "pull-shelf")
        self._reading = ThreadPoolExecutor(FILE_THREADS, "pull-file")
        self._log = logs.get("clerk")

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Everything that comes in; the answer has been sent when this returns."""
        token = self._credentials(request)
        if token is None:
            return await self._refuse(request)
        try:
            return await self._answer(request, token)
        except NotEnteredError as error:
            self._log.error("pull_not_entered", place=logs.place(error))
            return await self._say(request, token.partner, _silent(problem(503)))

    async def keep_count(self, *, stopping: bool = False) -> None:
        """Tell the log of failures where it is due; to be called now and then."""
        count = self._strangers.due(time.monotonic(), stopping=stopping)
        if not count:
            return
        since_us, self._refused_since_us = self._refused_since_us, now_us()
        try:
            await self._record.refused(count, since_us)
        except NotEnteredError:
            self._strangers.again(count)
            self._refused_since_us = since_us

    async def close(self) -> None:
        """When no answer is under way any more."""
        await self.keep_count(stopping=True)
        for threads in (self._looking, self._reading):
            await asyncio.to_thread(threads.shutdown)

    def failed(self, status: int, error: BaseException | None) -> web.StreamResponse:
        """For what was no HTTP request at all (400), or a mistake of ours."""
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._log.error("request_failed", place=logs.place(error))
        self._counts.answered("", status)
        answer = problem(status)
        made = web.Response(status=status, headers=answer.headers, body=answer.body)
        made.force_close()
        return made

    def _credentials(self, request: web.BaseRequest) -> Token | None:
        shown = request.headers.getall("Authorization", [])
        match = _BEARER.fullmatch(shown[0]) if len(shown) == 1 else None
        return self._access.find(digest(match[1])) if match else None

    async def _refuse(self, request: web.BaseRequest) -> web.StreamResponse:
        wait = self._strangers.refuse(request.remote or "", time.monotonic())
        if wait:
            return await self._say(request, "", problem(429, **{"Retry-After": str(wait)}))
        return await self._say(
            request, "", problem(401, **{"WWW-Authenticate": 'Bearer realm="publications"'})
        )

    async def _answer(self, request: web.BaseRequest, token: Token) -> web.StreamResponse:
        partner, now = token.partner, time.monotonic()
        account = self._accounts.setdefault((partner, token.account), Account(self._limits, now))
        wait = account.admit(now)
        if not wait and self._under_way.get(partner, 0) >= self._limits.under_way:
            wait = 1
        if wait:
            answer = problem(429, "too many requests at once", **{"Retry-After": str(wait)})
            if account.is_told(now):
                return await self._say(request, partner, _silent(answer))
            await self._enter(request, token, answer, account)
            return await self._say(request, partner, answer)
        self._under_way[partner] = self._under_way.get(partner, 0) + 1
        answer = problem(503)
        try:
            answer = await self._find(request, partner)
            await self._enter(request, token, answer, account)
            if answer.held is not None and answer.status in (200, 206) and request.method == "GET":
                self._counts.pulled(partner, time.time())
            return await self._say(request, partner, answer)
        finally:
            if isinstance(answer.body, int):
                os.close(answer.body)
            self._under_way[partner] -= 1

    async def _enter(self, request: web.BaseRequest, token: Token, answer: Answer, account: Account) -> None:
        facts: dict[str, Any] = {
            "partner": token.partner,
            "account": token.account,
            "sequence": answer.sequence,
            "file": answer.file,
            "bytes": 0 if request.method == "HEAD" else answer.size,
            "status": answer.status,
        }
        if answer.offset:
            facts["offset"] = answer.offset
        if answer.held is not None:
            facts |= {"operation": answer.held.operation, "order": answer.held.order}
        refused = account.take_refused()
        if refused:
            facts["refused"] = refused
        await self._record.pulled(facts)

    async def _find(self, request: web.BaseRequest, partner: str) -> Answer:
        """What is to be answered to an account of this partner's."""
        path = _ORIGIN.sub("", request.raw_path, count=1)
        listed, file, page = (pattern.fullmatch(path) for pattern in (_LIST, _FILE, _PAGE))
        if listed is None and file is None and (page is None or page[1] not in self._pages):
            return problem(404)
        if request.method not in ("GET", "HEAD"):
            return problem(405, Allow="GET, HEAD")
        try:
            if listed is not None:
                return await self._listed(partner, int(listed[1] or 0))
            if file is not None:
                return await self._file(request, partner, int(file[1]), file[2])
            assert page is not None
            content = await self._in_line(self._pages[page[1]])
            return _document(content, file=page[1])
        except (CorruptError, OSError) as error:
            self._log.error("pull_cannot_read", place=logs.place(error), partner=partner)
            return problem(503, "what stands cannot be read; the collector's operator is told")

    async def _listed(self, partner: str, after: int) -> Answer:
        documents, more = await self._in_line(self._shelf.list, partner, after)
        content = (json.dumps(documents, indent=1) + "\n").encode()
        last = documents[-1]["sequence"] if documents else 0
        answer = _document(content, file="publications", sequence=last)
        if more:
            answer.headers["Link"] = f'<{ROOT}?after={last}>; rel="next"'
        return answer

    async def _file(self, request: web.BaseRequest, partner: str, sequence: int, name: str) -> Answer:
        held: Held | None = await self._in_line(self._shelf.find, partner, sequence, name)
        descriptor = await self._in_line(open_held, held) if held else None
        if held is None or descriptor is None:
            return problem(404)
        ranges = request.headers.getall("Range", []) if request.method == "GET" else []
        want = wanted(
            held.bytes,
            held.tag,
            ranges,
            request.headers.get("If-Range", ""),
            _joined(request, "If-Match"),
            _joined(request, "If-None-Match"),
        )
        answer = Answer(want.status, _file_headers(held), b"", want.size, sequence, name, want.offset, held)
        if want.status == HTTPStatus.PARTIAL_CONTENT:
            last = want.offset + want.size - 1
            answer.headers["Content-Range"] = f"bytes {want.offset}-{last}/{held.bytes}"
        if want.status in (200, 206) and request.method == "GET":
            return answer._replace(body=descriptor)
        os.close(descriptor)
        if want.status == HTTPStatus.NOT_MODIFIED:
            del answer.headers["Content-Type"]
        if want.status < HTTPStatus.BAD_REQUEST:
            return answer
        more = {"Content-Range": f"bytes */{held.bytes}"} if want.status == 416 else {}
        return problem(want.status, **more)._replace(sequence=sequence, file=name, held=held)

    async def _in_line(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._looking, call, *arguments)

    async def _say(self, request: web.BaseRequest, partner: str, answer: Answer) -> web.StreamResponse:
        """Send it. A reader that takes nothing for STALL_SECONDS is cut off."""
        self._counts.answered(partner, answer.status)
        made = web.StreamResponse(status=answer.status, headers=answer.headers)
        if request.can_read_body:
            made.force_close()  # nobody reads it
        if answer.status != HTTPStatus.NOT_MODIFIED:
            made.content_length = answer.size
        try:
            await asyncio.wait_for(made.prepare(request), STALL_SECONDS)
            if isinstance(answer.body, bytes) and request.method != "HEAD" and answer.body:
                await asyncio.wait_for(made.write(answer.body), STALL_SECONDS)
            elif isinstance(answer.body, int):
                await self._send(made, answer.body, answer.offset, answer.size)
            await asyncio.wait_for(made.write_eof(), STALL_SECONDS)
            # aiohttp waits for the reader within large bodies only: answers to requests sent in a row would pile up.
            await asyncio.wait_for(request.writer.drain(), STALL_SECONDS)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionError("a reader that stood still") from None
        return made

    async def _send(self, made: web.StreamResponse, descriptor: int, offset: int, size: int) -> None:
        loop = asyncio.get_running_loop()
        end = offset + size
        while offset < end:
            chunk = await loop.run_in_executor(
                self._reading, os.pread, descriptor, min(CHUNK, end - offset), offset
            )
            if not chunk:
                raise ConnectionError("a file that became shorter")
            await asyncio.wait_for(made.write(chunk), STALL_SECONDS)
            offset += len(chunk)


def problem(status: int, detail: str = "", **headers: str) -> Answer:
    """An error (RFC 9457). `detail` is ours."""
    told: dict[str, Any] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        told["detail"] = detail
    body = (json.dumps(told) + "\n").encode()
    return Answer(status, _common("application/problem+json") | headers, body, len(body))


def _silent(answer: Answer) -> Answer:
    """The same without a body: what has no entry in the log of its own is not given a byte of one."""
    return answer._replace(body=b"", size=0)


def _document(content: bytes, **named: Any) -> Answer:
    """A page made for the moment: whole, without a tag."""
    return Answer(200, _common("application/json"), content, len(content), **named)


def _common(content_type: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Server": "pentrap",
    }


def _file_headers(held: Held) -> dict[str, str]:
    encoded = base64.b64encode(bytes.fromhex(held.sha256)).decode()
    return _common(held.content_type) | {
        "Cache-Control": "private, no-transform",
        "Accept-Ranges": "bytes",
        "ETag": held.tag,
        "Repr-Digest": f"sha-256=:{encoded}:",
    }


def _joined(request: web.BaseRequest, name: str) -> str | None:
    """A list field; several lines of it are one (RFC 9110, 5.3)."""
    lines = request.headers.getall(name, [])
    return ",".join(lines) if lines else None
