"""The routes of the management plane.

    /              the status page, for people
    /status.json   the same values, for `pentrap status`
    /metrics       Prometheus text
    /healthz       200 while this process runs
    /readyz        200 while machines are answered; its JSON tells whether they are recorded, and if not, why not

Off loopback every route wants the token, unless the settings say `open = true`: as a bearer token (RFC 6750), or as the
password of HTTP Basic (RFC 7617; any user name), since a browser asks for that by itself. No page to log in at, no cookie, no
token in the address: there is nothing that another site could forge, and nothing stays in histories and logs. Both ways send
the token in clear, so off loopback TLS or a tunnel belongs in front.

On loopback (without `open = true`) a name in Host other than localhost is refused: a page that somebody opens elsewhere on this
machine could otherwise have its own name point here, and read (DNS rebinding). Nothing of a request comes back in an answer,
malformed ones included (law.md L-15).
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from collector.ground import logs
from collector.manage.status.concerns import document
from collector.manage.status.look import Look
from collector.manage.status.page import HEADERS, status_page
from collector.manage.text_format import CONTENT_TYPE

FRESH_SECONDS = 1.0
"""A page is made at most this often, however many ask."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    exposed: Callable[[], str],
    readiness: Callable[[], dict[str, Any]],
    look: Callable[[], Look],
    token: str,
    *,
    local: bool = False,
) -> web.Application:
    """The management application: `exposed` is the page of the metrics; `token` empty serves everybody who can reach the
    address, which is `local` or not.
    """
    app = web.Application(middlewares=[_guard(token)] if token else [_by_its_own_name] if local else [])
    page = _Fresh(lambda: status_page(look()).encode())
    values = _Fresh(lambda: json.dumps(document(look())).encode() + b"\n")

    async def status(_: web.Request) -> web.Response:
        return web.Response(body=page(), content_type="text/html", charset="utf-8", headers=HEADERS)

    async def status_json(_: web.Request) -> web.Response:
        return web.Response(
            body=values(), content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exposed().encode(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        state = readiness()
        return web.json_response(
            state, status=200 if state["ready"] else 503, dumps=lambda body: json.dumps(body) + "\n"
        )

    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NOT_FOUND, text="404 Not Found\n")

    routes = {
        "/": status,
        "/status.json": status_json,
        "/metrics": metrics,
        "/healthz": healthz,
        "/readyz": readyz,
    }
    for path, handler in routes.items():
        app.router.add_get(path, handler, expect_handler=_expect_nothing)
    app.router.add_route("*", "/{path:.*}", nothing, expect_handler=_expect_nothing)
    # Whatever serves HTTP in this process; aiohttp offers no other place to say it.
    setattr(web.RequestHandler, "handle_error", _say_only_the_status)  # noqa: B010 - mypy lets no method be assigned
    return app


class _Fresh:
    """What was made within the last second, or made now."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._made = b""
        self._until = 0.0

    def __call__(self) -> bytes:
        now = time.monotonic()
        if now >= self._until:
            self._made = self._make()
            self._until = now + FRESH_SECONDS
        return self._made


async def _expect_nothing(_: web.Request) -> None:
    """An Expect header is let pass (RFC 9110 10.1.1 allows it): aiohttp's own refusal quotes it."""


def _say_only_the_status(
    self: web.RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,
    message: str | None = None,
) -> web.StreamResponse:
    """Stands for aiohttp's own, whose page quotes to the sender what it could not read, and whose log names him."""
    del self, message
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logs.get("clerk").error("request_failed", place=logs.place(exc))
    if request.writer.output_size > 0:
        raise ConnectionError("an answer was already on its way")
    answer = web.Response(status=status, text=f"{status} {HTTPStatus(status).phrase}\n")
    answer.force_close()
    return answer


def _guard(token: str) -> Any:
    wanted = token.encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not hmac.compare_digest(_shown(request.headers.get("Authorization", "")), wanted):
            refused = web.json_response({"error": "the management token is required"}, status=401)
            refused.headers.add("WWW-Authenticate", "Bearer")
            refused.headers.add("WWW-Authenticate", 'Basic realm="management", charset="UTF-8"')
            return refused
        return await handler(request)

    return guard


def _shown(authorization: str) -> bytes:
    """The token that a request shows, whichever way; b"" where it shows none."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.encode("utf-8", "surrogateescape")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


@web.middleware
async def _by_its_own_name(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not _is_own_name(request.headers.get("Host", "")):
        return web.Response(status=HTTPStatus.MISDIRECTED_REQUEST, text="421 Misdirected Request\n")
    return await handler(request)


def _is_own_name(host: str) -> bool:
    """Whether a Host is none, localhost or an address: what no stranger's name server can hand out."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
    if name.rstrip(".").lower() in ("", "localhost"):
        return True
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
