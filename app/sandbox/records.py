"""The sandbox's own words for what a workspace holds; standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class ChannelKind(StrEnum):
    """Slack's `channel_type` words."""

    CHANNEL = "channel"
    GROUP = "group"
    MPIM = "mpim"
    IM = "im"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of the workspace, or a bot; `bot_id` is set for bots only."""

    user_id: str
    name: str
    real_name: str
    team_id: str
    bot_id: str | None = None
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    deleted: bool = False
    tz: str = "Europe/Berlin"

    @property
    def is_bot(self) -> bool:
        """Whether an app speaks through this member."""
        return self.bot_id is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A place where people talk; `name` of a DM is `dm:<name of the person>`."""

    channel_id: str
    name: str
    kind: ChannelKind
    members: frozenset[str]
    created: int = 0
    is_archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """Who changed a message's words last, and when."""

    user_id: str
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it stands now; a change makes a new value.

    `edited` is what the reader sees as "(edited)"; `revision` also counts the changes
    which leave no such mark. `streaming_state` is Slack's word for one that was begun
    as a stream: in_progress or completed.
    """

    channel_id: str
    ts: str
    user_id: str
    text: str
    thread_ts: str | None = None
    bot_id: str | None = None
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    metadata: Json | None = None
    files: tuple[Json, ...] = ()
    client_msg_id: str | None = None
    edited: Edited | None = None
    reactions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subtype: str | None = None
    unfurl_links: bool = True
    unfurl_media: bool = True
    revision: int = 0
    streaming_state: str | None = None

    @property
    def is_reply(self) -> bool:
        """Whether the message stands in a thread under another one."""
        return self.thread_ts is not None and self.thread_ts != self.ts

    @property
    def is_tombstone(self) -> bool:
        """Whether only the place of a deleted root is left, for its replies."""
        return self.subtype == "tombstone"

    @property
    def seen(self) -> str:
        """All that a reader sees, top to bottom, as plain lines."""
        parts = [visible_text(block) for block in self.blocks] or [self.text]
        parts += [visible_text(attachment) for attachment in self.attachments]
        return "\n".join(part for part in parts if part)

    @property
    def buttons(self) -> dict[str, str]:
        """The buttons in view: action id → label."""
        return {
            str(element["action_id"]): visible_text(element)
            for element in clickable(self)
            if "action_id" in element
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ephemeral:
    """A message that one person alone sees, until they reload."""

    channel_id: str
    user_id: str
    ts: str
    text: str
    thread_ts: str | None = None
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Slack told a person that there is something to read.

    `why` is one of dm, mention, channel, here, everyone, usergroup, thread.
    """

    user_id: str
    channel_id: str
    ts: str
    why: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """A link that Slack's servers would have requested because of a message."""

    url: str
    author_id: str
    channel_id: str
    ts: str
    why: str


_TEXT_KEYS = ("pretext", "title", "text", "fields", "elements", "footer", "rows")


def visible_text(part: Json) -> str:
    """Return what a reader sees of a block, an element or an attachment."""
    if part.get("blocks"):
        return "\n".join(filter(None, map(visible_text, part["blocks"])))
    if "alt_text" in part and "text" not in part:
        return str(part["alt_text"])
    lines = [_words(part[key]) for key in _TEXT_KEYS if part.get(key)]
    if "accessory" in part:
        lines.append(visible_text(part["accessory"]))
    return "\n".join(line for line in lines if line)


def _words(value: object) -> str:
    match value:
        case str():
            return value
        case dict():
            return visible_text(value)
        case list():
            return "\n".join(filter(None, map(_words, value)))
        case _:
            return ""


def clickable(message: Message | Ephemeral) -> list[Json]:
    """Return the interactive elements of a message, each with its `block_id`."""
    blocks = [*message.blocks]
    for attachment in message.attachments:
        blocks += attachment.get("blocks") or []
    found: list[Json] = []
    for block in blocks:
        inside = [*(block.get("elements") or []), block.get("accessory") or {}]
        found += [
            {**element, "block_id": block.get("block_id", "")}
            for element in inside
            if isinstance(element, dict) and "action_id" in element
        ]
    return found
