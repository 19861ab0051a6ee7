"""The JSON in which Slack speaks of people, channels and messages."""

import re
from collections.abc import Sequence

from app.sandbox.founding import Identity
from app.sandbox.records import Channel, ChannelKind, Json, Message, Person

_TOKENS = re.compile(
    r"<@(?P<user>[UW]\w+)(?:\|[^>]*)?>|<!(?P<range>channel|here|everyone)>"
    r"|<(?P<url>https?://[^|<>]+)(?:\|[^<>]*)?>"
)
_REPLIERS_SHOWN = 5


def message_json(
    message: Message,
    author: Person | None,
    identity: Identity,
    *,
    parent: Message | None = None,
    replies: Sequence[Message] | None = None,
    with_metadata: bool = True,
) -> Json:
    """Return a message as events and methods show it.

    `parent` is the root of a reply; `replies` are those of a root that has any.
    """
    shown: Json = {
        "user": message.user_id,
        "type": "message",
        "ts": message.ts,
        "text": message.text,
        "team": author.team_id if author else identity.team_id,
        "blocks": list(message.blocks) or _rich_text(message),
    }
    if message.bot_id is not None:
        shown |= _bot_fields(message, author, identity)
    elif message.client_msg_id is not None:
        shown["client_msg_id"] = message.client_msg_id
    if message.attachments:
        shown["attachments"] = list(message.attachments)
    if message.files:
        shown |= {"files": list(message.files), "upload": False}
    if message.subtype is not None:
        shown["subtype"] = message.subtype
    shown |= {"hidden": True} if message.is_tombstone else {}
    if message.edited is not None:
        shown["edited"] = {"user": message.edited.user_id, "ts": message.edited.ts}
    if message.streaming_state is not None:
        shown["streaming_state"] = message.streaming_state
    if message.metadata is not None and with_metadata:
        shown["metadata"] = message.metadata
    if message.reactions:
        shown["reactions"] = [
            {"name": name, "users": list(users), "count": len(users)}
            for name, users in message.reactions.items()
        ]
    return shown | _thread_fields(message, parent, replies or ())


def _thread_fields(
    message: Message, parent: Message | None, replies: Sequence[Message]
) -> Json:
    if message.is_reply:
        fields: Json = {"thread_ts": message.thread_ts}
        if parent is not None:
            fields["parent_user_id"] = parent.user_id
        return fields
    if not replies:
        return {}
    users = list(dict.fromkeys(reply.user_id for reply in replies))
    return {
        "thread_ts": message.ts,
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "reply_users": users[:_REPLIERS_SHOWN],
        "latest_reply": replies[-1].ts,
        "is_locked": False,
        "subscribed": False,
    }


def _bot_fields(message: Message, author: Person | None, identity: Identity) -> Json:
    is_ours = message.bot_id == identity.bot_id
    app_id = identity.app_id if is_ours else f"A{(message.bot_id or '')[1:]}"
    return {
        "bot_id": message.bot_id,
        "app_id": app_id,
        "bot_profile": {
            "id": message.bot_id,
            "app_id": app_id,
            "user_id": message.user_id,
            "name": author.name if author else "bot",
            "deleted": False,
            "team_id": identity.team_id,
        },
    }


def _rich_text(message: Message) -> list[Json]:
    """Return the block into which Slack turns what a person types."""
    if message.bot_id is not None or message.subtype == "tombstone" or not message.text:
        return []
    elements: list[Json] = []
    at = 0
    for match in _TOKENS.finditer(message.text):
        elements += _plain(message.text[at : match.start()])
        if match["user"]:
            elements.append({"type": "user", "user_id": match["user"]})
        elif match["range"]:
            elements.append({"type": "broadcast", "range": match["range"]})
        else:
            elements.append({"type": "link", "url": unescaped(match["url"])})
        at = match.end()
    elements += _plain(message.text[at:])
    section = {"type": "rich_text_section", "elements": elements}
    return [
        {
            "type": "rich_text",
            "block_id": f"b{message.ts[-6:]}{message.revision}",
            "elements": [section],
        }
    ]


def _plain(text: str) -> list[Json]:
    return [{"type": "text", "text": unescaped(text)}] if text else []


def escaped(text: str) -> str:
    """Escape the three characters that Slack escapes in what people type."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescaped(text: str) -> str:
    """Undo `escaped`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def person_json(person: Person) -> Json:
    """Return a member as `users.info` does with the scope `users:read`."""
    profile: Json = {
        "real_name": person.real_name,
        "display_name": person.real_name,
        "real_name_normalized": person.real_name,
        "display_name_normalized": person.real_name,
        "team": person.team_id,
    }
    if person.bot_id is not None:
        profile["bot_id"] = person.bot_id
    return {
        "id": person.user_id,
        "team_id": person.team_id,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": person.deleted,
        "tz": person.tz,
        "profile": profile,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "is_restricted": person.is_restricted or person.is_ultra_restricted,
        "is_ultra_restricted": person.is_ultra_restricted,
        "is_admin": False,
        "is_owner": False,
        "is_stranger": person.is_stranger,
        "updated": 0,
    }


def channel_json(channel: Channel, identity: Identity, *, is_shared: bool) -> Json:
    """Return a channel as `conversations.info` does."""
    shown: Json = {
        "id": channel.channel_id,
        "created": channel.created,
        "is_archived": channel.is_archived,
        "is_channel": channel.kind is ChannelKind.CHANNEL,
        "is_group": channel.kind is ChannelKind.GROUP,
        "is_im": channel.kind is ChannelKind.IM,
        "is_mpim": channel.kind is ChannelKind.MPIM,
        "is_private": channel.kind is not ChannelKind.CHANNEL,
        "is_member": identity.bot_user_id in channel.members,
        "is_shared": is_shared,
        "is_ext_shared": is_shared,
        "is_org_shared": False,
        "context_team_id": identity.team_id,
    }
    if channel.kind is ChannelKind.IM:
        (person,) = channel.members - {identity.bot_user_id}
        return shown | {"user": person, "is_open": True}
    return shown | {
        "name": channel.name,
        "name_normalized": channel.name,
        "num_members": len(channel.members),
    }
