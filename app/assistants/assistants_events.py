"""The Assistants protocol's events and objects, with no more than is read of them."""

from typing import Any

import msgspec

from app.assistants.sse import ServerEvent
from app.assistants.wire_errors import ErrorBody, ErrorHappened, Id


class ThreadBody(msgspec.Struct):
    """A thread on the server."""

    id: Id


class Function(msgspec.Struct):
    """Which function is to be called, and its arguments as JSON text."""

    name: str = ""
    arguments: str = ""


class RequiredCall(msgspec.Struct):
    """A function call that the run waits for."""

    id: Id
    function: Function


class RequiredOutputs(msgspec.Struct):
    """The batch of calls whose outputs must be submitted together."""

    tool_calls: list[RequiredCall] = []


class RequiredAction(msgspec.Struct):
    """What the run waits for."""

    submit_tool_outputs: RequiredOutputs | None = None


class RunBody(msgspec.Struct):
    """A run as it stands."""

    id: Id
    status: str = ""
    required_action: RequiredAction | None = None
    last_error: ErrorBody | str | None = None
    incomplete_details: dict[str, Any] | None = None
    usage: Any = None
    metadata: dict[str, Any] | None = None

    @property
    def calls(self) -> list[RequiredCall]:
        """The calls that the run waits for."""
        outputs = self.required_action and self.required_action.submit_tool_outputs
        return outputs.tool_calls if outputs else []


class FileNamed(msgspec.Struct):
    """A file that is known by its id only."""

    file_id: str = ""


class Annotation(msgspec.Struct):
    """Where a piece of the text comes from; `text` is its mark in there."""

    text: str = ""
    file_citation: FileNamed | None = None


class TextPart(msgspec.Struct):
    """A piece of text."""

    value: str | None = None
    annotations: list[Annotation] | None = None


class ContentPart(msgspec.Struct):
    """A part of a message; parts that are neither text nor refusal are not read."""

    text: TextPart | None = None
    refusal: str | None = None

    @property
    def words(self) -> str:
        """What the part says."""
        return (self.text.value if self.text else self.refusal) or ""


class MessageBody(msgspec.Struct):
    """A message as it stands."""

    id: str
    role: str = "assistant"
    run_id: str | None = None
    content: list[ContentPart] | None = None
    incomplete_details: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None

    @property
    def text(self) -> str:
        """All that the message says."""
        return "".join(part.words for part in self.content or ())

    @property
    def annotations(self) -> list[Annotation]:
        """All annotations of the message's text."""
        texts = [part.text for part in self.content or () if part.text]
        return [each for text in texts for each in text.annotations or ()]


class _Added(msgspec.Struct):
    content: list[ContentPart] = []


class MessageDelta(msgspec.Struct):
    """More text of a message."""

    id: str
    delta: _Added

    @property
    def text(self) -> str:
        """The text that is added."""
        return "".join(part.words for part in self.delta.content)


class _StepCall(msgspec.Struct):
    type: str = "function"


class _StepDetails(msgspec.Struct):
    tool_calls: list[_StepCall] = []


class StepBody(msgspec.Struct):
    """A step of a run; of interest is only which of the server's own tools runs."""

    step_details: _StepDetails | None = None

    @property
    def tools(self) -> list[str]:
        """The kinds of tools that the step uses."""
        return (
            [call.type for call in self.step_details.tool_calls]
            if (self.step_details)
            else []
        )


class Ended(msgspec.Struct):
    """The server has no more to say."""


class RunList(msgspec.Struct):
    """A page of runs."""

    data: list[RunBody]


class MessageList(msgspec.Struct):
    """A page of messages."""

    data: list[MessageBody]


class _Untyped(msgspec.Struct):
    error: Any = None


WireEvent = (
    ThreadBody | RunBody | StepBody | MessageBody | MessageDelta | ErrorHappened | Ended
)

_STEP = "thread.run.step."
_MESSAGE = "thread.message."
# All names there are. A step's delta repeats in pieces what its other events say.
_STRUCTS: dict[str, type[WireEvent]] = {
    "thread.created": ThreadBody,
    "thread.run.created": RunBody,
    "thread.run.queued": RunBody,
    "thread.run.in_progress": RunBody,
    "thread.run.requires_action": RunBody,
    "thread.run.completed": RunBody,
    "thread.run.incomplete": RunBody,
    "thread.run.failed": RunBody,
    "thread.run.cancelling": RunBody,
    "thread.run.cancelled": RunBody,
    "thread.run.expired": RunBody,
    f"{_STEP}created": StepBody,
    f"{_STEP}in_progress": StepBody,
    f"{_STEP}delta": StepBody,
    f"{_STEP}completed": StepBody,
    f"{_STEP}failed": StepBody,
    f"{_STEP}cancelled": StepBody,
    f"{_STEP}expired": StepBody,
    f"{_MESSAGE}created": MessageBody,
    f"{_MESSAGE}in_progress": MessageBody,
    f"{_MESSAGE}delta": MessageDelta,
    f"{_MESSAGE}completed": MessageBody,
    f"{_MESSAGE}incomplete": MessageBody,
    "error": ErrorHappened,
    "done": Ended,
}
NAMES = frozenset(_STRUCTS)

_DECODERS = {name: msgspec.json.Decoder(struct) for name, struct in _STRUCTS.items()}
_untyped = msgspec.json.Decoder(_Untyped)
_ended = Ended()
_error = _DECODERS["error"]


def read_event(event: ServerEvent) -> WireEvent | None:
    """Return what is read of an event, None if it is of no interest.

    Events are told apart by their names alone. Raises one of UNREADABLE when the data
    is not what its name promises.
    """
    if event.name == "done":
        # Its data is `[DONE]`, which is no JSON.
        return _ended
    decoder = _DECODERS.get(event.name)
    if decoder is not None:
        return decoder.decode(event.data)
    if not event.name and event.data.startswith(b"{"):
        # Gateways in front of the server give their errors no name.
        return _error.decode(event.data) if _untyped.decode(event.data).error else None
    return None
