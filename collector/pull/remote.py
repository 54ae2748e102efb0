"""What is asked of the collector, one request after the other; what was cut is resumed.

    small       a list, a manifest, a signature: whole in memory, never more than a limit
    download    a file, into `.<name>.part`: begins where the part ends (Range), as long as it is the same file (If-Range
                with the strong tag, which is its SHA-256; RFC 9110, 13.1.5 and 14.2), and never writes more than the
                manifest says it has

Cut connections, time-outs, 5xx and 429 are tried again; a refusal of the token, a redirect and a certificate that does
not verify are not. Nothing that a server says is printed.
"""

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

import collector
from collector.ground.files import FILE_MODE
from collector.pull.access import Access, problem
from collector.pull.errors import PullError, UnreachableError
from collector.pull.patience import ASKED_MAX_SECONDS, Patience, asked_seconds

CHUNK = 1 << 18
CONNECT_SECONDS, SILENCE_SECONDS = 20.0, 60.0
"""Until a connection stands; without a byte on one that does."""
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})", re.ASCII)
_LATER = "run it again later; it goes on where it stopped"
_CUT = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, ConnectionError)


class _Again(Exception):  # noqa: N818 - it is no error, it is the verdict on one attempt
    """An attempt brought nothing; the next may. `wait` is what the server asked for."""

    def __init__(self, cause: str, wait: float | None = None) -> None:
        super().__init__(cause)
        self.cause, self.wait = cause, wait


class Remote:
    """The collector, seen from a partner. An asynchronous context."""

    def __init__(self, access: Access, patience: Patience | None = None) -> None:
        self._access = access
        self._patience = patience or Patience()
        self._session: aiohttp.ClientSession | None = None
        self.resumed = 0
        """How often a download went on where an earlier one was cut."""

    async def __aenter__(self) -> Self:
        """Open no connection yet."""
        self._session = aiohttp.ClientSession(
            headers={
                "Authorization": f"Bearer {self._access.token}",
                "Accept-Encoding": "identity",
                "User-Agent": f"pentrap-pull/{collector.__version__}",
            },
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
            ),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        if self._session:
            await self._session.close()

    async def small(self, path: str, limit: int) -> bytes | None:
        """What stands at `path` below the address; None where nothing does. Raises PullError, UnreachableError."""

        async def attempt() -> bytes | None:
            async with self._get(path) as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    return None
                self._judge(answer, path, HTTPStatus.OK)
                content = bytearray()
                async for chunk in answer.content.iter_chunked(CHUNK):
                    content += chunk
                    if len(content) > limit:
                        raise _too_much(path, limit)
                return bytes(content)

        failed = 0
        while True:
            try:
                return await attempt()
            except _Again as again:
                failed += 1
                await self._pause(path, failed, again)

    async def download(
        self, path: str, part: Path, size: int, sha256: str, tell: Callable[[int], None]
    ) -> bool:
        """Bring `part` to `size` bytes; False where nothing stands at `path`. `tell` hears how many bytes there are.

        Whether they are the right ones is the caller's to find out. Raises PullError, UnreachableError, OSError.
        """
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            failed = 0
            while True:
                before = _size(descriptor, size)
                tell(before)
                if before == size:
                    break
                try:
                    if not await self._go_on(path, descriptor, size, f'"{sha256}"', tell):
                        return False
                    break
                except _Again as again:
                    after = os.fstat(descriptor).st_size
                    failed = 0 if after > before else failed + 1
                    await self._pause(path, failed, again)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return True

    async def _go_on(
        self, path: str, descriptor: int, size: int, tag: str, tell: Callable[[int], None]
    ) -> bool:
        begin = os.fstat(descriptor).st_size
        asked = {"Range": f"bytes={begin}-", "If-Range": tag} if begin else {}
        async with self._get(path, asked) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                return False
            if begin and answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                os.ftruncate(descriptor, 0)
                raise _Again("there is less of it than was here")
            self._judge(answer, path, HTTPStatus.OK, *([HTTPStatus.PARTIAL_CONTENT] if begin else []))
            if answer.headers.get("ETag", tag) != tag:
                raise PullError(
                    path, "another file than the manifest names", f"the entity tag {tag}", "tell the operator"
                )
            if answer.status == HTTPStatus.PARTIAL_CONTENT:
                match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
                if match is None or (int(match[1]), int(match[3])) != (begin, size):
                    raise PullError(
                        path, "another range than was asked for", f"bytes {begin}- of {size}", _LATER
                    )
                self.resumed += 1
            elif begin:
                os.ftruncate(descriptor, 0)
            await self._take(answer, path, descriptor, size, tell)
        return True

    async def _take(
        self,
        answer: aiohttp.ClientResponse,
        path: str,
        descriptor: int,
        size: int,
        tell: Callable[[int], None],
    ) -> None:
        place = os.lseek(descriptor, 0, os.SEEK_END)
        async for chunk in answer.content.iter_chunked(CHUNK):
            if place + len(chunk) > size:
                raise _too_much(path, size)
            _write(descriptor, chunk)
            place += len(chunk)
            tell(place)
        if place < size:
            raise _Again("it ended early")

    @asynccontextmanager
    async def _get(
        self, path: str, headers: dict[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None
        try:
            async with self._session.get(
                self._access.url + path,
                headers=headers,
                allow_redirects=False,
                ssl=self._access.tls if self._access.tls is not None else True,
            ) as answer:
                yield answer
        except (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError) as error:
            found = getattr(error, "verify_message", "") or "its certificate does not verify"
            expected = "a certificate for this name, from an authority that is known here"
            raise PullError(
                self._access.url, found, expected, "give the operator's authority with --ca"
            ) from None
        except aiohttp.ClientSSLError:
            raise _Again("TLS cannot be agreed on") from None
        except _CUT as error:
            raise _Again(_cause(error)) from None
        except aiohttp.ClientError as error:
            raise _Again(f"no proper answer ({type(error).__name__})") from None

    def _judge(self, answer: aiohttp.ClientResponse, path: str, *good: HTTPStatus) -> None:
        status = answer.status
        if status in good:
            return
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            found, remedy = (
                f"refused ({status})",
                "see that the file has the whole token; else ask for a new one",
            )
            raise problem("--token-file", found, "a token that is valid, and for this collector", remedy)
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            found = f"{self._access.url}{path} leads elsewhere ({status})"
            remedy = "give the right address; redirects are not followed, since the token would go along"
            raise problem("URL", found, "the collector's own address", remedy)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.REQUEST_TIMEOUT,
        ):
            raise _Again(f"answer {status}", asked_seconds(answer.headers.get("Retry-After", "")))
        raise UnreachableError(
            self._access.url + path,
            f"answer {status}",
            "a collector's interface for partners",
            "see the address",
        )

    async def _pause(self, path: str, failed: int, again: _Again) -> None:
        wait = self._patience.pause_seconds(failed)
        if again.wait is not None:
            wait = max(wait, again.wait)
        if failed >= self._patience.attempts or wait > ASKED_MAX_SECONDS:
            found = f"{again.cause}, {failed} times" if failed > 1 else again.cause
            if again.wait is not None and again.wait > ASKED_MAX_SECONDS:
                found += f"; to be asked again in {again.wait:.0f} s"
            raise UnreachableError(self._access.url + path, found, "an answer", _LATER)
        await asyncio.sleep(wait)


def _size(descriptor: int, size: int) -> int:
    """How much there is; a part that has too much is begun anew."""
    found = os.fstat(descriptor).st_size
    if found > size:
        os.ftruncate(descriptor, 0)
        return 0
    return found


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _cause(error: BaseException) -> str:
    """In words, from the kind of an error only: its text may hold what came over the wire."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name is not known"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection ({os.strerror(error.errno) if error.errno and error.errno > 0 else 'failed'})"
    return "no answer in time" if isinstance(error, TimeoutError) else "the connection was cut"


def _too_much(path: str, limit: int) -> PullError:
    return PullError(
        path, "more bytes than that", f"at most {limit} bytes", "tell the operator; nothing of it is kept"
    )
