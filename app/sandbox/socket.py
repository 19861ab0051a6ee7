"""Socket Mode: one-time addresses, envelopes, acks."""

import asyncio
import contextlib
import json
import random
import secrets
import uuid
from collections.abc import Callable

import aiohttp
from aiohttp import web

from app.sandbox.delivery import Answer
from app.sandbox.faults import Faults
from app.sandbox.records import Json

PATH = "/link/"
# The name under which a planned fault refuses a handshake and spends its ticket.
CONNECT = "socket:connect"
# Slack: at most ten connections per app.
CONNECTIONS = 10
_TICKET_LIFE = 30.0
_CONNECTION_LIFE = 18_060
# Slack: a connection lives for so long after its warning.
WARNED_BEFORE = 10.0


class _Connection:
    """One websocket of the app and the envelopes that it has not acknowledged."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.unacked: dict[str, asyncio.Future[Json | None]] = {}

    async def listen(self) -> None:
        """Take acks until the app or the server closes."""
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self._acknowledge(message.data)

    def _acknowledge(self, text: str) -> None:
        try:
            ack = json.loads(text)
        except ValueError:
            return
        if isinstance(ack, dict):
            waiting = self.unacked.pop(str(ack.get("envelope_id")), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(ack.get("payload"))

    def end(self) -> None:
        """Tell those who wait for an ack that none will come."""
        for waiting in self.unacked.values():
            waiting.cancel()


class SocketHub:
    """All connections of the app; each payload goes to exactly one of them."""

    name = "socket"

    def __init__(
        self,
        app_id: str,
        *,
        clock: Callable[[], float],
        faults: Faults,
        answer_within: float,
        warned_before: float,
        seed: int,
    ) -> None:
        self._app_id = app_id
        self._clock = clock
        self._faults = faults
        self._answer_within = answer_within
        self._warned_before = warned_before
        self._random = random.Random(seed)  # noqa: S311 - chance, not secrets
        self._tickets: dict[str, float] = {}
        self._connections: list[_Connection] = []
        self._opening = 0
        self._warned: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> int:
        """How many connections take payloads now."""
        return len(self._connections)

    def open_ticket(self) -> str:
        """Return the query of an address that works once, and soon."""
        ticket = str(uuid.uuid4())
        self._tickets[ticket] = self._clock() + _TICKET_LIFE
        return f"ticket={ticket}&app_id={secrets.token_hex(16)}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket for as long as it is open."""
        expires = self._tickets.pop(request.query.get("ticket", ""), 0.0)
        if self._clock() > expires or self._faults.take(CONNECT) is not None:
            return web.Response(status=403, text="ticket is used, expired or unknown")
        socket = web.WebSocketResponse(heartbeat=20.0)
        is_crowded = len(self._connections) + self._opening >= CONNECTIONS
        self._opening += not is_crowded
        try:
            await socket.prepare(request)
            if is_crowded:
                await socket.send_json(self._disconnect("too_many_websockets"))
                await socket.close()
                return socket
            await socket.send_json(self._hello(request.host))
        except ConnectionError:
            # Gone before it was greeted.
            return socket
        finally:
            self._opening -= not is_crowded
        await self._serve(_Connection(socket))
        return socket

    async def _serve(self, connection: _Connection) -> None:
        self._connections.append(connection)
        try:
            await connection.listen()
        finally:
            self._forget(connection)

    async def send(self, kind: str, body: Json, attempt: int, reason: str) -> Answer:
        """Send an envelope to one connection and wait for its ack."""
        if not self._connections:
            return Answer(status=0, reason="no_connection")
        connection = self._random.choice(self._connections)
        envelope: Json = {
            "envelope_id": str(uuid.uuid4()),
            "payload": body,
            "type": kind,
            "accepts_response_payload": kind != "events_api",
        }
        if kind == "events_api":
            envelope |= {"retry_attempt": attempt, "retry_reason": reason}
        ack: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        connection.unacked[envelope["envelope_id"]] = ack
        try:
            async with asyncio.timeout(self._answer_within):
                await connection.socket.send_json(envelope)
                return Answer(status=200, body=await _unless_lost(ack))
        except TimeoutError:
            return Answer(status=0, reason="timeout")
        except ConnectionError:
            return Answer(status=0, reason="connection_failed")
        finally:
            connection.unacked.pop(envelope["envelope_id"], None)

    async def refresh(
        self, reason: str = "refresh_requested", count: int | None = None
    ) -> None:
        """Ask the `count` oldest connections, or all, to be replaced.

        After a `warning` they live on for a while; after any other word they are gone.
        """
        for connection in self._connections[:count]:
            if reason != "warning":
                await self._dismiss(connection, reason)
                continue
            with contextlib.suppress(ConnectionError):
                await connection.socket.send_json(self._disconnect(reason))
            task = asyncio.create_task(self._dismiss_later(connection))
            self._warned.add(task)
            task.add_done_callback(self._warned.discard)

    async def cut(self, count: int | None = None) -> None:
        """Lose the `count` oldest connections, or all, without a word."""
        for connection in self._connections[:count]:
            self._forget(connection)
            await connection.socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)

    async def close(self) -> None:
        """Lose every connection for good."""
        for task in self._warned:
            task.cancel()
        await self.cut()

    async def _dismiss_later(self, connection: _Connection) -> None:
        await asyncio.sleep(self._warned_before)
        if connection in self._connections:
            await self._dismiss(connection, "refresh_requested")

    async def _dismiss(self, connection: _Connection, reason: str) -> None:
        self._forget(connection)
        # An app that has just left needs no telling.
        with contextlib.suppress(ConnectionError):
            await connection.socket.send_json(self._disconnect(reason))
        await connection.socket.close()

    def _forget(self, connection: _Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        connection.end()

    def _hello(self, host: str) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._connections) + 1,
            "debug_info": {
                "host": host,
                "build_number": 1,
                "approximate_connection_time": _CONNECTION_LIFE,
            },
            "connection_info": {"app_id": self._app_id},
        }

    @staticmethod
    def _disconnect(reason: str) -> Json:
        return {
            "type": "disconnect",
            "reason": reason,
            "debug_info": {"host": "sandbox"},
        }


async def _unless_lost(ack: "asyncio.Future[Json | None]") -> Json | None:
    """Return the ack's payload; raises ConnectionError when the socket closes first."""
    await asyncio.wait({ack})
    if ack.cancelled():
        raise ConnectionError("the socket closed before the ack")
    return ack.result()
