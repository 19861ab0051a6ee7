"""The Assistants protocol's events: which there are, and what each tells."""

import json
from typing import Any

import pytest

from app.assistants.assistants_events import NAMES, read_event
from app.assistants.assistants_pass import RunReader
from app.assistants.sse import ServerEvent
from app.domain import (
    Citation,
    MessageStarted,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    StepUpdate,
    TextDelta,
    TextDone,
)
from app.errors import AssistantRefused, AssistantUnavailable, StreamEndedEarly

NEW = Run(run_id="", status=RunStatus.QUEUED)


def event(name: str, data: Any = None) -> ServerEvent:  # noqa: ANN401 - any JSON
    return ServerEvent(name, json.dumps(data or {"id": "x"}).encode())


def delta(message_id: str, *parts: dict[str, Any]) -> ServerEvent:
    added = {"id": message_id, "delta": {"content": list(parts)}}
    return event("thread.message.delta", added)


def text(value: str) -> dict[str, Any]:
    return {"index": 0, "type": "text", "text": {"value": value}}


def message(message_id: str, value: str, word: str = "completed") -> ServerEvent:
    body = {"id": message_id, "content": [text(value)]}
    return event(f"thread.message.{word}", body)


def run(status: str, **more: Any) -> ServerEvent:  # noqa: ANN401 - any JSON
    return event(f"thread.run.{status}", {"id": "run_1", "status": status, **more})


def told(*events: ServerEvent, known: tuple[str, ...] = ()) -> list[RunEvent]:
    reader = RunReader(NEW, known=known)
    return [one for each in events for one in reader.read(each)]


def test_all_names_of_the_protocol_are_known() -> None:
    runs = (
        "created queued in_progress requires_action completed incomplete failed "
        "cancelling cancelled expired"
    )
    steps = "created in_progress delta completed failed cancelled expired"
    messages = "created in_progress delta completed incomplete"
    names = {
        "thread.created",
        *(f"thread.run.{name}" for name in runs.split()),
        *(f"thread.run.step.{name}" for name in steps.split()),
        *(f"thread.message.{name}" for name in messages.split()),
        "error",
        "done",
    }

    assert names == NAMES
    assert len(names) == 25


@pytest.mark.parametrize("name", ["thread.run.paused", "ping", "", "thread.forked"])
def test_an_unknown_event_is_skipped(name: str) -> None:
    assert read_event(event(name)) is None
    assert read_event(ServerEvent(name, b"[DONE]")) is None


@pytest.mark.parametrize("status", [each.value for each in RunStatus])
def test_every_status_is_told_by_its_name(status: str) -> None:
    if status == "failed":
        with pytest.raises(AssistantUnavailable) as caught:
            told(run(status, last_error={"code": "rate_limit_exceeded"}))
        assert caught.value.code == "rate_limit_exceeded"
        return
    [update] = told(run(status))

    assert isinstance(update, RunUpdate)
    assert update.name == f"thread.run.{status}"
    assert update.run.status == status
    assert update.run.run_id == "run_1"


def test_a_status_unknown_to_us_is_what_its_event_is_named_after() -> None:
    [update] = told(event("thread.run.queued", {"id": "r", "status": "waiting"}))

    assert isinstance(update, RunUpdate)
    assert update.run.status is RunStatus.QUEUED


def test_a_message_is_begun_once_and_its_whole_text_wins() -> None:
    events = told(
        event("thread.message.created", {"id": "m1", "content": []}),
        delta("m1", text("Hel")),
        delta("m1", text("lo")),
        message("m1", "Hello!"),
        message("m1", "Hello!"),
    )

    assert events == [
        MessageStarted("thread.message.created", "m1"),
        TextDelta("thread.message.delta", "Hel"),
        TextDelta("thread.message.delta", "lo"),
        TextDone("thread.message.completed", "Hello!"),
    ]


def test_a_message_of_an_earlier_pass_is_not_told_again() -> None:
    assert told(message("m0", "Before."), known=("m0",)) == []


@pytest.mark.parametrize(
    "part",
    [
        {"index": 0, "type": "text"},
        {"index": 0, "type": "text", "text": {}},
        {"index": 0, "type": "image_file", "image_file": {"file_id": "f"}},
    ],
)
def test_parts_without_words_tell_nothing(part: dict[str, Any]) -> None:
    assert told(delta("m1", part)) == []


def test_what_a_run_has_said_and_wants_called_is_its_output() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    action = {"type": "x", "submit_tool_outputs": {"tool_calls": [call]}}
    *_, update = told(
        message("m1", "Wait."), run("requires_action", required_action=action)
    )

    assert isinstance(update, RunUpdate)
    assert [item["type"] for item in update.run.output] == ["message", "function_call"]
    assert update.run.tool_calls[0].call_id == "c"


def test_nothing_is_read_after_the_end() -> None:
    assert told(run("completed"), delta("m2", text("late")))[1:] == []


def test_the_servers_own_tools_are_told_as_steps() -> None:
    details = {"type": "tool_calls", "tool_calls": [{"type": "file_search"}]}
    step = event("thread.run.step.created", {"id": "s", "step_details": details})

    assert told(step) == [StepUpdate("thread.run.step.created", "searching files")]


@pytest.mark.parametrize(
    "data",
    [
        {"message": "no", "code": "invalid_api_key"},
        {"error": {"message": "no", "code": "invalid_api_key"}},
    ],
)
@pytest.mark.parametrize("name", ["error", ""])
def test_an_error_is_understood_flat_and_nested(
    name: str, data: dict[str, Any]
) -> None:
    if not name and "error" not in data:
        assert told(event(name, data)) == []
        return
    with pytest.raises(AssistantRefused) as caught:
        told(event(name, data))

    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"id": 5}', b""])
def test_data_that_is_not_what_its_name_promises_ends_the_pass(data: bytes) -> None:
    with pytest.raises(StreamEndedEarly):
        told(ServerEvent("thread.run.completed", data))


def test_the_marks_of_files_in_a_text_name_their_files() -> None:
    marked = {"text": "【4:0†source】", "file_citation": {"file_id": "file-abc"}}
    says = "So it is【4:0†source】."
    text_part = {"value": says, "annotations": [marked, {"text": "x"}]}
    body = {"id": "msg_1", "content": [{"type": "text", "text": text_part}]}

    events = told(event("thread.message.completed", body))

    citation = Citation(title="【4:0†source】 file-abc")
    assert events[-1] == TextDone("thread.message.completed", says, (citation,))
