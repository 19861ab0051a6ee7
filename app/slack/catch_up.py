"""Reads, once after an absence, what people wrote that Slack did not send again.

Slack tries for some minutes only. What can be read afterwards is bounded: by how often
an app may ask (once a minute for some), and by what we know, which is where we were
asked lately. So this reads the newest page of those places and no more.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.domain import ChannelKind, IncomingMessage
from app.errors import (
    AccessLost,
    DatabaseUnavailable,
    RateLimited,
    SlackError,
    SlackUnavailable,
)
from app.slack.bot import Bot
from app.slack.incoming import read_event, valid_ts
from app.slack.payloads import Payload, objects_at, text_at
from app.slack.reads import ask
from app.storage.absences import Absence, Absences, KnownPlace
from app.storage.policy import PAST_AFTER

log = logging.getLogger(__name__)

# Seconds. Another process may die while it reads; nothing else happens here later on.
_LOOK_EVERY = 30.0
# Slack: 50 calls a minute, for answers too; and pages of 15 where it gives least.
_PACE = 1.5
_PAGE = 15
_MOST_CALLS = 20
_LONGEST = 1_200.0
_AFTER_AN_OUTAGE = 30.0
# What came in the last moments before the end may not have been acknowledged.
_BEFORE = 60.0


class CatchUp:
    """Takes in the messages of an absence as if they had been sent.

    `take_in` stores a message as any other, so what is known already changes nothing.
    `pause` waits so many seconds.
    """

    def __init__(
        self,
        *,
        client: AsyncWebClient,
        bot: Bot,
        absences: Absences,
        take_in: Callable[[IncomingMessage], Awaitable[None]],
        worker_id: str,
        is_alive: Callable[[], bool],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._bot = bot
        self._absences = absences
        self._take_in = take_in
        self._worker_id = worker_id
        self._is_alive = is_alive
        self._pause = pause

    async def look(self) -> None:
        """Read what the latest absence has left, if no other process does or did."""
        try:
            absence = await self._next()
            if absence is not None:
                await self._read_all(absence)
        except DatabaseUnavailable:
            log.warning("not caught up, the database does not answer")
        await self._pause(_LOOK_EVERY)

    async def _next(self) -> Absence | None:
        if not self._is_alive():
            return None
        return await self._absences.take(self._worker_id)

    async def _read_all(self, absence: Absence) -> None:
        known = await self._absences.known_places(self._bot.team_id, absence)
        places = deque(known)
        begin = max(absence.away_from - _BEFORE, absence.back_at - PAST_AFTER)
        budget = _Budget(self._pause)
        while places and await budget.allows_a_call():
            if not self._is_alive():
                # Whoever is, does it from the beginning.
                return
            try:
                places += await self._read(places[0], begin)
                places.popleft()
            except RateLimited as error:
                await budget.wait(error.retry_after)
            except SlackUnavailable:
                await budget.wait(_AFTER_AN_OUTAGE)
            except AccessLost:
                return
            except SlackError as error:
                telemetry.count("catch_up.refused")
                log.info("a place is not read", extra={"code": error.code})
                places.popleft()
        await self._absences.caught_up(absence)

    async def _read(self, place: KnownPlace, begin: float) -> list[KnownPlace]:
        """Take in what was said in one place; return threads that began there."""
        page = await self._page(place, begin)
        told = sorted(objects_at(page, "messages"), key=_written_at)
        threads = []
        for message in told:
            read = self._as_sent(message, place)
            # With any page of a thread comes its root.
            if _written_at(message) < begin or not isinstance(read, IncomingMessage):
                continue
            telemetry.count("catch_up.messages")
            await self._take_in(read)
            is_ours = read.mentioned or place.kind is ChannelKind.IM
            if place.thread_ts is None and is_ours and message.get("reply_count"):
                threads.append(replace(place, thread_ts=read.ts))
        return threads

    async def _page(self, place: KnownPlace, begin: float) -> object:
        telemetry.count("catch_up.calls")
        channel, oldest = place.channel_id, f"{begin:.6f}"
        if place.thread_ts is None:
            call = self._client.conversations_history(
                channel=channel, oldest=oldest, limit=_PAGE
            )
            return (await ask("conversations.history", call)).data
        call = self._client.conversations_replies(
            channel=channel, ts=place.thread_ts, oldest=oldest, limit=_PAGE
        )
        return (await ask("conversations.replies", call)).data

    def _as_sent(self, message: Payload, place: KnownPlace) -> object:
        # As it reads now: nobody has seen it otherwise, so it is no edit to us.
        event = {key: value for key, value in message.items() if key != "edited"}
        where = {"channel": place.channel_id, "channel_type": place.kind.value}
        return read_event({"event": {**event, "type": "message", **where}}, self._bot)


def _written_at(message: Payload) -> float:
    return float(valid_ts(text_at(message, "ts")) or 0)


class _Budget:
    """How often Slack may still be asked, and for how long."""

    def __init__(self, pause: Callable[[float], Awaitable[None]]) -> None:
        self._pause = pause
        self._calls = 0
        self._waited = 0.0

    async def allows_a_call(self) -> bool:
        """Wait until the next call is due; false when there is none."""
        if self._calls:
            await self.wait(_PACE)
        self._calls += 1
        return self._calls <= _MOST_CALLS and self._waited <= _LONGEST

    async def wait(self, seconds: float) -> None:
        """Let Slack rest."""
        self._waited += seconds
        if self._waited <= _LONGEST:
            await self._pause(seconds)
