"""A few of Slack's methods and its websocket, on a real socket, for intake alone."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

Answer = dict[str, Any] | web.Response
Answerer = Callable[[dict[str, str]], Answer]

SCOPES = "app_mentions:read, chat:write"


class SlackDouble:
    """Answers what it was told to, remembers every call, hands out one-time addresses.

    `link_address` is where websockets are sent to, if not to the double itself;
    `refuse_handshakes` is how many of the next websocket handshakes fail, each having
    used its address up; `room` is how many websockets it takes at a time, `life` for
    how many seconds it says it keeps each.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, Answerer] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.acks: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.refuse_handshakes = 0
        self.room = 10
        self.life = 18_000.0
        self.handshakes: list[str] = []
        self.address = ""
        self.link_address = ""
        self._tickets: set[str] = set()
        self._numbers = itertools.count(1)
        self._changed = asyncio.Condition()

    def called(self, method: str) -> list[dict[str, str]]:
        """Return the arguments of all calls of one method."""
        return [arguments for name, arguments in self.calls if name == method]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that this double can see."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(condition)

    @property
    def open(self) -> list[web.WebSocketResponse]:
        """The websockets that are open, the oldest first."""
        return [socket for socket in self.sockets if not socket.closed]

    async def send(
        self, payload: dict[str, Any], type_: str = "events_api", *, over: int = -1
    ) -> str:
        """Deliver one envelope over the newest websocket or another; return its id."""
        envelope_id = f"envelope-{next(self._numbers)}"
        envelope = {
            "envelope_id": envelope_id,
            "type": type_,
            "payload": payload,
            "accepts_response_payload": type_ != "events_api",
        }
        await self.open[over].send_str(json.dumps(envelope))
        return envelope_id

    async def ask_to_reconnect(
        self, reason: str = "refresh_requested", *, over: int = -1
    ) -> None:
        """Tell the newest websocket, or another, that it will be closed soon."""
        refresh = {"type": "disconnect", "reason": reason}
        await self.open[over].send_str(json.dumps(refresh))

    async def answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        is_json = request.content_type == "application/json"
        sent = await (request.json() if is_json else request.post())
        arguments = {key: str(value) for key, value in [*request.query.items()]}
        arguments |= {key: str(value) for key, value in sent.items()}
        arguments["authorization"] = request.headers.get("Authorization", "")
        answer = self._answer(method, arguments)
        self.calls.append((method, arguments))
        await self._tell()
        if isinstance(answer, web.Response):
            return answer
        return web.json_response(answer, headers={"x-oauth-scopes": SCOPES})

    def _answer(self, method: str, arguments: dict[str, str]) -> Answer:
        if method in self.answers:
            return self.answers[method](arguments)
        if method == "apps.connections.open":
            ticket = str(next(self._numbers))
            self._tickets.add(ticket)
            link = self.link_address or self.address.replace("http://", "ws://")
            return {"ok": True, "url": f"{link}/link?ticket={ticket}"}
        return {"ok": False, "error": "unknown_method"}

    async def link(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        self.handshakes.append(ticket)
        await self._tell()
        if ticket not in self._tickets:
            return web.Response(status=408)
        self._tickets.discard(ticket)
        if self.refuse_handshakes:
            self.refuse_handshakes -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.open) >= self.room:
            refusal = {"type": "disconnect", "reason": "too_many_websockets"}
            await socket.send_str(json.dumps(refusal))
            await socket.close()
            return socket
        about = {"approximate_connection_time": self.life}
        hello = {"type": "hello", "num_connections": 1, "debug_info": about}
        await socket.send_str(json.dumps(hello))
        self.sockets.append(socket)
        await self._tell()
        async for message in socket:
            await self.acks.put(json.loads(message.data))
        await self._tell()
        return socket

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def running_slack() -> AsyncGenerator[tuple[SlackDouble, AsyncWebClient]]:
    """Serve a double on a free port of this machine, with a client for it."""
    slack = SlackDouble()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", slack.answer)
    app.router.add_get("/link", slack.link)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    slack.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(
            token="xoxb-test",
            base_url=f"{slack.address}/api/",
            session=session,
            retry_handlers=[],
        )
        client.proxy = None
        yield slack, client
    await runner.cleanup()
