"""Slack's delivery over a websocket that we open ourselves."""

import asyncio
import logging
import time
from typing import Any

from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.errors import CredentialsRefused, RateLimited, SlackError, SlackUnavailable
from app.slack.bolt import dispatch
from app.slack.payloads import text_at
from app.slack.proxy import proxy_for
from app.slack.reads import ask

log = logging.getLogger(__name__)

# The client logs one-time addresses with its errors, and message text below that.
_silent = logging.getLogger("slack_sdk.socket_mode.threadline")
_silent.setLevel(logging.CRITICAL)

_CONNECT_LIMIT = 10.0
_DRAIN = 5.0


class _Client(SocketModeClient):
    """Slack's client; it asks for its proxy anew and knows its own tasks."""

    def __init__(
        self, app_token: str, web_client: AsyncWebClient, ping_interval: float
    ) -> None:
        super().__init__(
            app_token=app_token,
            logger=_silent,
            web_client=web_client,
            ping_interval=ping_interval,
        )
        self.listening: set[asyncio.Task[Any]] = set()

    def use(self, url: str | None) -> None:
        """Connect to this one-time address next; to one still to be asked for."""
        self.wss_uri = url
        self.proxy = proxy_for(url) if url else None

    async def issue_new_wss_url(self) -> str:
        url = await super().issue_new_wss_url()
        self.proxy = proxy_for(url)
        return url

    async def run_message_listeners(
        self, message: dict[str, Any], raw_message: str
    ) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self.listening.add(task)
        try:
            await super().run_message_listeners(message, raw_message)
        finally:
            self.listening.discard(task)

    def tasks(self) -> list[asyncio.Future[Any]]:
        """Return everything that runs for this client."""
        own = (
            self.message_processor,
            self.message_receiver,
            self.current_session_monitor,
        )
        return [*self.listening, *(task for task in own if task is not None)]


class SocketMode:
    """One connection to Slack, kept up until it is closed.

    An envelope is acknowledged once what it brought is committed; Slack sends an event
    again that was not.
    """

    def __init__(
        self,
        bolt: AsyncApp,
        client: AsyncWebClient,
        app_token: str,
        *,
        ping_interval: float = 10.0,
    ) -> None:
        self._bolt = bolt
        self._web_client = client
        self._app_token = app_token
        self._ping_interval = ping_interval
        self._client: _Client | None = None
        self._side_tasks: list[asyncio.Task[None]] = []
        self._is_closing = False

    @property
    def is_connected(self) -> bool:
        """Whether Slack can deliver here now."""
        client = self._client
        return (
            client is not None
            and not client.closed
            and not client.stale
            and client.current_session is not None
            and not client.current_session.closed
        )

    async def start(self) -> None:
        """Connect; where Slack does not answer yet, go on trying in the background.

        Raises CredentialsRefused when Slack does not take the app-level token.
        """
        url = await self._first_url()
        self._client = _Client(self._app_token, self._web_client, self._ping_interval)
        self._client.use(url)
        self._client.socket_mode_request_listeners.append(self._receive)
        connecting = asyncio.create_task(
            self._client.connect()  # type: ignore[no-untyped-call]
        )
        self._side_tasks = [connecting, asyncio.create_task(self._watch(self._client))]
        await asyncio.wait({connecting}, timeout=_CONNECT_LIMIT)

    async def close(self) -> None:
        """Let what has arrived be committed and acknowledged, then hang up."""
        self._is_closing = True
        client = self._client
        if client is None:
            return
        if client.listening:
            await asyncio.wait(client.listening, timeout=_DRAIN)
        tasks = [*self._side_tasks, *client.tasks()]
        await client.close()  # type: ignore[no-untyped-call]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _first_url(self) -> str | None:
        """The client would repeat a refused request for ever, so it is made here."""
        method = "apps.connections.open"
        call = self._web_client.apps_connections_open(app_token=self._app_token)
        try:
            answer = await ask(method, call)
        except (RateLimited, SlackUnavailable) as error:
            log.warning("no socket mode address yet", extra={"error": error.code})
            return None
        except SlackError as error:
            raise CredentialsRefused(error.code, method) from error
        return text_at(answer.data, "url")

    async def _receive(
        self, client: AsyncBaseSocketModeClient, request: SocketModeRequest
    ) -> None:
        if self._is_closing:
            return
        response = await dispatch(self._bolt, request.payload)
        await send_async_response(client, request, response, time.time())

    async def _watch(self, client: _Client) -> None:
        """Keep the client from trying the same one-time address for ever.

        slack_sdk asks for a new address only when it has none, also after a handshake
        that used its address up.
        """
        was_connected = True
        while True:
            await asyncio.sleep(self._ping_interval)
            if not self.is_connected:
                client.wss_uri = None
            if self.is_connected != was_connected:
                was_connected = self.is_connected
                telemetry.count(f"socket_mode.connected.{was_connected}")
                log.warning("socket mode", extra={"connected": was_connected})
