"""The words for what an assistant does: runs, their events, the calls they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class RunStatus(StrEnum):
    """The nine statuses of a run, in the wire's own words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    REQUIRES_ACTION = "requires_action"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FAILED = "failed"
    COMPLETED = "completed"
    INCOMPLETE = "incomplete"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Whether a run with this status says nothing more by itself."""
        return self not in _UNDER_WAY

    @property
    def may_be_retried(self) -> bool:
        """Whether a run that has ended so may be tried again."""
        return self in _WITHOUT_AN_ANSWER


_UNDER_WAY = ("queued", "in_progress", "requires_action", "cancelling")
_WITHOUT_AN_ANSWER = ("failed", "cancelled", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function that the model wants called; `arguments` is its JSON, unchecked."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a called function answered, as the model will read it."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that a run cost; `longest_input` is the most that one request sent."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    longest_input: int = 0

    def __add__(self, other: "Usage | None") -> "Usage":
        if other is None:
            return self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            longest_input=max(self.longest_input, other.longest_input),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunError:
    """Why a run failed: a code for the log, a sentence for people."""

    code: str
    message: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryNotice:
    """The model was busy; try `attempt` of `attempts` starts in `seconds`."""

    attempt: int
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One logical run of the assistant for a turn, as far as it is known now.

    `output` holds the items that the pass just ended has produced, each as the
    assistant wants to read it back.
    """

    run_id: str
    status: RunStatus
    tool_calls: tuple[ToolCall, ...] = ()
    output: tuple[Mapping[str, Any], ...] = ()
    usage: Usage | None = None
    error: RunError | None = None
    incomplete_reason: str | None = None
    retry_in: RetryNotice | None = None


@dataclass(frozen=True, slots=True)
class AssistantThreadCreated:
    """The assistant's side of the conversation exists now."""

    name: str
    assistant_thread_id: str


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """The run has a new status, or more is known of it."""

    name: str
    run: Run


@dataclass(frozen=True, slots=True)
class MessageStarted:
    """The assistant begins a message of its own."""

    name: str
    message_id: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text for the message begun last."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where something in a message comes from; without an address it is a file."""

    title: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class TextDone:
    """The whole text of the message begun last; it wins over the deltas."""

    name: str
    text: str
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class StepUpdate:
    """What the assistant is doing besides writing, in a few words."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What people should know beside the answer, in a sentence or two."""

    name: str
    text: str


RunEvent = (
    AssistantThreadCreated
    | RunUpdate
    | MessageStarted
    | TextDelta
    | TextDone
    | StepUpdate
    | Notice
)


class CallState(StrEnum):
    """How far a tool call has come in the ledger."""

    PROPOSED = "proposed"
    STARTED = "started"
    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCall:
    """A tool call as the ledger knows it; `result` once it is done."""

    pass_no: int
    call: ToolCall
    state: CallState
    result: str | None = None
