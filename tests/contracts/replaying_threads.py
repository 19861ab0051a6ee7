"""An Assistants server that plays recorded runs and knows afterwards how they ended."""

import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from .replaying import Play, Refuse, ReplayServer, events_of, served

Wire = dict[str, Any]
_THREAD = "/v1/threads/{thread}"
_RUN = f"{_THREAD}/runs/{{run}}"


class ThreadsServer(ReplayServer):
    """Plays one act for each run begun or submitted to; keeps what came of the last.

    A recorded run goes on without its reader: however its stream was cut, it stands
    afterwards as the whole recording says. `polls` are answers for the next looks at
    the run; `refusals` for the next messages that are added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.added: list[Wire] = []
        self.polls: deque[Wire | Refuse] = deque()
        self.refusals: deque[Refuse] = deque()
        self.runs: list[Wire] = []
        self.messages: list[Wire] = []

    async def begin(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        act = self.acts[0]
        if isinstance(act, Play) and isinstance(act.stream, str):
            self._remember(act.stream)
        return await self.respond(request)

    def _remember(self, name: str) -> None:
        for event in events_of(name):
            if event.name.startswith("thread.run.") and ".step." not in event.name:
                self.runs = [json.loads(event.data)]
            if event.name in {"thread.message.completed", "thread.message.incomplete"}:
                self.messages = [json.loads(event.data)]

    async def look(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        poll = self.polls.popleft() if self.polls else self.runs[-1]
        if isinstance(poll, Refuse):
            return _refused(poll)
        self.runs = [self.runs[-1] | poll] if self.runs else [poll]
        return web.json_response(self.runs[-1])

    async def list_runs(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        if self.polls and isinstance(poll := self.polls[0], dict):
            self.polls.popleft()
            self.runs = [self.runs[-1] | poll]
        return web.json_response({"object": "list", "data": self.runs})

    async def list_messages(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        return web.json_response({"object": "list", "data": self.messages})

    async def add(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        if self.refusals:
            return _refused(self.refusals.popleft())
        self.added.append(await request.json())
        return web.json_response({"id": f"msg_{len(self.added)}"})

    async def cancel(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path.removeprefix('/v1')}")
        self.runs = [run | {"status": "cancelled"} for run in self.runs]
        return web.json_response(self.runs[-1] | {"status": "cancelling"})


def _refused(refuse: Refuse) -> web.Response:
    return web.json_response(
        {"error": refuse.error}, status=refuse.status, headers=refuse.headers
    )


@asynccontextmanager
async def replaying_threads() -> AsyncIterator[ThreadsServer]:
    server = ThreadsServer()
    app = web.Application()
    app.router.add_post("/v1/threads/runs", server.begin)
    app.router.add_post(f"{_THREAD}/runs", server.begin)
    app.router.add_post(f"{_RUN}/submit_tool_outputs", server.begin)
    app.router.add_post(f"{_RUN}/cancel", server.cancel)
    app.router.add_post(f"{_THREAD}/messages", server.add)
    app.router.add_get(f"{_THREAD}/messages", server.list_messages)
    app.router.add_get(f"{_THREAD}/runs", server.list_runs)
    app.router.add_get(_RUN, server.look)
    async with served(app) as address:
        server.base_url = f"{address}/v1"
        yield server
