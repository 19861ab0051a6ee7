"""One websocket to Slack: its hello, its envelopes, their acknowledgements, its end."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from slack_bolt.response import BoltResponse

from app import telemetry
from app.errors import SlackError, SlackUnavailable
from app.slack.payloads import Payload
from app.slack.proxy import proxy_for
from app.turns.side_tasks import SideTasks

Answer = Callable[[Payload], Awaitable[BoltResponse]]

TOO_MANY = "too_many_websockets"
DISABLED = "link_disabled"
_LOST = "lost"
# Slack's words for why a connection must go, and two of our own.
# https://docs.slack.dev/apis/events-api/using-socket-mode
_REASONS = (TOO_MANY, DISABLED, "warning", "refresh_requested", "early", _LOST)
_HANDSHAKE = 10.0
# A Slack that does not say goodbye is not waited for.
_GOODBYE = aiohttp.ClientWSTimeout(ws_close=1.0)
# Slack: "hello" tells for how many seconds a connection lives, about five hours.
_LIFE = 18_000.0
_OK = 200


class Link:
    """An open websocket; reads until it is closed, by whichever side.

    An envelope is acknowledged on the websocket that brought it, once `answer` has said
    200. `life` is for how long Slack means to keep it, in seconds.
    """

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, answer: Answer, life: float
    ) -> None:
        self.life = life
        self._opened_at = time.monotonic()
        self._socket = socket
        self._answer = answer
        self._is_deaf = False
        self._answering = SideTasks()
        loop = asyncio.get_running_loop()
        self._farewell: asyncio.Future[str] = loop.create_future()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        session: aiohttp.ClientSession,
        url: str,
        answer: Answer,
        *,
        ping_interval: float,
    ) -> "Link":
        """Use up a one-time address; return once Slack has said hello.

        Raises SlackError with Slack's word where it has one (`too_many_websockets`),
        and SlackUnavailable where it says nothing. The address is spent either way.
        """
        try:
            async with asyncio.timeout(_HANDSHAKE):
                socket = await session.ws_connect(
                    url, proxy=proxy_for(url), heartbeat=ping_interval, timeout=_GOODBYE
                )
                try:
                    life = await _welcome(socket)
                except BaseException:
                    await socket.close()
                    raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SlackUnavailable("no_handshake", "socket mode") from error
        return cls(socket, answer, life)

    @property
    def is_open(self) -> bool:
        """Whether Slack can deliver over it."""
        return not self._socket.closed and not self._reading.done()

    @property
    def age(self) -> float:
        """For how many seconds it has been open."""
        return time.monotonic() - self._opened_at

    async def farewell(self) -> str:
        """Wait until it must be replaced, and return Slack's word for why."""
        return await asyncio.shield(self._farewell)

    def must_go(self, reason: str) -> None:
        """Have it replaced; only the first reason counts."""
        if not self._farewell.done():
            known = reason if reason in _REASONS else "other"
            telemetry.count(f"socket_mode.replaced.{known}")
            self._farewell.set_result(known)

    async def ended(self) -> None:
        """Wait until nothing can arrive any more."""
        await asyncio.wait([self._reading])

    def on_end(self, call: Callable[[], None]) -> None:
        """Have `call` called when nothing can arrive any more."""
        self._reading.add_done_callback(lambda _: call())

    def stop_taking(self) -> None:
        """Leave unread, and so unacknowledged, whatever comes from now on."""
        self._is_deaf = True

    async def drain(self, patience: float) -> None:
        """Let what has arrived be committed and acknowledged, for so many seconds."""
        await self._answering.settle(patience)

    async def close(self) -> None:
        """Hang up."""
        self.stop_taking()
        await self._socket.close()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._answering.cancel()

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                envelope = _decoded(message)
                if envelope.get("type") == "disconnect":
                    self.must_go(str(envelope.get("reason")))
                elif "envelope_id" in envelope and not self._is_deaf:
                    self._answering.start(self._answer_one(envelope))
        finally:
            self.must_go(_LOST)

    async def _answer_one(self, envelope: Mapping[str, Any]) -> None:
        payload = envelope.get("payload")
        response = await self._answer(payload if isinstance(payload, dict) else {})
        if response.status != _OK:
            return
        ack = {"envelope_id": envelope["envelope_id"], **_said(response)}
        try:
            await self._socket.send_str(json.dumps(ack))
        except ConnectionError:
            # Slack sends an event again, and we know it then.
            telemetry.count("socket_mode.acknowledged_in_vain")


def _said(response: BoltResponse) -> dict[str, Any]:
    if not response.body:
        return {}
    if "json" in "".join(response.headers.get("content-type", ())):
        return {"payload": json.loads(response.body)}
    return {"payload": {"text": response.body}}


async def _welcome(socket: aiohttp.ClientWebSocketResponse) -> float:
    """Wait for the hello; return for how long Slack means to keep the websocket."""
    async for message in socket:
        envelope = _decoded(message)
        match envelope.get("type"):
            case "hello":
                return _life(envelope.get("debug_info"))
            case "disconnect":
                raise SlackError(str(envelope.get("reason")), "socket mode")
    raise SlackUnavailable("no_hello", "socket mode")


def _life(about: object) -> float:
    told = about.get("approximate_connection_time") if isinstance(about, dict) else None
    return float(told) if isinstance(told, int | float) and told > 0 else _LIFE


def _decoded(message: aiohttp.WSMessage) -> Mapping[str, Any]:
    if message.type is not aiohttp.WSMsgType.TEXT:
        return {}
    try:
        envelope = json.loads(message.data)
    except ValueError:
        return {}
    return envelope if isinstance(envelope, dict) else {}
