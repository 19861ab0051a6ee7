"""The one caller of `chat.*` and `assistant.threads.*`: check, send, translate."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from app import telemetry
from app.domain import SlackThread
from app.errors import (
    AccessLost,
    LeaseLost,
    MessageGone,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
)
from app.slack.blocks import PART_EVENT, Payload
from app.slack.gate import check, check_markdown, check_text
from app.slack.last_look import looking
from app.slack.reads import NO_ANSWER
from app.slack.refusals import translated
from app.slack.text import escape_mrkdwn

log = logging.getLogger(__name__)

_PATIENCE = 20.0
# Seconds before each try to remove what a whole channel sees.
_STRAY_PAUSES = (0.0, 1.0, 10.0)
_PAGE = 100
_MOST_PAGES = 5
# Searches that were broken off and may be gone on with.
_MANY_SEARCHES = 500


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a stream is, in whose workspace."""

    team_id: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnding:
    """With what a stream ends: its last text, and the blocks below all of it."""

    text: str = ""
    blocks: Sequence[Mapping[str, Any]] = ()
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StreamSought:
    """A stream of which nobody knows whether it was begun.

    It is a message of a bot after the moment `after`, in a thread where only we are
    one; all others of ours have a key, and those in `known` are others.
    """

    after: float
    known: frozenset[str]

    def is_it(self, message: Mapping[str, Any]) -> bool:
        """Whether `message`, as Slack gives it, may be the one."""
        ts = str(message.get("ts"))
        is_ours = bool(message.get("bot_id")) and _post_key(message) is None
        return is_ours and ts not in self.known and float(ts) > self.after


@dataclass(slots=True)
class _Search:
    """How far a post has been looked for; `streamed` may be it, if no other is."""

    cursor: str | None = None
    streamed: str | None = None


def _always() -> bool:
    return True


class Outbound:
    """Sends one call at a time and never twice; what goes wrong is one of our errors.

    `may_send` says, just before a call, whether the lease of the turn still holds; if
    not, LeaseLost is raised and nothing is sent. The client must have no retry
    handlers: they would send twice what Slack took without answering. When Slack does
    not know the token any more, `on_access_lost` is told its word for that. `pause`
    waits so many seconds.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        on_access_lost: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._on_access_lost = on_access_lost
        self._pause = pause
        self._searches: OrderedDict[str, _Search] = OrderedDict()

    async def post(
        self, thread: SlackThread, payload: Payload, *, may_send: Callable[[], bool]
    ) -> str:
        """Post into `thread` and return the message's ts.

        Slack puts a reply to a deleted parent into the channel without a word; such a
        stray is removed at once, and PlaceClosed raised.
        """
        check(payload)
        answer = await self._call(
            "chat.postMessage",
            may_send,
            lambda: self._client.chat_postMessage(
                channel=thread.channel_id,
                thread_ts=thread.thread_ts,
                unfurl_links=False,
                unfurl_media=False,
                **_content(payload),
            ),
        )
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise SlackUnavailable("no_ts", "chat.postMessage")
        message = answer.get("message")
        if (
            isinstance(message, Mapping)
            and message.get("thread_ts") != thread.thread_ts
        ):
            await self._remove_stray(thread, ts)
            raise PlaceClosed("thread_gone", "chat.postMessage")
        return ts

    async def update(
        self,
        thread: SlackThread,
        ts: str,
        payload: Payload,
        *,
        may_send: Callable[[], bool],
    ) -> None:
        """Show `payload` whole in the place of the message at `ts`."""
        check(payload)
        await self._call(
            "chat.update",
            may_send,
            lambda: self._client.chat_update(
                channel=thread.channel_id, ts=ts, **_content(payload)
            ),
        )

    async def start_stream(
        self,
        thread: SlackThread,
        text: str,
        reader: Reader,
        *,
        may_send: Callable[[], bool],
    ) -> str:
        """Begin a message in `thread` that grows by appending; return its ts."""
        check_markdown(text)
        answer = await self._call(
            "chat.startStream",
            may_send,
            lambda: self._client.chat_startStream(
                channel=thread.channel_id,
                thread_ts=thread.thread_ts,
                recipient_team_id=reader.team_id,
                recipient_user_id=reader.user_id,
                markdown_text=text,
            ),
        )
        ts = answer.get("ts")
        if not isinstance(ts, str):
            raise SlackUnavailable("no_ts", "chat.startStream")
        return ts

    async def append_stream(
        self, thread: SlackThread, ts: str, text: str, *, may_send: Callable[[], bool]
    ) -> None:
        """Add `text` to the stream at `ts`; it can't be taken back."""
        check_markdown(text)
        await self._call(
            "chat.appendStream",
            may_send,
            lambda: self._client.chat_appendStream(
                channel=thread.channel_id, ts=ts, markdown_text=text
            ),
        )

    async def stop_stream(
        self,
        thread: SlackThread,
        ts: str,
        ending: StreamEnding,
        *,
        may_send: Callable[[], bool],
    ) -> None:
        """End the stream at `ts`; from then on it is a message like any other."""
        check_markdown(ending.text, ending.blocks)
        metadata = ending.metadata
        await self._call(
            "chat.stopStream",
            may_send,
            lambda: self._client.chat_stopStream(
                channel=thread.channel_id,
                ts=ts,
                markdown_text=ending.text or None,
                blocks=[dict(block) for block in ending.blocks] or None,
                metadata=dict(metadata) if metadata else None,
            ),
        )

    async def delete(
        self, thread: SlackThread, ts: str, *, may_send: Callable[[], bool] = _always
    ) -> None:
        """Remove the message at `ts`."""
        await self._call(
            "chat.delete",
            may_send,
            lambda: self._client.chat_delete(channel=thread.channel_id, ts=ts),
        )

    async def set_status(
        self,
        thread: SlackThread,
        status: str,
        *,
        may_send: Callable[[], bool] = _always,
    ) -> None:
        """Show `status` beside the bot's name; empty text takes it away.

        Slack drops it after 2 minutes, and when a message is posted.
        """
        await self._call(
            "assistant.threads.setStatus",
            may_send,
            lambda: self._client.assistant_threads_setStatus(
                channel_id=thread.channel_id,
                thread_ts=thread.thread_ts,
                status=escape_mrkdwn(status),
            ),
        )

    async def post_ephemeral(
        self, thread: SlackThread, user_id: str, text: str, *, in_thread: bool
    ) -> None:
        """Say `text` for one person's eyes alone, in the thread or in its channel.

        Slack shows it in a thread only where somebody has replied there already.
        """
        safe = escape_mrkdwn(text)
        check_text(safe)
        await self._call(
            "chat.postEphemeral",
            _always,
            lambda: self._client.chat_postEphemeral(
                channel=thread.channel_id,
                user=user_id,
                thread_ts=thread.thread_ts if in_thread else None,
                text=safe,
                parse="none",
                link_names=False,
            ),
        )

    async def find(
        self,
        thread: SlackThread,
        post_key: str,
        *,
        since: str = "0",
        stream: StreamSought | None = None,
    ) -> str | None:
        """Return the ts of the message posted with `post_key`, None if there is none.

        Looks at the messages of the thread after `since`, oldest first, as Slack gives
        them. Where that is broken off by an error, SlackUnavailable after many pages,
        the next call for the same key goes on there: it may be that only a page a
        minute is to be had. A `stream` has no key before it ends, and is found by what
        it is.
        """
        search = self._searches.pop(post_key, None) or _Search()
        try:
            for _ in range(_MOST_PAGES):
                answer = await self._replies(thread, since, search.cursor)
                for message in answer.get("messages") or ():
                    if _post_key(message) == post_key:
                        return str(message["ts"])
                    if stream and stream.is_it(message):
                        search.streamed = str(message["ts"])
                metadata = answer.get("response_metadata") or {}
                search.cursor = metadata.get("next_cursor")
                if not search.cursor:
                    return search.streamed
            raise SlackUnavailable("too_many_messages", "conversations.replies")
        except SlackError as error:
            self._break_off(post_key, search, error)
            raise

    def _break_off(self, post_key: str, search: _Search, error: SlackError) -> None:
        if error.code == "invalid_cursor":
            return
        self._searches[post_key] = search
        while len(self._searches) > _MANY_SEARCHES:
            self._searches.popitem(last=False)

    async def _replies(
        self, thread: SlackThread, since: str, cursor: str | None
    ) -> Mapping[str, Any]:
        return await self._call(
            "conversations.replies",
            _always,
            lambda: self._client.conversations_replies(
                channel=thread.channel_id,
                ts=thread.thread_ts,
                oldest=since,
                limit=_PAGE,
                cursor=cursor,
                include_all_metadata=True,
            ),
        )

    async def _remove_stray(self, thread: SlackThread, ts: str) -> None:
        telemetry.count("slack.strays")
        code = ""
        for seconds in _STRAY_PAUSES:
            await self._pause(seconds)
            try:
                await self.delete(thread, ts)
            except MessageGone:
                return
            except SlackError as error:
                code = error.code
            else:
                return
        log.warning("stray message left behind", extra={"code": code})

    async def _call(
        self,
        method: str,
        may_send: Callable[[], bool],
        call: Callable[[], Awaitable[AsyncSlackResponse]],
    ) -> Mapping[str, Any]:
        if not may_send():
            raise LeaseLost
        telemetry.count(f"slack.calls.{method}")
        try:
            async with asyncio.timeout(_PATIENCE):
                with looking(may_send):
                    answer = await call()
        except SlackApiError as error:
            refused = translated(method, error)
            if isinstance(refused, RateLimited):
                telemetry.count(f"slack.rate_limited.{method}")
            if isinstance(refused, AccessLost):
                self._on_access_lost(refused.code)
            raise refused from error
        except TimeoutError as error:
            raise SlackUnavailable("timeout", method) from error
        except NO_ANSWER as error:
            raise SlackUnavailable("no_answer", method) from error
        data = answer.data
        return data if isinstance(data, dict) else {}


def _post_key(message: Mapping[str, Any]) -> object:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != PART_EVENT:
        return None
    return (metadata.get("event_payload") or {}).get("key")


def _content(payload: Payload) -> dict[str, Any]:
    # Slack: an edit without `text` or `blocks` keeps or drops the other, and its
    # `parse` defaults to making links and mentions; so everything is always said.
    return {
        "text": payload.text,
        "blocks": [dict(block) for block in payload.blocks],
        "attachments": [dict(each) for each in payload.attachments or ()],
        "metadata": dict(payload.metadata) if payload.metadata else None,
        "parse": "none",
        "link_names": False,
    }
