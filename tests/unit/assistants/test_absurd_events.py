"""Events that no careful server would send: read, passed over, or a known failure."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from app.assistants.assistants_events import NAMES
from app.assistants.assistants_input import whole_thread
from app.assistants.assistants_pass import RunReader
from app.assistants.bounds import MOST_CALLS, MOST_PUT_OUT, MOST_TEXT
from app.assistants.conversation_items import Held, compared
from app.assistants.passes import Reader
from app.assistants.responses_input import excerpt, said_since_asked
from app.assistants.responses_pass import PassReader
from app.assistants.sse import ServerEvent
from app.domain import ItemKind, Run, RunStatus, ThreadItem
from app.errors import AssistantError

_NEW = Run(run_id="", status=RunStatus.QUEUED)
_DEEP = b'{"response":{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}}"
_RESPONSES = (
    "response.completed",
    "response.incomplete",
    "response.failed",
    "response.output_item.added",
    "response.output_item.done",
    "error",
)

_scalars = st.sampled_from([None, True, 0, -1, 1.5, "", "a", "message", "a\0b"])
_words = st.sampled_from(
    ["type", "content", "call_id", "id", "output", "text", "annotations", "phase"]
)
_anything = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4)
    ),
    max_leaves=12,
)
_items = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "function_call_output", 1])},
    optional={
        "content": _anything,
        "call_id": _anything,
        "name": _anything,
        "arguments": _anything,
        "output": _anything,
        "id": _anything,
    },
)
_responses = st.fixed_dictionaries(
    {},
    optional={
        "status": _anything,
        "output": st.lists(_items, max_size=3) | _anything,
        "error": _anything,
        "incomplete_details": _anything | st.fixed_dictionaries({"reason": _anything}),
        "usage": _anything,
    },
)
_runs = st.fixed_dictionaries(
    {"id": _anything | st.just("run_1")},
    optional={
        "status": _anything,
        "last_error": _anything,
        "incomplete_details": _anything | st.fixed_dictionaries({"reason": _anything}),
        "usage": _anything,
        "content": _anything,
        "metadata": _anything,
    },
)


def _told(reader: Reader, name: str, data: object) -> Run | None:
    run = None
    with suppress(AssistantError):
        for event in reader.read(ServerEvent(name, json.dumps(data).encode())):
            run = getattr(event, "run", run)
    return run


def _is_sound(run: Run | None) -> bool:
    """Whether all that is kept of a run has the type that storage promises."""
    return run is None or isinstance(run.incomplete_reason, str | None)


def _replay(output: Sequence[Any]) -> None:
    history = [
        ThreadItem(kind=ItemKind.WANTED, item={"author": "Ana", "text": "hello"}),
        *(ThreadItem(kind=ItemKind.OUTPUT, item=item) for item in output),
    ]
    excerpt(history, most_characters=1000, with_reasoning=True)
    whole_thread(history)
    said_since_asked(history)
    compared(history, 0, Held(items=list(output), is_whole=True))


@given(name=st.sampled_from(_RESPONSES), body=_responses, item=_items)
@settings(max_examples=200)
def test_no_response_is_absurd_enough_to_break_the_reader_or_its_thread(
    name: str, body: object, item: object
) -> None:
    run = _told(PassReader(_NEW, first=True), name, {"response": body, "item": item})

    assert _is_sound(run)
    _replay(run.output if run else ())


@given(name=st.sampled_from(sorted(NAMES)), body=_runs)
@settings(max_examples=200)
def test_no_run_is_absurd_enough_to_break_its_reader(name: str, body: object) -> None:
    assert _is_sound(_told(RunReader(_NEW), name, body))


@given(items=st.lists(_items, max_size=4))
def test_a_conversation_may_hold_whatever_it_likes(items: list[Any]) -> None:
    compared([], 0, Held(items=items, is_whole=True))


@pytest.mark.parametrize("data", [_DEEP, b'{"response":{"status":"\xff"}}'])
@pytest.mark.parametrize("reader", [PassReader(_NEW, first=True), RunReader(_NEW)])
def test_what_is_no_json_at_all_breaks_the_stream_off(
    reader: Reader, data: bytes
) -> None:
    name = "response.completed" if isinstance(reader, PassReader) else ""

    with pytest.raises(AssistantError, match="unreadable_event"):
        reader.read(ServerEvent(name or "thread.run.failed", data))


def _calling(count: int) -> list[ServerEvent]:
    """Each protocol's way of wanting so many functions called at once."""
    calls = [{"id": f"call_{n}", "function": {"name": "x"}} for n in range(count)]
    action = {"submit_tool_outputs": {"tool_calls": calls}}
    run = {"id": "run_1", "status": "requires_action", "required_action": action}
    items = [{"type": "function_call", "call_id": f"call_{n}"} for n in range(count)]
    return [
        ServerEvent(
            "response.completed", json.dumps({"response": {"output": items}}).encode()
        ),
        ServerEvent("thread.run.requires_action", json.dumps(run).encode()),
    ]


def _readers() -> tuple[Reader, Reader]:
    return PassReader(_NEW, first=True), RunReader(_NEW)


def test_a_model_may_want_much_at_once_and_not_anything() -> None:
    for reader, event in zip(_readers(), _calling(MOST_CALLS), strict=True):
        reader.read(event)
        assert reader.has_ended
    for reader, event in zip(_readers(), _calling(MOST_CALLS + 1), strict=True):
        with pytest.raises(AssistantError, match="answer_too_large"):
            reader.read(event)


def test_a_text_without_an_end_is_given_up() -> None:
    words = "x" * (MOST_TEXT // 4)
    content = [{"text": {"value": words}}]
    added = {"id": "msg_1", "delta": {"content": content}}
    deltas = [
        ServerEvent(
            "response.output_text.delta", json.dumps({"delta": words}).encode()
        ),
        ServerEvent("thread.message.delta", json.dumps(added).encode()),
    ]
    for reader, delta in zip(_readers(), deltas, strict=True):
        for _ in range(4):
            assert reader.read(delta)
        with pytest.raises(AssistantError, match="answer_too_large"):
            reader.read(delta)


def test_a_message_longer_than_any_is_not_told() -> None:
    words = "x" * (MOST_TEXT + 1)
    item = {"type": "message", "content": words}
    message = {"id": "msg_1", "content": [{"text": {"value": words}}]}
    whole = [
        ServerEvent("response.output_item.done", json.dumps({"item": item}).encode()),
        ServerEvent("thread.message.completed", json.dumps(message).encode()),
    ]
    for reader, event in zip(_readers(), whole, strict=True):
        with pytest.raises(AssistantError, match="answer_too_large"):
            reader.read(event)


@pytest.mark.parametrize("its_id", ["", "a b", "run\0", "x" * 201])
def test_what_is_no_id_is_not_kept_as_one(its_id: str) -> None:
    body = json.dumps({"id": its_id, "status": "queued"}).encode()

    for name in ("thread.created", "thread.run.created"):
        with pytest.raises(AssistantError, match="unreadable_event"):
            RunReader(_NEW).read(ServerEvent(name, body))


def test_calls_with_endless_ids_are_told_apart_by_shorter_ones() -> None:
    call = {"type": "function_call", "call_id": "x" * 5_000, "name": "f"}

    run = _told(
        PassReader(_NEW, first=True),
        "response.completed",
        {"response": {"output": [call, call]}},
    )

    assert run
    ids = [each.call_id for each in run.tool_calls]
    assert len(set(ids)) == 2
    assert max(map(len, ids)) < 250


def _event(name: str, data: object) -> ServerEvent:
    return ServerEvent(name, json.dumps(data).encode())


def test_an_answer_of_endlessly_many_messages_is_given_up() -> None:
    def of_responses(number: int) -> ServerEvent:
        delta = {"output_index": number, "delta": "x"}
        return _event("response.output_text.delta", delta)

    def of_items(number: int) -> ServerEvent:
        done = {"output_index": number, "item": {"type": "reasoning"}}
        return _event("response.output_item.done", done)

    def of_threads(number: int) -> ServerEvent:
        delta = {"content": [{"text": {"value": "x"}}]}
        return _event("thread.message.delta", {"id": f"msg_{number}", "delta": delta})

    readers = (PassReader(_NEW, first=True), *_readers())
    for reader, made in zip(readers, (of_items, of_responses, of_threads), strict=True):
        for number in range(MOST_PUT_OUT):
            reader.read(made(number))
        with pytest.raises(AssistantError, match="answer_too_large"):
            reader.read(made(MOST_PUT_OUT))


def test_a_response_with_endlessly_many_items_is_not_kept() -> None:
    items = [{"type": "reasoning"}] * (MOST_PUT_OUT + 1)

    with pytest.raises(AssistantError, match="answer_too_large"):
        PassReader(_NEW, first=True).read(
            _event("response.completed", {"response": {"output": items}})
        )
