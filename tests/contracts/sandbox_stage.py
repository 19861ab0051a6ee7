"""What the tests of the sandbox's Slack share."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox

GENERAL, RANDOM = "C0GENERAL1", "C0RANDOM01"
Json = dict[str, Any]


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def client(
    sandbox: Sandbox, session: aiohttp.ClientSession, token: str | None
) -> AsyncWebClient:
    return AsyncWebClient(
        token=token, base_url=sandbox.api_url, session=session, retry_handlers=[]
    )


async def refusal(call: Any) -> str:  # noqa: ANN401 - the client's types are loose
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


def markdown(text: str) -> list[Json]:
    return [{"type": "markdown", "text": text}]


class Socket:
    """A bare Socket Mode connection that acknowledges only what it is told to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> Json:
        return dict(await self.socket.receive_json(timeout=5))

    async def ack(self, envelope: Json, payload: Json | None = None) -> None:
        answer: Json = {"envelope_id": envelope["envelope_id"]}
        await self.socket.send_json(
            answer if payload is None else answer | {"payload": payload}
        )


Connect = Callable[[], Awaitable[Socket]]


class Listener:
    """Acknowledges everything and keeps what it got."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.envelopes: list[Json] = []

    async def run(self) -> None:
        while True:
            message = await self._socket.socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            envelope = json.loads(message.data)
            if "envelope_id" in envelope:
                self.envelopes.append(envelope)
                await self._socket.ack(envelope)

    def events(self, kind: str, subtype: str | None = None) -> list[Json]:
        return [
            envelope["payload"]["event"]
            for envelope in self.envelopes
            if envelope["payload"]["event"]["type"] == kind
            and envelope["payload"]["event"].get("subtype") == subtype
        ]

    def changes(self) -> list[Json]:
        return self.events("message", "message_changed")


async def address(sandbox: Sandbox, session: aiohttp.ClientSession) -> str:
    client = AsyncWebClient(base_url=sandbox.api_url, session=session)
    opened = await client.apps_connections_open(app_token=sandbox.app_token)
    return str(opened["url"])
