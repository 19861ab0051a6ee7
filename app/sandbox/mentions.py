"""What in a message would reach out: pings, and links that Slack would fetch."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from app.sandbox.records import Channel, ChannelKind, Json, Message, Notification

# Slack parses these tokens in mrkdwn and inside markdown blocks alike; whether code
# spans stop it there is unverified, so here they do not.
_TOKEN = re.compile(
    r"<(?:(?P<everyone>!(?:channel|here|everyone))|!subteam\^(?P<group>\w+)"
    r"|@(?P<user>[UW]\w+))(?:\|[^<>]*)?>"
)
_ANY_TOKEN = re.compile(r"<(?:[!@#][^<>\s]+[^<>]*|(?:https?|mailto):[^<>]+)>")
_LINK_TOKEN = re.compile(r"<(https?://[^|<>]+)(?:\|[^<>]*)?>")
_MARKDOWN_LINK = re.compile(r"\]\(\s*<?(https?://[^\s<>)]+)")
_BARE_LINK = re.compile(r"https?://[^\s<>|)\]}\"'`]*[^\s<>|)\]}\"'`.,;:!?]")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_SILENT = frozenset(
    {"type", "action_id", "block_id", "value", "style", "color", "image_url"}
)
_IMAGE_KEYS = ("image_url", "thumb_url", "author_icon", "footer_icon", "thumbnail_url")


@dataclass(frozen=True, slots=True)
class _Pings:
    users: frozenset[str]
    broadcast: str | None
    group: str | None


def parsed_texts(parts: Sequence[object]) -> Iterator[str]:
    """Yield every piece of text in which Slack looks for its tokens."""
    for part in parts:
        match part:
            case str():
                yield part
            case list() | tuple():
                yield from parsed_texts(part)
            case {"type": "plain_text"}:
                continue
            case dict():
                silent = _SILENT | ({"url"} if part.get("type") == "button" else set())
                yield from parsed_texts(
                    [value for key, value in part.items() if key not in silent]
                )


def live_tokens(*parts: object) -> list[str]:
    """Return every token that Slack would make live: pings, channels, links."""
    return [
        match.group()
        for text in parsed_texts(parts)
        for match in _ANY_TOKEN.finditer(text)
    ]


def links(message: Message) -> list[str]:
    """Return the links in a message that Slack may unfold, each once, in order."""
    found: dict[str, None] = {}
    shown: list[object] = [*message.blocks, *message.attachments]
    for text in parsed_texts([message.text, *shown]):
        plain = _CODE.sub(" ", text)
        for match in _LINK_TOKEN.finditer(text):
            found[match.group(1)] = None
        for pattern in (_MARKDOWN_LINK, _BARE_LINK):
            for match in pattern.finditer(plain):
                found[match.group(match.lastindex or 0)] = None
    return list(found)


def images(message: Message) -> list[str]:
    """Return the pictures that Slack's servers fetch to show the message."""
    return list(_images([*message.blocks, *message.attachments]))


def _images(parts: Sequence[object]) -> Iterator[str]:
    for part in parts:
        match part:
            case dict():
                for key, value in part.items():
                    if key in _IMAGE_KEYS and isinstance(value, str):
                        yield value
                    else:
                        yield from _images([value])
            case list():
                yield from _images(part)


def notifications(
    message: Message,
    channel: Channel,
    followers: Collection[str],
    humans: Collection[str],
) -> list[Notification]:
    """Return whom Slack tells about a new message, and why.

    `followers` take part in the message's thread, `humans` are all who can be told; an
    edited message is told to nobody, so do not ask.
    """
    pings = _pings(message)
    told = []
    for user_id in sorted(channel.members.intersection(humans) - {message.user_id}):
        why = _why(user_id, pings, channel, followers)
        if why is not None:
            told.append(
                Notification(
                    user_id=user_id,
                    channel_id=channel.channel_id,
                    ts=message.ts,
                    why=why,
                    text=message.text or message.seen,
                )
            )
    return told


def followers_by(message: Message) -> frozenset[str]:
    """Return who takes part in a thread because of a message in it."""
    return frozenset({message.user_id}) | _pings(message).users


def _why(
    user_id: str, pings: _Pings, channel: Channel, followers: Collection[str]
) -> str | None:
    if user_id in pings.users:
        return "mention"
    if pings.broadcast is not None:
        return pings.broadcast
    if pings.group is not None:
        return "usergroup"
    if channel.kind in (ChannelKind.IM, ChannelKind.MPIM):
        return "dm"
    return "thread" if user_id in followers else None


def _pings(message: Message) -> _Pings:
    users, broadcast, group = set(), None, None
    parts: list[object] = [message.text, *message.blocks, *message.attachments]
    for text in parsed_texts(parts):
        for match in _TOKEN.finditer(text):
            if match["user"]:
                users.add(match["user"])
            broadcast = broadcast or (match["everyone"] or "").lstrip("!") or None
            group = group or match["group"]
    rich = list(_rich_pings(parts))
    users |= {str(element["user_id"]) for element in rich if "user_id" in element}
    for element in rich:
        broadcast = broadcast or element.get("range")
        group = group or element.get("usergroup_id")
    return _Pings(frozenset(users), broadcast, group)


def _rich_pings(parts: Sequence[object]) -> Iterator[Json]:
    """Yield the mention elements of rich_text blocks."""
    for part in parts:
        match part:
            case {"type": "user" | "broadcast" | "usergroup"} if isinstance(part, dict):
                yield part
            case dict():
                yield from _rich_pings(list(part.values()))
            case list() | tuple():
                yield from _rich_pings(part)
