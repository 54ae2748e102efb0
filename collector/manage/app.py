"""The routes of the management plane.

    /metrics   Prometheus text
    /healthz   200 while this process runs
    /readyz    200 while machines are answered; its JSON tells whether they are recorded, and if not, why not

Off loopback every route wants the bearer token, unless the settings say `open = true`. Nothing of a request comes back in an
answer, malformed ones included (law.md L-15).
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from collector.ground import logs

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(
    registry: CollectorRegistry, readiness: Callable[[], dict[str, Any]], token: str
) -> web.Application:
    """The management application; `token` empty serves everybody who can reach the address."""
    app = web.Application(middlewares=[_guard(token)] if token else [])

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        state = readiness()
        return web.json_response(
            state, status=200 if state["ready"] else 503, dumps=lambda body: json.dumps(body) + "\n"
        )

    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=HTTPStatus.NOT_FOUND, text="404 Not Found\n")

    for path, handler in (("/metrics", metrics), ("/healthz", healthz), ("/readyz", readyz)):
        app.router.add_get(path, handler, expect_handler=_expect_nothing)
    app.router.add_route("*", "/{path:.*}", nothing, expect_handler=_expect_nothing)
    # Whatever serves HTTP in this process; aiohttp offers no other place to say it.
    setattr(web.RequestHandler, "handle_error", _say_only_the_status)  # noqa: B010 - mypy lets no method be assigned
    return app


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
    wanted = f"Bearer {token}".encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(shown, wanted):
            return web.json_response(
                {"error": "a bearer token is required"}, status=401, headers={"WWW-Authenticate": "Bearer"}
            )
        return await handler(request)

    return guard
