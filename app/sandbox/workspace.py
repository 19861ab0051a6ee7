"""The workspace: who is in it, where they talk, and what stands there now."""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

from app.sandbox.changes import (
    Archived,
    Change,
    Changed,
    Deleted,
    MemberMoved,
    Posted,
    Reacted,
    Why,
)
from app.sandbox.founding import (
    Identity,
    direct_channel,
    first_channels,
    first_people,
    new_identity,
)
from app.sandbox.records import Channel, ChannelKind, Edited, Json, Message, Person
from app.sandbox.store import Store

TS = re.compile(r"^\d{1,12}\.\d{6}$")
SLACKBOT = "USLACKBOT"


class Workspace:
    """State and nothing else: no limits, no permissions, no delivery.

    Every change is kept in the store, if there is one, and told to the listeners in
    the order in which it happened.
    """

    def __init__(self, clock: Callable[[], float], store: Store | None) -> None:
        self._clock = clock
        self._store = store
        self._last_ts = 0
        self._listeners: list[Callable[[Change], None]] = []
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        self._messages: dict[str, dict[str, Message]] = {}
        self._threads: dict[tuple[str, str], dict[str, None]] = {}
        self.identity = self._load() or self._found()
        if store is not None:
            store.begin(self._records())

    def _load(self) -> Identity | None:
        identity: Identity | None = None
        for record in self._store.load() if self._store else ():
            match record:
                case {"identity": kept}:
                    identity = Identity(**kept)
                case {"person": kept}:
                    self.people[kept["user_id"]] = Person(**kept)
                case {"channel": kept}:
                    channel = _channel(kept)
                    self.channels[channel.channel_id] = channel
                case {"message": kept}:
                    self._put(message := _message(kept))
                    self._last_ts = max(self._last_ts, _micros(message.ts))
                case {"gone": [channel_id, ts]}:
                    self._drop(channel_id, ts)
        return identity

    def _found(self) -> Identity:
        identity = new_identity()
        people = first_people(identity)
        self.people = {person.user_id: person for person in people}
        for channel in first_channels(people, identity):
            born = replace(channel, created=int(self._clock()))
            self.channels[channel.channel_id] = born
        return identity

    def _records(self) -> Iterable[Json]:
        yield {"identity": asdict(self.identity)}
        for person in self.people.values():
            yield {"person": asdict(person)}
        for channel in self.channels.values():
            yield _channel_record(channel)
        for messages in self._messages.values():
            for message in messages.values():
                yield {"message": asdict(message)}

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` at every change from now on, after it has happened."""
        self._listeners.append(listener)

    # Who and where

    def person(self, who: str) -> Person:
        """Return a member by user id or name; raises LookupError."""
        if who in self.people:
            return self.people[who]
        for person in self.people.values():
            if person.name == who.lower().lstrip("@"):
                return person
        raise LookupError(f"nobody here is called {who}")

    def channel(self, which: str) -> Channel:
        """Return a channel by id, name, `dm:<name>` or `mpdm`; raises LookupError."""
        if which in self.channels:
            return self.channels[which]
        name = which.lstrip("#").lower()
        for channel in self.channels.values():
            is_group = name == "mpdm" and channel.kind is ChannelKind.MPIM
            if channel.name == name or is_group:
                return channel
        raise LookupError(f"there is no channel {which}")

    def direct(self, user_id: str) -> Channel:
        """Return the bot's DM with a person, opened if need be; raises LookupError."""
        person = self.person(user_id)
        for channel in self.channels.values():
            if channel.kind is ChannelKind.IM and person.user_id in channel.members:
                return channel
        opened = direct_channel(person, self.identity.bot_user_id)
        return self._keep_channel(replace(opened, created=int(self._clock())))

    def is_bot_in(self, channel: Channel) -> bool:
        """Whether the app's bot is a member."""
        return self.identity.bot_user_id in channel.members

    def is_shared(self, channel: Channel) -> bool:
        """Whether people of another workspace are in the channel."""
        return any(
            self.people[user_id].team_id != self.identity.team_id
            for user_id in channel.members
            if user_id in self.people
        )

    def put_person(self, person: Person) -> None:
        """Add a member or change what is known of one."""
        self.people[person.user_id] = person
        self._keep(lambda: {"person": asdict(person)})

    # What stands there

    def messages(self, channel_id: str) -> list[Message]:
        """Return a channel's messages and replies, oldest first."""
        return list(self._of(channel_id).values())

    def message(self, channel_id: str, ts: str) -> Message | None:
        """Return one message, unless it is gone."""
        return self._of(channel_id).get(ts)

    def replies(self, channel_id: str, root_ts: str) -> list[Message]:
        """Return the replies in a thread without its root, oldest first."""
        messages = self._of(channel_id)
        return [messages[ts] for ts in self._threads.get((channel_id, root_ts), ())]

    def root_of(self, channel_id: str, thread_ts: str | None) -> Message | None:
        """Return the message under which a reply to `thread_ts` would stand, if any.

        There is none under a deleted root: Slack puts such a reply into the channel.
        """
        root = self._of(channel_id).get(thread_ts or "")
        if root is None or root.is_reply or root.is_tombstone:
            return None
        return root

    def next_ts(self) -> str:
        """Return a timestamp that no message has, later than all before."""
        self._last_ts = max(int(self._clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # What happens

    def post(self, message: Message) -> Message:
        """Add a message, whose ts comes from `next_ts`, in the thread it names."""
        root = self.root_of(message.channel_id, message.thread_ts)
        placed = replace(message, thread_ts=root.ts if root else None)
        self._keep_message(placed)
        self._tell(Posted(placed))
        if root is not None:
            self._tell(Changed(root, root, Why.REPLY))
        return placed

    def change(self, message: Message, why: Why, **fields: Any) -> Message:  # noqa: ANN401 - the fields of Message
        """Change fields of a message; `edited` is the caller's to set."""
        changed = replace(message, revision=message.revision + 1, **fields)
        self._keep_message(changed)
        self._tell(Changed(message, changed, why))
        return changed

    def delete(self, message: Message, by: str) -> None:
        """Remove a message; a root with replies leaves a tombstone for them."""
        if self.replies(message.channel_id, message.ts):
            self.change(
                message,
                Why.TOMBSTONE,
                text="This message was deleted.",
                user_id=SLACKBOT,
                bot_id=None,
                blocks=(),
                attachments=(),
                metadata=None,
                files=(),
                client_msg_id=None,
                edited=None,
                reactions={},
                subtype="tombstone",
            )
            return
        self._drop(message.channel_id, message.ts)
        self._keep(lambda: {"gone": [message.channel_id, message.ts]})
        self._tell(Deleted(message, by))

    def react(self, message: Message, user_id: str, name: str, *, added: bool) -> None:
        """Put an emoji on a message or take it away; repeating changes nothing."""
        users = message.reactions.get(name, ())
        if (user_id in users) == added:
            return
        others = tuple(user for user in users if user != user_id)
        now = (*others, user_id) if added else others
        reactions = {**message.reactions, name: now}
        if not now:
            del reactions[name]
        changed = replace(message, reactions=reactions)
        self._keep_message(changed)
        self._tell(Reacted(changed, user_id, name, added))

    def move(self, channel: Channel, user_id: str, *, joined: bool, by: str) -> None:
        """Let somebody join a channel or leave it; repeating changes nothing."""
        if (user_id in channel.members) == joined:
            return
        members = channel.members | {user_id} if joined else channel.members - {user_id}
        self._keep_channel(replace(channel, members=members))
        self._tell(MemberMoved(channel.channel_id, user_id, joined, by))

    def archive(self, channel: Channel, by: str) -> None:
        """Close a channel for ever."""
        self._keep_channel(replace(channel, is_archived=True))
        self._tell(Archived(channel.channel_id, by))

    # Keeping

    def _of(self, channel_id: str) -> dict[str, Message]:
        return self._messages.setdefault(channel_id, {})

    def _put(self, message: Message) -> None:
        self._of(message.channel_id)[message.ts] = message
        if message.is_reply and message.thread_ts:
            thread = (message.channel_id, message.thread_ts)
            self._threads.setdefault(thread, {})[message.ts] = None

    def _drop(self, channel_id: str, ts: str) -> None:
        message = self._of(channel_id).pop(ts, None)
        if message is not None and message.thread_ts:
            self._threads.get((channel_id, message.thread_ts), {}).pop(ts, None)

    def _keep_message(self, message: Message) -> None:
        self._put(message)
        self._keep(lambda: {"message": asdict(message)})

    def _keep_channel(self, channel: Channel) -> Channel:
        self.channels[channel.channel_id] = channel
        self._keep(lambda: _channel_record(channel))
        return channel

    def _keep(self, record: Callable[[], Json]) -> None:
        if self._store is None:
            return
        self._store.add(record())
        if self._store.is_long:
            self._store.begin(self._records())

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)


def _micros(ts: str) -> int:
    seconds, _, micros = ts.partition(".")
    return int(seconds) * 1_000_000 + int(micros)


def _channel_record(channel: Channel) -> Json:
    return {"channel": {**asdict(channel), "members": sorted(channel.members)}}


def _channel(kept: Json) -> Channel:
    members, kind = frozenset(kept["members"]), ChannelKind(kept["kind"])
    return Channel(**{**kept, "members": members, "kind": kind})


def _message(kept: Json) -> Message:
    edited = Edited(**kept["edited"]) if kept["edited"] else None
    tuples = {name: tuple(kept[name]) for name in ("blocks", "attachments", "files")}
    users = {name: tuple(users) for name, users in kept["reactions"].items()}
    return Message(**{**kept, **tuples, "edited": edited, "reactions": users})
