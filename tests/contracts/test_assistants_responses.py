"""ResponsesAssistant against recorded streams: what it sends, what it makes of them."""

import json
import logging
from collections.abc import AsyncIterator, Mapping

import pytest
from openai import AsyncOpenAI

from app.assistants.patience import Limits
from app.assistants.responses_profile import OPENAI, Capabilities
from app.domain import (
    Citation,
    ItemKind,
    RunStatus,
    StepUpdate,
    TextDone,
    ToolCall,
)

from .assistant_stage import TURN, Heard, Stage, client_of, hear
from .replaying import (
    Act,
    Play,
    Refuse,
    ReplayServer,
    replaying,
)

_HELLO = "Hello Ana, the kitchen is at 22 °C."
_BUSY = "The model is too busy right now. Please try again in a minute."
_SECRET = "the plan is to sell on Friday"


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    async with replaying() as server:
        yield server


@pytest.fixture
async def client(server: ReplayServer) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(server.base_url) as client:
        yield client


@pytest.fixture
def stage(client: AsyncOpenAI) -> Stage:
    stage = Stage(client)
    stage.say("hello")
    return stage


def in_stream(*events: Mapping[str, object]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        for event in events
    )


async def hear_run(stage: Stage, server: ReplayServer, *acts: Act) -> Heard:
    server.then(*acts)
    return await hear(stage.assistant.run(TURN))


@pytest.mark.parametrize(
    "name",
    [
        "text",
        "bare",
        "only_final_output",
        "whole_only",
        "changing_ids",
        "crlf_and_comments",
        "unknown_events",
    ],
)
async def test_servers_that_tell_less_or_otherwise_are_read_alike(
    stage: Stage, server: ReplayServer, name: str
):
    heard = await hear_run(stage, server, Play(name))

    assert heard.text == _HELLO
    assert heard.run.status in (RunStatus.COMPLETED, RunStatus.REQUIRES_ACTION)
    assert "thread.run.in_progress" in heard.names
    said = next(item for item in heard.run.output if item["type"] == "message")
    assert said["content"][0]["text"] == _HELLO


@pytest.mark.parametrize(
    ("name", "call_id"),
    [("only_final_output", "call_late"), ("changing_ids", "call_stable")],
)
async def test_a_call_after_some_text_is_not_lost(
    stage: Stage, server: ReplayServer, name: str, call_id: str
):
    heard = await hear_run(stage, server, Play(name))

    assert heard.run.status is RunStatus.REQUIRES_ACTION
    assert [call.call_id for call in heard.run.tool_calls] == [call_id]


async def test_calls_are_kept_with_the_thoughts_that_led_to_them(
    stage: Stage, server: ReplayServer
):
    heard = await hear_run(stage, server, Play("two_calls"))

    kinds = [item["type"] for item in heard.run.output]
    assert kinds == ["reasoning", "function_call", "function_call"]
    assert heard.run.tool_calls[0] == ToolCall(
        call_id="call_Kitchen1",
        name="setRoomTemperature",
        arguments='{"room":"kitchen","temperature":23}',
    )


async def test_a_note_on_the_way_is_a_step_and_no_answer(
    stage: Stage, server: ReplayServer
):
    heard = await hear_run(stage, server, Play("commentary"))

    steps = [event.label for event in heard.events if isinstance(event, StepUpdate)]
    assert steps == ["Let me look at the rooms first."]
    assert heard.text == ""
    assert heard.run.output[0]["phase"] == "commentary"


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("cut_at_length", RunStatus.INCOMPLETE, "max_output_tokens"),
        ("content_filter", RunStatus.INCOMPLETE, "content_filter"),
        ("cancelled", RunStatus.CANCELLED, None),
    ],
)
async def test_every_other_end_has_its_status(
    stage: Stage,
    server: ReplayServer,
    name: str,
    status: RunStatus,
    reason: str | None,
):
    heard = await hear_run(stage, server, Play(name))

    assert heard.run.status is status
    assert heard.names[-1] == f"thread.run.{status}"
    assert heard.run.incomplete_reason == reason


async def test_a_call_cut_at_its_length_is_neither_run_nor_remembered(
    stage: Stage, server: ReplayServer
):
    heard = await hear_run(stage, server, Play("cut_in_a_call"))

    assert heard.run.status is RunStatus.INCOMPLETE
    assert heard.run.tool_calls == ()
    assert heard.run.output == ()


async def test_a_busy_server_is_asked_again_when_it_says(
    stage: Stage, server: ReplayServer
):
    busy = Refuse(429, {"code": "rate_limit_exceeded"}, {"Retry-After": "7"})
    heard = await hear_run(stage, server, busy, Play("text"))

    assert heard.names[0] == "thread.run.queued"
    assert heard.runs[0].retry_in
    assert (heard.runs[0].retry_in.attempt, heard.runs[0].retry_in.attempts) == (1, 4)
    assert stage.pauses == [7.0]
    assert heard.text == _HELLO
    assert heard.run.status is RunStatus.COMPLETED
    assert heard.run.retry_in is None


async def test_nobody_waits_longer_than_a_minute_for_a_retry(
    stage: Stage, server: ReplayServer
):
    busy = Refuse(429, {"code": "rate_limit_exceeded"}, {"Retry-After": "3600"})
    await hear_run(stage, server, busy, Play("text"))

    assert stage.pauses == [60.0]


async def test_pauses_grow_and_end_after_the_fourth(stage: Stage, server: ReplayServer):
    heard = await hear_run(stage, server, Refuse(503, "<html>upstream is down</html>"))

    assert len(server.requests) == 5
    assert len(stage.pauses) == 4
    assert all(
        n <= p <= 1.25 * n for n, p in zip([1, 2, 4, 8], stage.pauses, strict=True)
    )
    assert heard.names == ["thread.run.queued"] * 4 + ["thread.run.failed"]
    assert heard.run.error
    assert "upstream" not in heard.run.error.message


@pytest.mark.parametrize("name", ["error_flat", "error_nested", "failed_server"])
async def test_an_error_before_the_first_word_is_tried_again(
    stage: Stage, server: ReplayServer, name: str
):
    heard = await hear_run(stage, server, Play(name), Play("text"))

    assert heard.text == _HELLO
    assert len(stage.pauses) == 1


async def test_a_refused_prompt_is_not_tried_again(stage: Stage, server: ReplayServer):
    heard = await hear_run(stage, server, Play("failed_prompt"))

    assert len(server.requests) == 1
    assert heard.run.error
    assert heard.run.error.code == "invalid_prompt"
    assert "put it differently" in heard.run.error.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_request_refused_for_good_is_sent_once(
    stage: Stage, server: ReplayServer, status: int
):
    error = {"message": "no, because of org-77", "type": "invalid_request_error"}
    heard = await hear_run(stage, server, Refuse(status, error))

    assert len(server.requests) == 1
    assert heard.names == ["thread.run.failed"]
    assert heard.run.error
    assert "org-77" not in heard.run.error.message
    assert "Please tell whoever runs me." in heard.run.error.message


@pytest.mark.parametrize(
    "answer",
    [
        Play(b"<html>Log in to the wifi</html>", content_type="text/html"),
        Play(b'{"id":"resp_1"}', content_type="application/json"),
    ],
)
async def test_an_answer_that_is_no_stream_says_so(
    stage: Stage, server: ReplayServer, answer: Play
):
    heard = await hear_run(stage, server, answer)

    assert heard.run.error
    assert heard.run.error.code == "unreadable_answer"


async def test_an_answer_that_is_no_stream_is_hung_up_on(
    stage: Stage, server: ReplayServer
):
    await hear_run(
        stage, server, Play(b"<html>", then="hang", content_type="text/html")
    )

    await server.hung_up.wait()


async def test_an_event_that_cannot_be_read_fails_the_run(
    stage: Stage, server: ReplayServer
):
    broken = b"event: response.output_text.delta\ndata: {not json\n\n"
    heard = await hear_run(stage, server, Play(broken))

    assert heard.run.status is RunStatus.FAILED
    assert heard.run.error
    assert heard.run.error.code == "unreadable_event"


async def test_a_server_that_is_not_there_is_named_kindly(client: AsyncOpenAI):
    stage = Stage(client.with_options(base_url="http://127.0.0.1:9/v1"))
    stage.say("hello")

    heard = await hear(stage.assistant.run(TURN))

    assert len(stage.pauses) == 4
    assert heard.run.error
    assert heard.run.error.message == (
        "I can't reach the model right now. Please try again in a minute."
    )


async def test_a_server_that_says_nothing_at_all_is_given_up(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client, limits=Limits(first_event=0.05))
    stage.say("hello")

    heard = await hear_run(stage, server, Play("text", 0, "hang"))

    assert len(stage.pauses) == 4
    assert heard.run.error
    assert heard.run.error.code == "timeout"


async def test_a_server_that_falls_silent_is_hung_up_on(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client, limits=Limits(gap=0.05))
    stage.say("hello")

    heard = await hear_run(stage, server, Play("text", 6, "hang"))

    assert heard.text
    assert heard.run.error
    assert heard.run.error.message == ("The model stopped answering. Please ask again.")
    await server.hung_up.wait()


@pytest.mark.parametrize("events", [0, 6])
async def test_a_run_past_its_time_has_expired(
    client: AsyncOpenAI, server: ReplayServer, events: int
):
    stage = Stage(client, limits=Limits(run=0.2))
    stage.say("hello")

    heard = await hear_run(stage, server, Play("text", events, "hang"))

    assert heard.names[-1] == "thread.run.expired"
    assert heard.run.error is None
    assert stage.pauses == []


async def test_the_time_of_a_run_counts_over_all_its_passes(
    stage: Stage, server: ReplayServer
):
    run = (await hear_run(stage, server, Play("one_call"))).run
    stage.add_pass(run, {run.tool_calls[0].call_id: "22"})
    ten_minutes = 600
    stage.assistant._passes._began[TURN.turn_id] -= ten_minutes

    heard = await hear(stage.assistant.submit_tool_outputs(TURN, run, ()))

    assert heard.names == ["thread.run.expired"]
    assert len(server.requests) == 1


async def test_a_finished_stream_leaves_its_connection_for_the_next(
    stage: Stage, server: ReplayServer
):
    for _ in range(5):
        await hear_run(stage, server, Play("text"))

    assert len(server.requests) == 5
    assert len(server.peers) < 5


async def test_a_server_that_keeps_the_line_open_after_the_end_is_not_waited_for(
    stage: Stage, server: ReplayServer
):
    heard = await hear_run(stage, server, Play("text", then="hang"))

    assert heard.run.status is RunStatus.COMPLETED
    await server.hung_up.wait()


_COMMON = {
    "model",
    "instructions",
    "tools",
    "parallel_tool_calls",
    "store",
    "stream",
    "input",
}
_NAMES = {"prompt_cache_key"}
_THOUGHTS = {"include", "reasoning"}


@pytest.mark.parametrize(
    ("base_url", "model", "more"),
    [
        ("https://api.openai.com/v1/", "gpt-6-luna", _NAMES | _THOUGHTS),
        ("https://api.openai.com/v1/", "gpt-4.1", _NAMES),
        ("https://a.openai.azure.com/openai/v1/", "gpt-6-luna", _NAMES | _THOUGHTS),
        ("https://a.openai.azure.com/openai/v1/", "our-chat", _NAMES),
        ("http://127.0.0.1:11434/v1", "qwen", set()),
    ],
)
async def test_each_kind_of_server_is_sent_the_fields_that_it_takes(
    client: AsyncOpenAI,
    server: ReplayServer,
    base_url: str,
    model: str,
    more: set[str],
):
    stage = Stage(client, capabilities=Capabilities.of(base_url, model))
    stage.say("hello")
    await hear_run(stage, server, Play("text"))

    body = server.requests[0]
    assert set(body) == _COMMON | more
    assert (body["store"], body["stream"]) == (False, True)
    assert body["tools"][0]["name"] == "getRoomTemperature"
    assert body["tools"][0]["strict"] is True
    assert body["input"] == [
        {"type": "message", "role": "user", "content": "Ana: hello"}
    ]


async def test_openai_is_asked_for_thoughts_that_can_be_replayed(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client, capabilities=OPENAI)
    stage.say("set the kitchen to 23 and the bedroom to 19")
    run = (await hear_run(stage, server, Play("two_calls"))).run
    stage.add_pass(run, {"call_Kitchen1": "done", "call_Bedroom2": "done"})
    server.acts.clear()
    server.then(Play("second_round"))

    await hear(stage.assistant.submit_tool_outputs(TURN, run, ()))

    body = server.requests[1]
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["reasoning"] == {"effort": "low"}
    assert [item["type"] for item in body["input"]] == [
        "message",
        "reasoning",
        "function_call",
        "function_call",
        "function_call_output",
        "function_call_output",
    ]
    assert not any({"id", "status"} & item.keys() for item in body["input"])
    assert body["input"][1]["encrypted_content"] == "gAAAAABo_encrypted_1"


async def test_a_refusal_is_logged_with_its_ids_and_without_the_servers_words(
    stage: Stage, server: ReplayServer, caplog: pytest.LogCaptureFixture
):
    stage.say(_SECRET, kind=ItemKind.OVERHEARD)
    said = f"Incorrect key sk-abcdef123 for input 'Ana: {_SECRET}' {{'x': '{_SECRET}'}}"
    error = {"message": said, "code": "invalid_api_key"}
    with caplog.at_level(logging.DEBUG, logger="app"):
        await hear_run(stage, server, Refuse(401, error))

    (record,) = caplog.records
    facts = vars(record)
    assert facts["request_id"] == "req_42"
    assert facts["run_id"] == "run_7"
    assert facts["code"] == "invalid_api_key"
    assert _SECRET not in str(facts)
    assert "abcdef" not in str(facts)
    assert facts["client_request_id"] == server.headers[0]["X-Client-Request-Id"]


async def test_what_an_answer_cites_comes_with_its_text(
    stage: Stage, server: ReplayServer
):
    cited = [
        {"type": "url_citation", "url": "https://a.example/x", "title": "A page"},
        {"type": "file_citation", "file_id": "file_1", "filename": "plan.pdf"},
        {"type": "file_path", "file_id": "file_2"},
        {"type": "of tomorrow"},
        "nonsense",
    ]
    part = {"type": "output_text", "text": "So it is.", "annotations": cited}
    message = {"type": "message", "role": "assistant", "content": [part]}
    done = {"type": "response.completed", "response": {"output": [message]}}

    heard = await hear_run(stage, server, Play(in_stream(done)))

    told = next(event for event in heard.events if isinstance(event, TextDone))
    assert told.citations == (
        Citation(title="A page", url="https://a.example/x"),
        Citation(title="plan.pdf"),
    )
    assert heard.run.output == (message,)
