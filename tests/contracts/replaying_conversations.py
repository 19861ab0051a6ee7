"""A Responses server that plays recorded streams, and holds what it is told to."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from .replaying import Refuse, ReplayServer, served

Wire = dict[str, Any]
_CONVERSATION = "/v1/conversations/{conversation}"


class ConversationsServer(ReplayServer):
    """Plays one act for each response, and keeps lists for its conversations.

    `held` is what the conversation holds, oldest first: a test writes it. `refusals`
    are for the next requests about conversations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.created: list[Wire] = []
        self.added: list[list[Wire]] = []
        self.held: list[Wire] = []
        self.has_more = False
        self.refusals: deque[Refuse] = deque()

    async def begin(self, request: web.Request) -> web.StreamResponse:
        self._note(request)
        return await self.respond(request)

    async def create(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.refusals:
            return self._refused()
        self.created.append(await request.json())
        return web.json_response({"id": f"conv_{len(self.created)}"})

    async def add(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.refusals:
            return self._refused()
        self.added.append((await request.json())["items"])
        return web.json_response({"object": "list", "data": []})

    async def items(self, request: web.Request) -> web.Response:
        self._note(request)
        if self.refusals:
            return self._refused()
        newest = self.held[::-1]
        return web.json_response({"data": newest, "has_more": self.has_more})

    def _note(self, request: web.Request) -> None:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")

    def _refused(self) -> web.Response:
        refuse = self.refusals.popleft()
        return web.json_response({"error": refuse.error}, status=refuse.status)


@asynccontextmanager
async def replaying_conversations() -> AsyncIterator[ConversationsServer]:
    server = ConversationsServer()
    app = web.Application()
    app.router.add_post("/v1/responses", server.begin)
    app.router.add_post("/v1/conversations", server.create)
    app.router.add_get(f"{_CONVERSATION}/items", server.items)
    app.router.add_post(f"{_CONVERSATION}/items", server.add)
    async with served(app) as address:
        server.base_url = f"{address}/v1"
        yield server
