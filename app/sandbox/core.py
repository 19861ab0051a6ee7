"""All that one sandboxed Slack knows, wired together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.changes import Change, Changed, Deleted, Posted, Why
from app.sandbox.delivery import Dispatcher
from app.sandbox.events import Events
from app.sandbox.faults import Faults
from app.sandbox.feed import Feed
from app.sandbox.journal import Journal
from app.sandbox.limits import Limiter
from app.sandbox.mentions import (
    followers_by,
    images,
    links,
    live_tokens,
    notifications,
)
from app.sandbox.records import Ephemeral, Fetch, Json, Message, Notification, clickable
from app.sandbox.shapes import message_json
from app.sandbox.socket import SocketHub
from app.sandbox.status import Statuses
from app.sandbox.streams import Stream, Streams
from app.sandbox.views import Views
from app.sandbox.workspace import Workspace

_KEPT = 5000
# Slack unfolds a link once the message is there, as a change of its own.
_UNFURL_AFTER = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveToken:
    """Something in a payload of the app that Slack would bring to life."""

    method: str
    channel_id: str
    token: str


@dataclass(slots=True, kw_only=True)
class Seen:
    """What people and the outside world noticed; each list keeps the latest."""

    ephemerals: deque[Ephemeral] = field(default_factory=lambda: deque(maxlen=_KEPT))
    told: deque[Notification] = field(default_factory=lambda: deque(maxlen=_KEPT))
    fetches: deque[Fetch] = field(default_factory=lambda: deque(maxlen=_KEPT))
    live_tokens: deque[LiveToken] = field(default_factory=lambda: deque(maxlen=_KEPT))


@dataclass(slots=True, kw_only=True)
class Core:
    """The parts, wired: a change in the workspace becomes events and notifications."""

    clock: Callable[[], float]
    feed: Feed
    workspace: Workspace
    scopes: set[str]
    subscriptions: set[str]
    events: Events
    limiter: Limiter
    journal: Journal
    faults: Faults
    dispatcher: Dispatcher
    sockets: SocketHub
    statuses: Statuses
    streams: Streams
    views: Views
    base_url: str = ""
    # Slack's word for why the bot's token is not taken, if it is not.
    token_refused: str | None = None
    seen: Seen = field(default_factory=Seen)
    # A person may click what their screen still shows although it is gone by now.
    buttons: dict[tuple[str, str], dict[str, Json]] = field(default_factory=dict)
    _threads: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _unfolding: set[asyncio.TimerHandle] = field(default_factory=set)

    def happened(self, change: Change) -> None:
        """Tell the app and the people of a change, and do what Slack does by itself."""
        for body in self.events.of(change):
            self.dispatcher.event(body)
        match change:
            case Posted(message):
                self._posted(message)
                self.feed.publish("posted", lambda: {"message": self.shown(message)})
            case Changed(before, after, why):
                self._remember_buttons(after)
                if why is Why.EDIT:
                    self._look_at_links(after, known=links(before))
                self.feed.publish(
                    "changed",
                    lambda: {"message": self.shown(after), "why": why.value},
                )
            case Deleted(message, _):
                self.streams.end(message)
                gone = {"channel": message.channel_id, "ts": message.ts}
                self.feed.publish("deleted", lambda: gone)
            case _:
                self.feed.publish("workspace", dict)

    def shown(self, message: Message) -> Json:
        """Return a message as the page draws it."""
        author = self.workspace.people.get(message.user_id)
        replies = self.workspace.replies(message.channel_id, message.ts)
        shown = message_json(message, author, self.workspace.identity, replies=replies)
        return {
            **shown,
            "blocks": list(message.blocks),
            "channel": message.channel_id,
            "author": author.real_name if author else "Slack",
        }

    def shown_in_private(self, ephemeral: Ephemeral) -> Json:
        """Return an ephemeral message as the page draws it."""
        bot = self.workspace.identity.bot_user_id
        message = {
            "user": bot,
            "author": self.workspace.people[bot].real_name,
            "channel": ephemeral.channel_id,
            "ts": ephemeral.ts,
            "text": ephemeral.text,
            "blocks": list(ephemeral.blocks),
            "attachments": list(ephemeral.attachments),
            "is_ephemeral": True,
        }
        if ephemeral.thread_ts is not None:
            message["thread_ts"] = ephemeral.thread_ts
        return message

    def told_in_private(self, ephemeral: Ephemeral) -> None:
        """Show a message to one person."""
        self.seen.ephemerals.append(ephemeral)
        self._remember_buttons(ephemeral)
        self.feed.publish(
            "ephemeral",
            lambda: {
                "for": ephemeral.user_id,
                "message": self.shown_in_private(ephemeral),
            },
        )

    def note_live(self, method: str, channel_id: str, *parts: object) -> None:
        """Remember what a payload of the app would bring to life."""
        for token in live_tokens(*parts):
            self.seen.live_tokens.append(
                LiveToken(method=method, channel_id=channel_id, token=token)
            )

    def set_status(
        self, channel_id: str, thread_ts: str, text: str, loading: Sequence[str] = ()
    ) -> None:
        """Show what the app is doing in a thread."""
        self.statuses.set(channel_id, thread_ts, text, tuple(loading))
        self._publish_status(channel_id, thread_ts, text)

    def end_stream(
        self,
        stream: Stream,
        *,
        by_person: bool = False,
        **fields: Any,  # noqa: ANN401 - the fields of Message
    ) -> Message:
        """End a stream and tell people that there is something to read."""
        message = self.workspace.message(stream.channel_id, stream.ts)
        if message is None:
            raise LookupError(f"there is no message {stream.ts}")
        self.streams.end(message, by_person=by_person)
        ended = self.workspace.change(
            message, Why.EDIT, streaming_state="completed", **fields
        )
        self._notify(ended)
        return ended

    def end_old_streams(self) -> None:
        """End the streams that Slack has kept open for long enough."""
        for stream in self.streams.too_old():
            if self.workspace.message(stream.channel_id, stream.ts):
                self.end_stream(stream)

    def close(self) -> None:
        """Unfold no link any more."""
        for timer in self._unfolding:
            timer.cancel()

    def _publish_status(self, channel_id: str, thread_ts: str, text: str) -> None:
        status = {"channel": channel_id, "thread_ts": thread_ts, "status": text}
        self.feed.publish("status", lambda: status)

    def _posted(self, message: Message) -> None:
        workspace = self.workspace
        channel = workspace.channels[message.channel_id]
        place = message.thread_ts or message.ts
        # Slack: a message of the app in the thread clears its status there.
        is_ours = message.bot_id == workspace.identity.bot_id
        if is_ours and self.statuses.clear(channel.channel_id, place):
            self._publish_status(channel.channel_id, place, "")
        self._remember_buttons(message)
        # Slack: of a stream people are told when it ends, and not when it begins.
        if message.streaming_state is None:
            self._notify(message)
        self._look_at_links(message, known=())

    def _notify(self, message: Message) -> None:
        workspace = self.workspace
        channel = workspace.channels[message.channel_id]
        humans = [
            person.user_id for person in workspace.people.values() if not person.is_bot
        ]
        followers = self._followers(message)
        for told in notifications(message, channel, followers, humans):
            self.seen.told.append(told)
            self._publish_notification(told, message.thread_ts)

    def _followers(self, message: Message) -> set[str]:
        """Return who took part before the message, which counts from now on."""
        place, root_ts = message.channel_id, message.thread_ts or message.ts
        followers = self._threads.get((place, root_ts))
        if followers is None:
            root = self.workspace.message(place, root_ts)
            thread = [
                *([root] if root else []),
                *self.workspace.replies(place, root_ts),
            ]
            earlier = [one for one in thread if one.ts != message.ts]
            followers = {who for one in earlier for who in followers_by(one)}
        self._threads[place, root_ts] = followers | followers_by(message)
        return followers

    def _publish_notification(self, told: Notification, thread_ts: str | None) -> None:
        self.feed.publish(
            "notification",
            lambda: {
                "for": told.user_id,
                "why": told.why,
                "text": told.text,
                "channel": told.channel_id,
                "ts": told.ts,
                "thread_ts": thread_ts,
            },
        )

    def _remember_buttons(self, message: Message | Ephemeral) -> None:
        for element in clickable(message):
            known = self.buttons.setdefault((message.channel_id, message.ts), {})
            known[str(element["action_id"])] = element

    def _look_at_links(self, message: Message, known: Sequence[str]) -> None:
        found = links(message) if message.unfurl_links or message.unfurl_media else []
        fresh = [url for url in found if url not in known]
        for why, urls in (("unfurl", fresh), ("image", images(message))):
            for url in urls:
                self.seen.fetches.append(
                    Fetch(
                        url=url,
                        author_id=message.user_id,
                        channel_id=message.channel_id,
                        ts=message.ts,
                        why=why,
                    )
                )
        if fresh:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(_UNFURL_AFTER, self._unfold, message, fresh)
            self._unfolding = {t for t in self._unfolding if t.when() > loop.time()}
            self._unfolding.add(timer)

    def _unfold(self, message: Message, urls: list[str]) -> None:
        now = self.workspace.message(message.channel_id, message.ts)
        if now is None or now.is_tombstone:
            return
        cards = tuple(
            {"from_url": url, "original_url": url, "fallback": url, "title": url}
            for url in urls
        )
        attachments = (*now.attachments, *cards)
        self.workspace.change(now, Why.UNFURL, attachments=attachments)
