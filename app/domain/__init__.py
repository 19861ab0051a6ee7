"""The words of the program, as data; this module needs only the standard library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.domain.growing import GrowingText as GrowingText
from app.domain.runs import (
    AssistantThreadCreated as AssistantThreadCreated,
    CallState as CallState,
    Citation as Citation,
    LedgerCall as LedgerCall,
    MessageStarted as MessageStarted,
    Notice as Notice,
    RetryNotice as RetryNotice,
    Run as Run,
    RunError as RunError,
    RunEvent as RunEvent,
    RunStatus as RunStatus,
    RunUpdate as RunUpdate,
    StepUpdate as StepUpdate,
    TextDelta as TextDelta,
    TextDone as TextDone,
    ToolCall as ToolCall,
    ToolOutput as ToolOutput,
    Usage as Usage,
)


class ChannelKind(StrEnum):
    """Slack's own `channel_type` words."""

    CHANNEL = "channel"
    GROUP = "group"
    IM = "im"
    MPIM = "mpim"


class Surface(StrEnum):
    """Where a conversation lives."""

    SLACK = "slack"
    WEB = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackThread:
    """Where people talk; the only thing called just a thread."""

    team_id: str
    channel_id: str
    thread_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """A file that came with a message; only its outside is known, never its bytes."""

    file_id: str
    name: str
    mimetype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingMessage:
    """What Slack told us about one message, cleaned.

    `edited_ts` is None for the message as first written; else this is the version
    that Slack dates so. `mentions_other_first` says that the text opens by addressing
    somebody who is not the bot.
    """

    thread: SlackThread
    ts: str
    author_id: str
    author_team_id: str | None
    text: str
    mentioned: bool
    channel_kind: ChannelKind
    files: tuple[SharedFile, ...] = ()
    client_msg_id: str | None = None
    edited_ts: str | None = None
    mentions_other_first: bool = False
    from_bot: bool = False
    bot_id: str | None = None
    external: bool = False

    @property
    def in_thread(self) -> bool:
        """Whether the message was written as a reply in an existing thread."""
        return self.ts != self.thread.thread_ts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedMessage:
    """Somebody removed a message; its text must not be kept.

    `thread_ts` and `mentioned` are what Slack says of the removed message, so that a
    removal that overtakes its message is known to be ours; None is not in a thread.
    """

    team_id: str
    channel_id: str
    ts: str
    thread_ts: str | None = None
    mentioned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A member of a workspace, as `users.info` describes them."""

    team_id: str
    user_id: str
    name: str
    is_bot: bool = False
    bot_id: str | None = None
    is_guest: bool = False
    is_stranger: bool = False


class Follow(StrEnum):
    """Which messages of a thread are answered without a mention."""

    AUTOMATIC = "automatic"
    ALWAYS = "always"
    MENTIONS = "mentions"


class Outcome(StrEnum):
    """What became of one message that wanted an answer."""

    WAITING = "waiting"
    ANSWERED = "answered"
    REFUSED = "refused"
    DROPPED = "dropped"
    LATE = "late"


class Refusal(StrEnum):
    """Why somebody is not answered."""

    BOT = "bot"
    GUEST = "guest"
    STRANGER = "stranger"
    TOO_MANY_TURNS = "too many turns"


class ItemKind(StrEnum):
    """The kinds of items in an assistant thread's history."""

    WANTED = "wanted"
    OVERHEARD = "overheard"
    OUTPUT = "output"
    TOOL_OUTPUT = "tool output"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadItem:
    """One item of the history that the model sees.

    `item` by kind: wanted and overheard `{"author", "text", "files": [name, …]}`;
    output whatever the assistant that produced it understands; tool output
    `{"call_id", "output"}`. `turn_id` is known of what was read, and is no part of
    what the item says.
    """

    kind: ItemKind
    item: Mapping[str, Any]
    author_id: str | None = None
    ts: str | None = None
    turn_id: int = field(default=0, compare=False)


class TurnState(StrEnum):
    """How far a turn has come; asked for anew, its time begins with the next claim."""

    ASKED = "asked"
    RUNNING = "running"
    WAITING = "waiting"
    SUSPENDED = "suspended"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write for one running turn: void as soon as the epoch has moved."""

    team_id: str
    conversation_id: int
    turn_id: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedReply:
    """Somebody removed a message of ours; Slack does not tell who."""

    thread: SlackThread
    ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStop:
    """Somebody pressed Slack's own Stop in a thread, at `pressed_at` (Slack's time).

    `message_ts` names the messages that were being written, if Slack knows any.
    """

    thread: SlackThread
    user_id: str
    pressed_at: str
    message_ts: tuple[str, ...] = ()


# No user id looks so.
REPLY_DELETED = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """A turn is to end; `stopped_by` is a Slack user id.

    It is empty when nobody asked for it: what the turn answers was deleted. When
    somebody unknown did, by deleting the answer, it is REPLY_DELETED.
    """

    turn_id: int
    stopped_by: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a turn can't know, as people are told; `number` tells it from its others."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnMessage:
    """One message of a turn as it stood when the turn was claimed."""

    seq: int
    ts: str
    author_id: str
    author_team_id: str | None
    text: str
    files: tuple[SharedFile, ...]
    mentioned: bool
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The wanted messages of one conversation that are answered together.

    `messages` are sorted by ts and hold wanted and overheard ones alike; deleted and
    dropped ones are left out. `attempt` counts how often the turn was taken from a
    dead owner. `is_prepared` says that its messages are in the history already,
    `has_read_untrusted` that the history holds, or will hold, what no member wrote
    to the bot: files, outsiders, what was said before it came. `usage` is what its
    committed passes have cost a former owner. `age` is how many seconds ago it was
    claimed first. With an `ending` it has ended, and people may not know yet.
    `doubt` is what people were asked last, `decided_by` who has let the turn go on in
    spite of it; it `is_overdue` when nobody has in time. It `has_company` when one of
    its messages is the first by a second person, and its answer should say so.
    """

    lease: Lease
    thread: SlackThread
    assistant_thread_id: int
    messages: tuple[TurnMessage, ...]
    channel_kind: ChannelKind
    attempt: int = 0
    is_prepared: bool = False
    is_first_turn: bool = False
    has_read_untrusted: bool = False
    usage: "Usage | None" = None
    surface: Surface = Surface.SLACK
    age: float = 0.0
    ending: "Ending | None" = None
    doubt: "Doubt | None" = None
    decided_by: str | None = None
    is_overdue: bool = False
    has_company: bool = False

    @property
    def turn_id(self) -> int:
        """The turn's own id."""
        return self.lease.turn_id

    @property
    def wanted(self) -> tuple[TurnMessage, ...]:
        """The messages that this turn answers."""
        return tuple(message for message in self.messages if message.wanted)

    @property
    def askers(self) -> tuple[str, ...]:
        """Who wrote them, in their order."""
        return tuple(message.author_id for message in self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataMessage:
    """A message with the role "data": for the reader's eyes, never for the model's.

    `type` and `version` choose the renderer; `data` is what it shows.
    """

    type: str
    data: Mapping[str, Any]
    version: int = 1
    caused_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDataMessage:
    """A data message whose row is committed; `seq` orders them within the turn."""

    seq: int
    message: DataMessage
    part_no: int | None = None


class PartKind(StrEnum):
    """What a Slack message of ours carries."""

    TEXT = "text"
    DATA = "data"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPart:
    """One Slack message of a reply; `start` and `end` are offsets into the raw text."""

    part_no: int
    kind: PartKind
    post_key: str
    ts: str | None = None
    start: int = 0
    end: int | None = None
    sealed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomChange:
    """A room's temperature went from one value to another, in °C."""

    room: str
    old: float
    new: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a turn ends, as it is shown and stored.

    `changed_something` is true once a tool has changed anything; `stopped_by` is the
    name of a person; `error_id` is what the reader can quote and the log holds. `bill`
    is what people are told of the usage, if anything.
    """

    status: RunStatus
    seconds: float = 0.0
    usage: Usage | None = None
    bill: str = ""
    error: RunError | None = None
    error_id: str | None = None
    incomplete_reason: str | None = None
    stopped_by: str | None = None
    question_deleted: bool = False
    reply_deleted: bool = False
    changed_something: bool = False
    blocked_by: str | None = None
