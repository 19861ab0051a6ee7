"""The nine words for how a run stands, from both protocols."""

import json
from typing import Any

import pytest

from app.assistants.assistants_pass import RunReader
from app.assistants.passes import Reader
from app.assistants.responses_pass import PassReader
from app.assistants.sse import ServerEvent
from app.domain import Run, RunStatus, RunUpdate
from app.errors import AssistantUnavailable

_NEW = Run(run_id="", status=RunStatus.QUEUED)
_INTERIM = (RunStatus.QUEUED, RunStatus.IN_PROGRESS, RunStatus.CANCELLING)
_TROUBLE = {"code": "server_error", "message": "no"}
_CALL = {"id": "call_1", "function": {"name": "getRoomTemperature", "arguments": "{}"}}
_ACTION = {"submit_tool_outputs": {"tool_calls": [_CALL]}}


def _event(name: str, data: dict[str, Any]) -> ServerEvent:
    return ServerEvent(name, json.dumps(data).encode())


def _of_run(status: str) -> ServerEvent:
    body = {"id": "run_1", "status": status, "required_action": _ACTION}
    body |= {"last_error": _TROUBLE} if status == "failed" else {}
    return _event(f"thread.run.{status}", body)


def _of_response(status: str) -> ServerEvent:
    error = _TROUBLE if status == "failed" else None
    body = {"status": status, "error": error}
    return _event(f"response.{status}", {"response": body})


def _told(reader: Reader, event: ServerEvent) -> Run:
    [told] = reader.read(event)
    assert isinstance(told, RunUpdate)
    assert told.name == f"thread.run.{told.run.status}"
    return told.run


@pytest.mark.parametrize(
    "status", [each for each in RunStatus if each is not RunStatus.FAILED]
)
def test_a_run_tells_each_of_its_statuses(status: RunStatus) -> None:
    reader = RunReader(_NEW)

    run = _told(reader, _of_run(status))

    assert run.status is status
    assert reader.has_ended == (status not in _INTERIM)
    assert bool(run.tool_calls) == (status is RunStatus.REQUIRES_ACTION)


@pytest.mark.parametrize(
    "status", ["queued", "in_progress", "completed", "incomplete", "cancelled"]
)
def test_a_response_tells_each_of_its_statuses(status: str) -> None:
    reader = PassReader(_NEW, first=True)

    run = _told(reader, _of_response(status))

    assert run.status == status
    assert reader.has_ended == (run.status not in _INTERIM)


@pytest.mark.parametrize(
    ("reader", "event"),
    [
        (RunReader(_NEW), _of_run("failed")),
        (PassReader(_NEW, first=True), _of_response("failed")),
    ],
)
def test_a_failure_is_told_as_one_that_may_be_tried_again(
    reader: Reader, event: ServerEvent
) -> None:
    with pytest.raises(AssistantUnavailable):
        reader.read(event)


def test_what_has_ended_says_no_more() -> None:
    run, response = RunReader(_NEW), PassReader(_NEW, first=True)
    run.read(_of_run("cancelled"))
    response.read(_of_response("completed"))

    assert not run.read(_of_run("completed"))
    assert not response.read(_of_response("failed"))
