"""Slack's delivery over websockets that we open ourselves, two at a time."""

import asyncio
import logging
import time
from collections.abc import Mapping

import aiohttp
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from app.errors import CredentialsRefused, RateLimited, SlackError, SlackUnavailable
from app.slack.bolt import dispatch
from app.slack.payloads import Payload, text_at
from app.slack.reads import ask
from app.slack.refusals import CLASS_OF
from app.slack.socket_line import Line, Pace
from app.slack.socket_link import DISABLED, TOO_MANY, Link
from app.turns.side_tasks import SideTasks

log = logging.getLogger(__name__)

_METHOD = "apps.connections.open"
# While one is being replaced the other takes what comes, clicks too: these come once.
_LINES = 2
_NOT_CONNECTED = "not connected to Slack"
_BECAUSE: Mapping[str, str] = {
    TOO_MANY: ", all ten connections of the app are taken",
    DISABLED: ", Socket Mode is turned off in the app's settings",
}


class SocketMode:
    """Two connections to Slack, kept up until they are closed.

    An envelope is acknowledged once what it brought is committed; Slack sends an event
    again that was not. One connection is enough: where Slack refuses the second, or
    takes it back, the first goes on.
    """

    def __init__(
        self,
        bolt: AsyncApp,
        client: AsyncWebClient,
        app_token: str,
        *,
        ping_interval: float = 10.0,
        pace: Pace | None = None,
    ) -> None:
        self._bolt = bolt
        self._web_client = client
        self._app_token = app_token
        self._ping_interval = ping_interval
        self._pace = pace or Pace()
        self._session: aiohttp.ClientSession | None = None
        self._next_url: str | None = None
        self._lines = [self._line() for _ in range(_LINES)]
        self._tasks = SideTasks()
        self._was_up = False
        self._down_since: float | None = None
        self._is_closing = False

    @property
    def is_connected(self) -> bool:
        """Whether Slack can deliver here now."""
        return any(line.is_up for line in self._lines)

    @property
    def what_is_missing(self) -> str | None:
        """Say why Slack can't deliver here, once it could not for half a minute."""
        if self.is_connected:
            return None
        since = self._down_since
        if since is not None and time.monotonic() - since < self._pace.grace:
            return None
        reasons = (_because(line.refused_with) for line in self._lines)
        return _NOT_CONNECTED + next(filter(None, reasons), "")

    async def start(self) -> None:
        """Try to connect; the second connection, and a Slack that is away, can wait.

        Raises CredentialsRefused when Slack does not take the app-level token.
        """
        self._next_url = await self._first_url()
        self._session = aiohttp.ClientSession()
        first, *others = self._lines
        connecting = self._tasks.repeat(first.keep_up)
        tried = asyncio.create_task(first.was_tried.wait())
        await asyncio.wait({tried, connecting}, return_when="FIRST_COMPLETED")
        tried.cancel()
        if self._is_closing:
            return
        for line in others:
            self._tasks.repeat(line.keep_up)
        self._tasks.repeat(self._keep_apart)

    def stop_taking(self) -> None:
        """Leave what comes from now on to others, unacknowledged."""
        self._is_closing = True
        for link in self._links:
            link.stop_taking()

    async def close(self) -> None:
        """Let what has arrived be committed and acknowledged, then hang up."""
        self.stop_taking()
        await self._tasks.cancel()
        await asyncio.gather(*(link.drain(self._pace.drain) for link in self._links))
        await asyncio.gather(*(line.close() for line in self._lines))
        if self._session:
            await self._session.close()

    @property
    def _links(self) -> list[Link]:
        return [link for line in self._lines for link in line.links]

    def _line(self) -> Line:
        return Line(
            self._open_link,
            changed=self._changed,
            has_others=lambda: self.is_connected,
            pace=self._pace,
        )

    async def _open_link(self) -> Link:
        if self._session is None:
            raise SlackUnavailable("not_started", _METHOD)
        url, self._next_url = self._next_url, None
        return await Link.open(
            self._session,
            url or await self._new_url(),
            self._answer,
            ping_interval=self._ping_interval,
        )

    async def _first_url(self) -> str | None:
        try:
            return await self._new_url()
        except (RateLimited, SlackUnavailable) as error:
            log.warning("no socket mode address yet", extra={"error": error.code})
            return None
        except SlackError as error:
            raise CredentialsRefused(error.code, _METHOD) from error

    async def _new_url(self) -> str:
        call = self._web_client.apps_connections_open(app_token=self._app_token)
        url = text_at((await ask(_METHOD, call)).data, "url")
        if not url:
            raise SlackUnavailable("no_address", _METHOD)
        return url

    async def _answer(self, payload: Payload) -> BoltResponse:
        return await dispatch(self._bolt, payload)

    def _changed(self) -> None:
        if self.is_connected:
            self._was_up = True
            if self._down_since is not None:
                log.info("socket mode connected again")
            self._down_since = None
        elif self._down_since is None and self._was_up and not self._is_closing:
            self._down_since = time.monotonic()
            log.warning("socket mode connection lost")

    async def _keep_apart(self) -> None:
        """Replace the second connection half a life early where both are of one age.

        Slack takes connections back when their time is up: those that were made
        together it would take back together, for ever.
        """
        await asyncio.sleep(self._pace.longest)
        first, second = (line.link for line in self._lines)
        if first and second:
            apart = abs(first.age - second.age)
            if apart < second.life / 4 and second.age > second.life / 2:
                second.must_go("early")


def _because(refused_with: str) -> str:
    if issubclass(CLASS_OF.get(refused_with, SlackError), CredentialsRefused):
        return f", Slack refuses the app-level token ({refused_with})"
    return _BECAUSE.get(refused_with, "")
