"""One pass of a run: what an Assistants stream says, told in our own words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.assistants import failures
from app.assistants.assistants_events import (
    Ended,
    MessageBody,
    MessageDelta,
    RequiredCall,
    RunBody,
    StepBody,
    ThreadBody,
    WireEvent,
    read_event,
)
from app.assistants.bounds import MOST_CALLS, MOST_TEXT
from app.assistants.heard import RunTold, Texts
from app.assistants.sse import ServerEvent
from app.assistants.wire_errors import (
    UNREADABLE,
    ErrorHappened,
    failure_of,
    happened,
)
from app.assistants.wire_usage import read_usage
from app.domain import (
    AssistantThreadCreated,
    Citation,
    GrowingText,
    MessageStarted,
    Run,
    RunEvent,
    RunStatus,
    StepUpdate,
    TextDelta,
    TextDone,
    ToolCall,
)

_REASONS = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "max_prompt_tokens": "max_input_tokens",
}
# What the server may do by itself while a run goes on.
_STEPS = {"code_interpreter": "running code", "file_search": "searching files"}


class RunReader:
    """Reads one pass of a run, be it streamed or, later, looked up.

    Messages are told apart by their ids, so that one heard in part is completed and
    none is told twice, however often the pass is taken up. `known` are the ids of
    messages of earlier passes.
    """

    def __init__(self, run: Run, *, known: Collection[str] = ()) -> None:
        self.run = run
        self._known = frozenset(known)
        self._texts = Texts[str]()
        self._whole: set[str] = set()
        self._open = ""
        self._told_last = RunTold()
        self._reason: str | None = None
        self.has_ended = False

    @property
    def has_text(self) -> bool:
        """Whether a text of this pass was told."""
        return bool(self._open)

    def begin_again(self) -> None:
        """Take up the pass once more: the messages told so far stay told."""
        self._told_last = RunTold()
        self.has_ended = False

    def read(self, event: ServerEvent) -> Sequence[RunEvent]:
        """Return what one event means; nothing for those of no interest.

        Raises AssistantError when the event says that the run failed.
        """
        try:
            known = read_event(event)
        except UNREADABLE as error:
            raise failures.broke_off("unreadable_event") from error
        if known is None or self.has_ended:
            return ()
        return self._told(event.name, known)

    def _told(self, name: str, event: WireEvent) -> Sequence[RunEvent]:
        match event:
            case MessageDelta(id=message_id, text=text):
                return self._text_added(message_id, text)
            case MessageBody():
                is_whole = name.endswith((".completed", ".incomplete"))
                return self.message(event) if is_whole else ()
            case RunBody():
                return self.stands(event, name)
            case StepBody(tools=tools):
                return self._step(name, tools)
            case ThreadBody(id=thread_id):
                return [AssistantThreadCreated(name, thread_id)]
            case ErrorHappened():
                raise happened(event)
            case Ended():
                return ()

    def stands(self, body: RunBody, name: str | None = None) -> Sequence[RunEvent]:
        """Tell how the run stands now. Raises AssistantError when it has failed."""
        status = _status(body.status, name)
        self.run = replace(
            self.run,
            run_id=body.id,
            status=status,
            retry_in=None,
            usage=read_usage(body.usage) or self.run.usage,
        )
        if status is RunStatus.FAILED:
            self.has_ended = True
            raise failure_of(body.last_error)
        if status is RunStatus.REQUIRES_ACTION or status.is_terminal:
            self._end(status, body)
        is_new = name == "thread.run.created"
        told_as = "thread.run.created" if is_new else None
        return self._told_last.update(self.run, told_as)

    def message(self, message: MessageBody) -> Sequence[RunEvent]:
        """Tell a message that is whole, unless that was done."""
        details = message.incomplete_details or {}
        self._reason = failures.word(details.get("reason")) or self._reason
        text = message.text
        if not text or message.id in self._known or message.id in self._whole:
            return ()
        if len(text) > MOST_TEXT:
            raise failures.too_large()
        opened = self._opened(message.id)
        self._texts[message.id] = GrowingText(text)
        self._whole.add(message.id)
        citations = _citations_of(message)
        return [*opened, TextDone("thread.message.completed", text, citations)]

    def _text_added(self, message_id: str, text: str) -> Sequence[RunEvent]:
        if not text:
            return ()
        self._texts.grow(message_id, text)
        return [*self._opened(message_id), TextDelta("thread.message.delta", text)]

    def _opened(self, message_id: str) -> Sequence[RunEvent]:
        if message_id == self._open:
            return ()
        self._open = message_id
        return [MessageStarted("thread.message.created", message_id)]

    def _end(self, status: RunStatus, body: RunBody) -> None:
        self.has_ended = True
        is_waiting = status is RunStatus.REQUIRES_ACTION
        calls = _calls(body.calls) if is_waiting else ()
        details = body.incomplete_details or {}
        reason = failures.word(details.get("reason")) or self._reason
        is_cut = status is RunStatus.INCOMPLETE
        self.run = replace(
            self.run,
            tool_calls=calls,
            output=(*self._messages(), *map(_item, calls)),
            incomplete_reason=_REASONS.get(reason or "", reason) if is_cut else None,
        )

    def _messages(self) -> list[Mapping[str, Any]]:
        return [_said(each, str(text)) for each, text in self._texts.items()]

    def _step(self, name: str, tools: Sequence[str]) -> Sequence[RunEvent]:
        label = next((_STEPS[tool] for tool in tools if tool in _STEPS), None)
        is_news = label and not name.endswith(("completed", "failed", "delta"))
        return [StepUpdate(name, label)] if label and is_news else ()


def _citations_of(message: MessageBody) -> tuple[Citation, ...]:
    return tuple(
        Citation(title=f"{each.text} {each.file_citation.file_id}".strip())
        for each in message.annotations
        if each.file_citation and each.file_citation.file_id
    )


def _status(word: str, name: str | None) -> RunStatus:
    """Return the status that a run has, or that its event is named after."""
    for given in (word, (name or "").rpartition(".")[2]):
        try:
            return RunStatus(given)
        except ValueError:
            continue
    return RunStatus.IN_PROGRESS


def _calls(required: Sequence[RequiredCall]) -> tuple[ToolCall, ...]:
    if len(required) > MOST_CALLS:
        raise failures.too_large()
    return tuple(
        ToolCall(
            call_id=call.id,
            name=call.function.name.replace("\0", ""),
            arguments=call.function.arguments,
        )
        for call in required
    )


# The same items as the Responses API has: each protocol can go on from the other's.
def _said(message_id: str, text: str) -> Mapping[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    its = {"id": message_id, "type": "message", "role": "assistant"}
    return {**its, "content": content}


def _item(call: ToolCall) -> Mapping[str, Any]:
    its = {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    return {"type": "function_call", **its}
