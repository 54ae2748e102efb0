"""The routes of the management plane.

    /metrics   Prometheus text
    /healthz   200 while this process runs
    /readyz    200 while machines are answered; its JSON tells whether they are recorded, and if not, why not

Off loopback every route wants the bearer token, unless the settings say `open = true`.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

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

    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


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
