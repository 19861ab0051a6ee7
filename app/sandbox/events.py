"""From a change in the workspace to the events that the app gets for it."""

import secrets
from collections.abc import Iterator
from typing import assert_never

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
from app.sandbox.records import Channel, ChannelKind, Json, Message
from app.sandbox.shapes import message_json
from app.sandbox.workspace import Workspace

# Slack: an event comes only if it is subscribed to and the token has its scope.
_MESSAGES = {
    ChannelKind.CHANNEL: ("message.channels", "channels:history"),
    ChannelKind.GROUP: ("message.groups", "groups:history"),
    ChannelKind.IM: ("message.im", "im:history"),
    ChannelKind.MPIM: ("message.mpim", "mpim:history"),
}
_SCOPES = {
    "app_mention": "app_mentions:read",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
    "channel_archive": "channels:read",
    "agent_session_stopped": "assistant:write",
}
SUBSCRIPTIONS = frozenset(
    {
        "agent_session_stopped",
        "app_context_changed",
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "member_joined_channel",
        "member_left_channel",
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
        "reaction_added",
        "reaction_removed",
        "tokens_revoked",
    }
)


class Events:
    """Knows which events the app has asked for, may see, and how they look."""

    def __init__(
        self, workspace: Workspace, scopes: set[str], subscriptions: set[str]
    ) -> None:
        self._workspace = workspace
        self._scopes = scopes
        self._subscriptions = subscriptions

    def of(self, change: Change) -> list[Json]:
        """Return the bodies to deliver, in no order that could be relied upon."""
        return [
            self.wrapped(event) for event in self._raw(change) if self._comes(event)
        ]

    def wrapped(self, event: Json) -> Json:
        """Return an event in the envelope common to all, with an id of its own."""
        identity = self._workspace.identity
        channel = self._workspace.channels.get(_channel_id(event))
        is_shared = channel is not None and self._workspace.is_shared(channel)
        authorization = {
            "enterprise_id": None,
            "team_id": identity.team_id,
            "user_id": identity.bot_user_id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": "sandbox-verification-token",
            "team_id": identity.team_id,
            "context_team_id": identity.team_id,
            "context_enterprise_id": None,
            "api_app_id": identity.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev{secrets.token_hex(5).upper()}",
            "event_time": int(float(event["event_ts"])),
            "authorizations": [authorization],
            "is_ext_shared_channel": is_shared,
            "event_context": f"4-{secrets.token_hex(12)}",
        }

    def _comes(self, event: Json) -> bool:
        channel = self._workspace.channels.get(_channel_id(event))
        is_own_move = event["type"] in ("member_joined_channel", "member_left_channel")
        if channel and not self._workspace.is_bot_in(channel) and not is_own_move:
            return False
        name, scope = event["type"], _SCOPES.get(event["type"])
        if name == "message" and channel is not None:
            name, scope = _MESSAGES[channel.kind]
        return name in self._subscriptions and (scope is None or scope in self._scopes)

    def _raw(self, change: Change) -> Iterator[Json]:
        match change:
            case Posted(message):
                yield self._message(message)
                if self._mentions_bot(message):
                    yield self._mention(message)
            case Changed(_, _, Why.STREAM):
                return
            case Changed(before, after, why):
                yield self._changed(before, after, why)
                if why is Why.EDIT and self._mentions_bot(after):
                    yield self._mention(after)
            case Deleted(message, _):
                yield self._deleted(message)
            case MemberMoved():
                yield self._moved(change)
            case Reacted():
                yield self._reacted(change)
            case Archived(channel_id, by):
                yield {
                    "type": "channel_archive",
                    "channel": channel_id,
                    "user": by,
                    "event_ts": self._workspace.next_ts(),
                }
            case _:
                assert_never(change)

    def _mentions_bot(self, message: Message) -> bool:
        identity = self._workspace.identity
        is_own = message.bot_id == identity.bot_id
        return not is_own and f"<@{identity.bot_user_id}" in message.text

    def _message(self, message: Message) -> Json:
        channel = self._workspace.channels[message.channel_id]
        event = self._shown(message) | {
            "channel": channel.channel_id,
            "event_ts": message.ts,
            "channel_type": channel.kind.value,
        }
        if message.files:
            event["subtype"] = "file_share"
        return event | self._origin(message, channel)

    def _mention(self, message: Message) -> Json:
        """Return the twin of a message with a mention: it lacks `channel_type`."""
        event = self._shown(message) | {
            "type": "app_mention",
            "channel": message.channel_id,
            "event_ts": message.edited.ts if message.edited else message.ts,
        }
        return event | self._origin(
            message, self._workspace.channels[message.channel_id]
        )

    def _changed(self, before: Message, after: Message, why: Why) -> Json:
        replies = self._workspace.replies(after.channel_id, after.ts)
        earlier = replies[:-1] if why is Why.REPLY else replies
        return self._hidden(after.channel_id, "message_changed") | {
            "message": self._shown(after),
            "previous_message": self._shown(before, replies=earlier),
        }

    def _deleted(self, message: Message) -> Json:
        return self._hidden(message.channel_id, "message_deleted") | {
            "previous_message": self._shown(message),
            "deleted_ts": message.ts,
        }

    def _hidden(self, channel_id: str, subtype: str) -> Json:
        ts = self._workspace.next_ts()
        return {
            "type": "message",
            "subtype": subtype,
            "channel": channel_id,
            "hidden": True,
            "ts": ts,
            "event_ts": ts,
            "channel_type": self._workspace.channels[channel_id].kind.value,
        }

    def _moved(self, change: MemberMoved) -> Json:
        channel = self._workspace.channels[change.channel_id]
        word = "joined" if change.joined else "left"
        is_public = channel.kind is ChannelKind.CHANNEL
        return {
            "type": f"member_{word}_channel",
            "user": change.user_id,
            "channel": channel.channel_id,
            "channel_type": "C" if is_public else "G",
            "team": self._workspace.identity.team_id,
            "inviter": change.by,
            "event_ts": self._workspace.next_ts(),
        }

    def _reacted(self, change: Reacted) -> Json:
        message = change.message
        return {
            "type": "reaction_added" if change.added else "reaction_removed",
            "user": change.user_id,
            "reaction": change.name,
            "item": {
                "type": "message",
                "channel": message.channel_id,
                "ts": message.ts,
            },
            "item_user": message.user_id,
            "event_ts": self._workspace.next_ts(),
        }

    def _shown(self, message: Message, replies: list[Message] | None = None) -> Json:
        if replies is None:
            replies = self._workspace.replies(message.channel_id, message.ts)
        return message_json(
            message,
            self._workspace.people.get(message.user_id),
            self._workspace.identity,
            parent=self._workspace.message(message.channel_id, message.thread_ts or ""),
            replies=replies,
        )

    def _origin(self, message: Message, channel: Channel) -> Json:
        """Return the fields that a channel shared with others adds."""
        if not self._workspace.is_shared(channel):
            return {}
        team_id = self._workspace.people[message.user_id].team_id
        return {"user_team": team_id, "source_team": team_id}


def _channel_id(event: Json) -> str:
    return str(event.get("channel") or event.get("item", {}).get("channel", ""))
