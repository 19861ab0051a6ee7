"""A model's server that plays recorded streams, and does to them what networks do."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from app.assistants.sse import EventDecoder, ServerEvent

RECORDINGS = Path(__file__).parents[1] / "recordings" / "openai"


def recording(name: str) -> bytes:
    return (RECORDINGS / f"{name}.sse").read_bytes()


def recorded(*, of: str = "", but: str | tuple[str, ...] = ()) -> list[str]:
    """The names of all recordings that begin with `of`, and not with any of `but`."""
    names = sorted(path.stem for path in RECORDINGS.glob("*.sse"))
    return [each for each in names if each.startswith(of) and not each.startswith(but)]


def events_of(name: str) -> list[ServerEvent]:
    return EventDecoder().feed(recording(name))


@dataclass
class Play:
    """Plays a recording, or the bytes given; then ends, is cut, or hangs."""

    stream: str | bytes
    events: int | None = None
    then: str = "end"
    content_type: str = "text/event-stream; charset=utf-8"

    def content(self) -> bytes:
        if isinstance(self.stream, bytes):
            return self.stream
        whole = recording(self.stream)
        if self.events is None:
            return whole
        return b"".join(
            f"event: {event.name}\ndata: ".encode() + event.data + b"\n\n"
            for event in events_of(self.stream)[: self.events]
        )


@dataclass
class Refuse:
    """Answers with an error status."""

    status: int
    error: dict[str, Any] | str
    headers: dict[str, str] = field(default_factory=dict)


Act = Play | Refuse


class ReplayServer:
    """Acts once for each request, in the order given; the last act is repeated."""

    def __init__(self) -> None:
        self.acts: deque[Act] = deque()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.peers: set[object] = set()
        self.hung_up = asyncio.Event()
        self.base_url = ""

    def then(self, *acts: Act) -> None:
        self.acts.extend(acts)

    async def respond(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        self.headers.append(request.headers)
        assert request.transport
        self.peers.add(request.transport.get_extra_info("peername"))
        act = self.acts.popleft() if len(self.acts) > 1 else self.acts[0]
        if isinstance(act, Play):
            return await self._play(request, act)
        headers = {"x-request-id": "req_42", **act.headers}
        if isinstance(act.error, str):
            return web.Response(status=act.status, text=act.error, headers=headers)
        return web.json_response(
            {"error": act.error}, status=act.status, headers=headers
        )

    async def _play(self, request: web.Request, act: Play) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": act.content_type, "x-request-id": "req_42"}
        )
        await response.prepare(request)
        await response.write(act.content())
        if act.then == "hang":
            try:
                await asyncio.Event().wait()
            finally:
                self.hung_up.set()
        if act.then == "cut":
            assert request.transport
            request.transport.close()
            return response
        await response.write_eof()
        return response


@asynccontextmanager
async def replaying() -> AsyncIterator[ReplayServer]:
    server = ReplayServer()
    app = web.Application()
    app.router.add_post("/v1/responses", server.respond)
    async with served(app) as address:
        server.base_url = f"{address}/v1"
        yield server


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
