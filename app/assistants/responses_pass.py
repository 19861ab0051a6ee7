"""One pass of a run: what a Responses stream says, told in the program's own words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from app.assistants import failures
from app.assistants.bounds import MOST_CALLS, MOST_PUT_OUT, MOST_TEXT
from app.assistants.heard import RunTold, Texts
from app.assistants.items import parts_in, text_in
from app.assistants.responses_events import (
    ENDINGS,
    Item,
    ItemAdded,
    ItemDone,
    ResponseBody,
    ResponseChanged,
    TextAdded,
    WireEvent,
    read_event,
)
from app.assistants.sse import ServerEvent
from app.assistants.wire_errors import (
    UNREADABLE,
    ErrorHappened,
    failure_of,
    happened,
)
from app.assistants.wire_usage import read_usage
from app.domain import (
    Citation,
    MessageStarted,
    Run,
    RunEvent,
    RunStatus,
    StepUpdate,
    TextDelta,
    TextDone,
    ToolCall,
)

_LONGEST_STEP = 80
# It is a part of a database's key.
_LONGEST_ID = 200
_STATUSES = {
    status.value: status
    for status in (
        RunStatus.COMPLETED,
        RunStatus.INCOMPLETE,
        RunStatus.FAILED,
        RunStatus.CANCELLED,
    )
}


class PassReader:
    """Reads the events of one pass.

    Items are told apart by their output index, as some servers give them another id
    in every event. `first` says that the run begins with this pass.
    """

    def __init__(self, run: Run, *, first: bool) -> None:
        self._run = run
        self._is_first = first
        self._done: dict[int, Item] = {}
        self._texts = Texts[int]()
        self._notes: set[int] = set()
        self._open: int | None = None
        self._told_last = RunTold()
        self.has_text = False
        self.has_ended = False

    def read(self, event: ServerEvent) -> Sequence[RunEvent]:
        """Return what one event means; nothing for those of no interest.

        Raises AssistantError when the event says that the pass failed.
        """
        try:
            known = read_event(event)
        except UNREADABLE as error:
            raise failures.broke_off("unreadable_event") from error
        if known is None or self.has_ended:
            return ()
        return self._told(*known)

    def read_whole(self, output: Sequence[Mapping[str, Any]]) -> Sequence[RunEvent]:
        """Return what a response means of which only the output is known."""
        items = [dict(item) for item in output]
        return self._ended("completed", ResponseBody(output=items))

    def goes_on_in(self, output: Sequence[Mapping[str, Any]]) -> bool:
        """Whether `output` is that of the response whose stream was cut."""
        shown, said = self._shown(), [_text_of(item) for item in _answers(output)]
        begins_so = (
            whole.startswith(text) for whole, text in zip(said, shown, strict=False)
        )
        return len(said) >= len(shown) and all(begins_so)

    def read_rest(self, output: Sequence[Mapping[str, Any]]) -> Sequence[RunEvent]:
        """Return how a response went on of which the output is known at last."""
        last = len(self._shown()) - 1
        events: list[RunEvent] = []
        for place, item in enumerate(_answers(output)):
            if place >= last:
                events += self._message_done((self._open or 0) + (place > last), item)
        self._done = {place: dict(item) for place, item in enumerate(output)}
        return [*events, *self._ended("completed", ResponseBody())]

    def _shown(self) -> list[str]:
        """Return the texts that were told, as far as they came, in their order."""
        texts = {index: str(text) for index, text in self._texts.items()}
        texts |= {index: _text_of(item) for index, item in self._done.items()}
        told = [texts[each] for each in sorted(texts) if each not in self._notes]
        return [text for text in told if text]

    def _told(self, name: str, event: WireEvent) -> Sequence[RunEvent]:
        match event:
            case TextAdded(delta=delta, output_index=index):
                return self._text_added(index, delta)
            case ItemAdded(item=item, output_index=index):
                if _is_note(item):
                    self._notes.add(index)
                return ()
            case ItemDone(item=item, output_index=index):
                return self._item_done(index, item)
            case ResponseChanged(response=response) if name in ENDINGS:
                return self._ended(ENDINGS[name], response)
            case ResponseChanged(response=response):
                return self._began(name, response)
            case ErrorHappened():
                raise happened(event)

    def _began(self, name: str, response: ResponseBody) -> Sequence[RunEvent]:
        is_queued = "queued" in (name.removeprefix("response."), response.status)
        status = RunStatus.QUEUED if is_queued else RunStatus.IN_PROGRESS
        self._run = replace(self._run, status=status)
        is_new = name == "response.created" and self._is_first
        return self._update("thread.run.created" if is_new else None)

    def _text_added(self, index: int, delta: str) -> Sequence[RunEvent]:
        if not delta:
            return ()
        self._texts.grow(index, delta)
        if index in self._notes:
            return ()
        return [*self._opened(index), TextDelta("thread.message.delta", delta)]

    def _opened(self, index: int) -> Sequence[RunEvent]:
        if index == self._open:
            return ()
        self._open = index
        self.has_text = True
        # Small servers say nothing before their first word.
        self._run = replace(self._run, status=RunStatus.IN_PROGRESS)
        started = MessageStarted("thread.message.created", f"msg_{index}")
        return [*self._update(), started]

    def _item_done(self, index: int, item: Item) -> Sequence[RunEvent]:
        self._done[index] = item
        if len(self._done) > MOST_PUT_OUT:
            raise failures.too_large()
        return self._message_done(index, item)

    def _message_done(self, index: int, item: Item) -> Sequence[RunEvent]:
        text = _text_of(item)
        if not text:
            return ()
        if len(text) > MOST_TEXT:
            raise failures.too_large()
        if _is_note(item):
            return [StepUpdate("thread.run.step.completed", _few_words(text))]
        told = TextDone("thread.message.completed", text, _citations_of(item))
        return [*self._opened(index), told]

    def _ended(self, word: str, response: ResponseBody) -> Sequence[RunEvent]:
        status = _STATUSES.get(response.status or "", RunStatus(word))
        if status is RunStatus.FAILED:
            raise failure_of(response.error)
        self.has_ended = True
        items, calls = _with_calls(self._items(response))
        events = () if self._done else self._messages_at_last(items)
        if status is RunStatus.COMPLETED and calls:
            status = RunStatus.REQUIRES_ACTION
        if (
            status is not RunStatus.REQUIRES_ACTION
            and status is not RunStatus.COMPLETED
        ):
            # A call cut short must not be replayed, nor reasoning without what follows.
            items = [item for item in items if item.get("type") == "message"]
        took = read_usage(response.usage)
        self._run = replace(
            self._run,
            status=status,
            tool_calls=calls if status is RunStatus.REQUIRES_ACTION else (),
            output=tuple(items),
            usage=took + self._run.usage if took else self._run.usage,
            incomplete_reason=failures.word(
                (response.incomplete_details or {}).get("reason")
            ),
        )
        return [*events, *self._update()]

    def _items(self, response: ResponseBody) -> list[Item]:
        done = [self._done[index] for index in sorted(self._done)]
        given = response.output or []
        if done or given:
            return done if len(done) >= len(given) else given
        return [_said(str(self._texts[index])) for index in sorted(self._texts)]

    def _messages_at_last(self, items: Sequence[Item]) -> Sequence[RunEvent]:
        """Tell the messages of a server that completes no item before its response."""
        messages = [(n, item) for n, item in enumerate(items) if _text_of(item)]
        if self._open is None:
            return [
                event for n, item in messages for event in self._message_done(n, item)
            ]
        if len(messages) == len(self._texts) == 1:
            return self._message_done(self._open, messages[0][1])
        return ()

    def _update(self, name: str | None = None) -> Sequence[RunEvent]:
        return self._told_last.update(self._run, name)


def _is_note(item: Item) -> bool:
    """Whether the item is an interim note: OpenAI marks these by their phase."""
    return item.get("phase") == "commentary"


def _answers(output: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Return the messages for people, of all that a response has put out."""
    items = [dict(item) for item in output]
    return [item for item in items if _text_of(item) and not _is_note(item)]


def _text_of(item: Item) -> str:
    if item.get("type") != "message":
        return ""
    return text_in(item.get("content"))


def _citations_of(item: Item) -> tuple[Citation, ...]:
    annotations = [each.get("annotations") for each in parts_in(item.get("content"))]
    return tuple(
        citation
        for listed in annotations
        if isinstance(listed, list)
        for annotation in listed
        if (citation := _citation(annotation))
    )


def _citation(annotation: object) -> Citation | None:
    match annotation:
        case {"type": "url_citation", "url": str(url), **rest}:
            return Citation(title=str(rest.get("title") or url), url=url)
        case {"filename": str(name)} if name:
            return Citation(title=name)
    return None


def _few_words(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_STEP else f"{line[:_LONGEST_STEP].rstrip()}…"


def _said(text: str) -> Item:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "content": content}


def _with_calls(items: Iterable[Item]) -> tuple[list[Item], tuple[ToolCall, ...]]:
    """Return the items and their calls; ids are unique and arguments are text."""
    calls: dict[str, ToolCall] = {}
    completed = []
    for number, item in enumerate(items):
        if item.get("type") == "function_call_output":
            # Only we give outputs; one for no call of ours could never be replayed.
            continue
        if item.get("type") != "function_call":
            completed.append(item)
            continue
        call_id = _word(item.get("call_id") or item.get("id") or f"call_{number}")
        call_id = call_id[:_LONGEST_ID]
        while call_id in calls:
            call_id += "_"
        arguments = _arguments(item.get("arguments"))
        name = _word(item.get("name") or "")
        call = ToolCall(call_id=call_id, name=name, arguments=arguments)
        calls[call_id] = call
        its = {"call_id": call_id, "name": name, "arguments": arguments}
        completed.append({**item, **its})
    if len(calls) > MOST_CALLS or len(completed) > MOST_PUT_OUT:
        raise failures.too_large()
    return completed, tuple(calls.values())


def _word(given: object) -> str:
    # Postgres takes no NUL, and small models write what they like.
    return str(given).replace("\0", "")


def _arguments(given: object) -> str:
    if isinstance(given, str):
        return given
    return msgspec.json.encode(given or {}).decode()
