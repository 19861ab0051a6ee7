"""Where a load balancer looks, and the server that all routes share."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from app import telemetry

_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.]")
# Seconds for requests under way to come to their end.
_SHUTDOWN_LIMIT = 5.0


def add_health_routes(
    web_app: web.Application, what_is_missing: Callable[[], Awaitable[str | None]]
) -> None:
    """Answer `/healthz` while the process lives, `/readyz` while it can answer people.

    A process that is not ready answers 503 with what is missing. `/metrics` tells how
    often what has happened, as Prometheus reads it (its text format, version 0.0.4).
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def readyz(_: web.Request) -> web.Response:
        missing = await what_is_missing()
        if missing:
            return web.Response(status=503, text=f"not ready: {missing}\n")
        return web.Response(text="ready\n")

    async def metrics(_: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(text=_metrics(), headers=headers)

    web_app.router.add_get("/metrics", metrics)
    web_app.router.add_get("/healthz", healthz)
    web_app.router.add_get("/readyz", readyz)


def _metrics() -> str:
    counted = (
        f'threadline_events_total{{event="{_NOT_A_NAME.sub("_", name)}"}} {times}'
        for name, times in sorted(telemetry.counters.items())
    )
    return "\n".join(["# TYPE threadline_events_total counter", *counted, ""])


@asynccontextmanager
async def listening(
    web_app: web.Application, host: str, port: int
) -> AsyncGenerator[str]:
    """Serve `web_app` at `host` and `port` (0: any free one); yields its address.

    Raises OSError when the port is taken.
    """
    runner = web.AppRunner(
        web_app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_SHUTDOWN_LIMIT,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        yield f"http://{name}:{bound[1]}"
    finally:
        await runner.cleanup()
