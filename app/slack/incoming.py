"""From Slack's event to our words; pure.

Everything that is not a person's message, a real edit of one, or its removal is
dropped here by its shape, before the database. So is a channel message that neither
mentions the bot nor stands in a thread: nothing of it is kept.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from app.domain import (
    ChannelKind,
    DeletedMessage,
    DeletedReply,
    IncomingMessage,
    SharedFile,
    SlackThread,
)
from app.slack.bot import Bot
from app.slack.payloads import Payload, object_at, objects_at, text_at

MAX_TEXT = 40_000
MAX_FILES = 20
_MAX_NAME = 100

_TS = re.compile(r"[0-9]{1,12}\.[0-9]{6}")
_ID = re.compile(r"[A-Z][A-Z0-9]{1,31}")
_CLIENT_MSG_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SOMEBODY = re.compile(r"<(?:@[UW][A-Z0-9]+|!subteam\^|!here|!channel|!everyone)")
# Neither database takes a lone surrogate, and Postgres no NUL.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_MESSAGE_SUBTYPES = frozenset(
    {"bot_message", "file_share", "me_message", "thread_broadcast"}
)
_CHANNEL_KINDS = {
    "app_home": ChannelKind.IM,
    "channel": ChannelKind.CHANNEL,
    "group": ChannelKind.GROUP,
    "im": ChannelKind.IM,
    "mpim": ChannelKind.MPIM,
}
_KINDS_BY_PREFIX = {"D": ChannelKind.IM, "G": ChannelKind.GROUP}


@dataclass(frozen=True, slots=True)
class Dropped:
    """An event that is none of our business; `reason` is a fixed phrase."""

    reason: str


Read = IncomingMessage | DeletedMessage | DeletedReply | Dropped


def read_event(body: Payload, bot: Bot) -> Read:
    """Return what an Events API payload says, in our words."""
    event = object_at(body, "event")
    match event.get("type"), event.get("subtype"):
        case "app_mention", _:
            return _read_message(event, event, body, bot)
        case "message", "message_changed":
            return _read_edit(event, body, bot)
        case "message", "message_deleted":
            return _read_deletion(event, bot)
        case "message", _:
            return _read_message(event, event, body, bot)
        case _:
            return Dropped("not a message")


def is_message(message: Payload) -> bool:
    """Whether somebody wrote this, as opposed to Slack telling what happened."""
    if message.get("subtype") is None:
        return True
    return text_at(message, "subtype") in _MESSAGE_SUBTYPES


def is_own(message: Payload, bot: Bot) -> bool:
    """Whether this bot wrote the message."""
    return (
        message.get("user") == bot.user_id
        or message.get("bot_id") == bot.bot_id
        or (bot.app_id is not None and message.get("app_id") == bot.app_id)
    )


def is_from_bot(message: Payload) -> bool:
    """Whether a program wrote the message, under whatever name."""
    return bool(
        message.get("bot_id")
        or message.get("bot_profile")
        or message.get("subtype") == "bot_message"
        or message.get("user") == "USLACKBOT"
    )


def shared_files(message: Payload) -> tuple[SharedFile, ...]:
    """Return the outside of a message's files, at most twenty of them."""
    files = [
        SharedFile(
            file_id=file_id,
            name=_line(text_at(file, "name") or text_at(file, "title") or "file"),
            mimetype=_line(text_at(file, "mimetype") or "application/octet-stream"),
        )
        for file in objects_at(message, "files")
        if (file_id := _matching(_ID, text_at(file, "id")))
        and file.get("mode") != "tombstone"
    ]
    return tuple(files[:MAX_FILES])


def storable(text: str) -> str:
    """Return `text` bounded, and without what a database refuses."""
    return _UNSTORABLE.sub("\ufffd", text[:MAX_TEXT])


def valid_ts(value: object) -> str | None:
    """Return `value` if it is a Slack timestamp, else None."""
    return _matching(_TS, value)


def _read_message(
    message: Payload,
    event: Payload,
    body: Payload,
    bot: Bot,
    edited_ts: str | None = None,
) -> IncomingMessage | Dropped:
    if not is_message(message):
        return Dropped("subtype")
    if is_own(message, bot):
        return Dropped("own")
    place = _place(message, event, bot)
    author_id = _author(message)
    if place is None or author_id is None:
        return Dropped("malformed")
    raw = text_at(message, "text") or ""
    author_team_id = _author_team(message, event)
    client_msg_id = text_at(message, "client_msg_id")
    read = IncomingMessage(
        thread=place.thread,
        ts=place.ts,
        author_id=author_id,
        author_team_id=author_team_id,
        text=storable(_without_mentions(raw, bot)),
        mentioned=event.get("type") == "app_mention" or _mentions(raw, bot),
        channel_kind=place.kind,
        files=shared_files(message),
        client_msg_id=_matching(_CLIENT_MSG_ID, client_msg_id),
        edited_ts=edited_ts or valid_ts(text_at(message, "edited", "ts")),
        mentions_other_first=_opens_with_another(raw, bot),
        from_bot=is_from_bot(message),
        bot_id=_matching(_ID, text_at(message, "bot_id")),
        external=_is_external(author_team_id, body, bot),
    )
    before = text_at(event, "previous_message", "text") or ""
    if _is_unrelated(read, message) and not _mentions(before, bot):
        return Dropped("unrelated")
    return read


def _read_edit(event: Payload, body: Payload, bot: Bot) -> Read:
    message = object_at(event, "message")
    if message.get("subtype") == "tombstone":
        return _deleted(event, text_at(message, "ts"), bot)
    if not _is_real_edit(message, object_at(event, "previous_message")):
        return Dropped("no real edit")
    edited_ts = _version(message, event)
    if edited_ts is None:
        return Dropped("malformed")
    return _read_message(message, event, body, bot, edited_ts)


def _is_real_edit(message: Payload, before: Payload) -> bool:
    """Slack tells of unfurls, reply counts and our own edits in the same way."""
    if not before:
        return bool(object_at(message, "edited"))
    return message.get("text") != before.get("text") or _file_ids(message) != _file_ids(
        before
    )


def _file_ids(message: Payload) -> list[str]:
    return [file.file_id for file in shared_files(message)]


def _version(message: Payload, event: Payload) -> str | None:
    """When the edit was made.

    Slack dates `edited.ts` in whole seconds; the event's own ts tells two edits of one
    second apart.
    """
    dates = text_at(message, "edited", "ts"), text_at(event, "ts")
    valid = [date for date in dates if valid_ts(date)]
    return max((date for date in valid if date), key=float, default=None)


def _read_deletion(event: Payload, bot: Bot) -> DeletedMessage | DeletedReply | Dropped:
    before = object_at(event, "previous_message")
    if before and is_own(before, bot):
        return _deleted_reply(before, event, bot)
    if before and not before.get("edited") and _was_never_ours(before, event, bot):
        return Dropped("unrelated")
    return _deleted(event, text_at(event, "deleted_ts"), bot)


def _deleted_reply(before: Payload, event: Payload, bot: Bot) -> DeletedReply | Dropped:
    place = _place(before, event, bot)
    if place is None or place.ts == place.thread.thread_ts:
        # All that we write stands in threads of others.
        return Dropped("own")
    return DeletedReply(thread=place.thread, ts=place.ts)


def _was_never_ours(before: Payload, event: Payload, bot: Bot) -> bool:
    channel_id = text_at(event, "channel") or ""
    return (
        _channel_kind(event, channel_id) is not ChannelKind.IM
        and "thread_ts" not in before
        and not _mentions(text_at(before, "text") or "", bot)
    )


def _deleted(event: Payload, ts: str | None, bot: Bot) -> DeletedMessage | Dropped:
    channel_id = _matching(_ID, text_at(event, "channel"))
    if channel_id is None or valid_ts(ts) is None or ts is None:
        return Dropped("malformed")
    before = object_at(event, "previous_message")
    return DeletedMessage(
        team_id=bot.team_id,
        channel_id=channel_id,
        ts=ts,
        thread_ts=valid_ts(text_at(before, "thread_ts")),
        mentioned=_mentions(text_at(before, "text") or "", bot),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    thread: SlackThread
    ts: str
    kind: ChannelKind


def _place(message: Payload, event: Payload, bot: Bot) -> _Place | None:
    channel_id = _matching(_ID, text_at(event, "channel"))
    ts = valid_ts(text_at(message, "ts"))
    thread_ts = valid_ts(text_at(message, "thread_ts"))
    is_thread_known = thread_ts or message.get("thread_ts") is None
    if channel_id is None or ts is None or not is_thread_known:
        return None
    thread = SlackThread(
        team_id=bot.team_id, channel_id=channel_id, thread_ts=thread_ts or ts
    )
    return _Place(thread, ts, _channel_kind(event, channel_id))


def _channel_kind(event: Payload, channel_id: str) -> ChannelKind:
    """Slack leaves `channel_type` out of `app_mention`; the id's first letter helps."""
    return _CHANNEL_KINDS.get(
        text_at(event, "channel_type") or "",
        _KINDS_BY_PREFIX.get(channel_id[:1], ChannelKind.CHANNEL),
    )


def _author(message: Payload) -> str | None:
    return _matching(_ID, text_at(message, "user") or text_at(message, "bot_id"))


def _author_team(message: Payload, event: Payload) -> str | None:
    for source in (message, event):
        for key in ("user_team", "team"):
            if team_id := _matching(_ID, text_at(source, key)):
                return team_id
    return None


def _is_external(author_team_id: str | None, body: Payload, bot: Bot) -> bool:
    """Whether the author belongs to another organisation.

    Slack Connect: in a shared channel an author of unknown team is taken for one.
    """
    is_shared = body.get("is_ext_shared_channel")
    if author_team_id is None:
        return is_shared is True
    enterprise_id = text_at(body, "enterprise_id") or next(
        (text_at(each, "enterprise_id") for each in objects_at(body, "authorizations")),
        None,
    )
    if author_team_id in (bot.team_id, enterprise_id):
        return False
    # Workspaces of one Enterprise organisation share channels without being strangers.
    return not (enterprise_id and is_shared is False)


def _is_unrelated(read: IncomingMessage, message: Payload) -> bool:
    return (
        read.channel_kind is not ChannelKind.IM
        and not read.mentioned
        and message.get("thread_ts") is None
    )


@lru_cache(maxsize=64)
def _mention(user_id: str) -> re.Pattern[str]:
    return re.compile(rf"<@{re.escape(user_id)}(?:\|[^<>|]*)?>")


def _mentions(raw: str, bot: Bot) -> bool:
    return _mention(bot.user_id).search(raw) is not None


def _opens_with_another(raw: str, bot: Bot) -> bool:
    text = raw.lstrip()
    if _mention(bot.user_id).match(text):
        return False
    return _SOMEBODY.match(text) is not None


def _without_mentions(raw: str, bot: Bot) -> str:
    """Return what is said to the bot, without the calling of its name."""
    mention = _mention(bot.user_id)
    text = raw[:MAX_TEXT].lstrip()
    while found := mention.match(text):
        text = text[found.end() :]
        # "@bot: hello", but not the colon of "@bot :wave:".
        if text[:1] in (":", ",") and (not text[1:2].strip()):
            text = text[1:]
        text = text.lstrip()
    return re.sub(f"[ \t]?{mention.pattern}", "", text).strip()


def _line(text: str) -> str:
    return _CONTROLS.sub(" ", text)[:_MAX_NAME].strip()


def _matching(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
