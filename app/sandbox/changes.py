"""What can change in a workspace, as values."""

from dataclasses import dataclass
from enum import StrEnum

from app.sandbox.records import Message


class Why(StrEnum):
    """What made a message other than it was."""

    EDIT = "edit"
    STREAM = "stream"
    UNFURL = "unfurl"
    REPLY = "reply"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Posted:
    """A message is new."""

    message: Message


@dataclass(frozen=True, slots=True)
class Changed:
    """A message is not what it was; for a reply its root stays the same value."""

    before: Message
    after: Message
    why: Why


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message is gone; `by` is a user id."""

    message: Message
    by: str


@dataclass(frozen=True, slots=True)
class MemberMoved:
    """Somebody joined a channel or left it."""

    channel_id: str
    user_id: str
    joined: bool
    by: str


@dataclass(frozen=True, slots=True)
class Reacted:
    """Somebody put an emoji on a message or took it away."""

    message: Message
    user_id: str
    name: str
    added: bool


@dataclass(frozen=True, slots=True)
class Archived:
    """A channel takes no messages any more."""

    channel_id: str
    by: str


Change = Posted | Changed | Deleted | MemberMoved | Reacted | Archived
