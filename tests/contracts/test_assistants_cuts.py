"""A stream that is cut: wherever that is, nothing is lost, doubled or made up."""

import json
from collections.abc import AsyncIterator

import pytest

from app.assistants.sse import ServerEvent
from app.domain import RunStatus, ToolOutput

from .assistant_stage import (
    ConversationStage,
    Heard,
    Stage,
    ThreadsStage,
    client_of,
    hear,
)
from .replaying import Play, ReplayServer, events_of, recorded, replaying
from .replaying_conversations import replaying_conversations
from .replaying_threads import ThreadsServer, replaying_threads

_THREAD, _RUN = "thread_7cKq2VnXh1", "run_4fGm9ZtYw3"
_HELLO = "Hello Ana, the kitchen is at 22 °C."


@pytest.fixture(params=["local", "conversation"])
async def forgetful(
    request: pytest.FixtureRequest,
) -> AsyncIterator[tuple[Stage | ConversationStage, ReplayServer]]:
    """A server whose runs end with their connection."""
    kind = Stage if request.param == "local" else ConversationStage
    played = replaying() if request.param == "local" else replaying_conversations()
    async with played as server, client_of(server.base_url) as client:
        stage = kind(client)
        stage.say("hello")
        yield stage, server


@pytest.fixture
async def server() -> AsyncIterator[ThreadsServer]:
    """A server whose runs go on without their reader."""
    async with replaying_threads() as server:
        yield server


@pytest.fixture
async def stage(server: ThreadsServer) -> AsyncIterator[ThreadsStage]:
    async with client_of(server.base_url) as client:
        yield ThreadsStage(client)


async def answer(stage: ThreadsStage, server: ThreadsServer, *acts: Play) -> Heard:
    server.acts.clear()
    server.then(*acts)
    return await hear(stage.assistant.run(stage.turn))


def event_type(event: ServerEvent) -> str:
    """The event's type; some servers tell it in the data alone."""
    is_json = event.data.startswith(b"{")
    return event.name or (str(json.loads(event.data).get("type")) if is_json else "")


_ENDS = ("response.completed", "response.incomplete", "response.cancelled")


@pytest.mark.parametrize("then", ["end", "cut"])
@pytest.mark.parametrize("name", recorded(but="assistants_"))
async def test_a_stream_may_stop_after_any_event(
    forgetful: tuple[Stage | ConversationStage, ReplayServer], name: str, then: str
):
    stage, server = forgetful
    server.then(Play(name))
    whole = await hear(stage.assistant.run(stage.turn))
    events = events_of(name)

    for count in range(len(events) + 1):
        server.acts.clear()
        server.requests.clear()
        server.then(Play(name, count, then), Play(name))
        heard = await hear(stage.assistant.run(stage.turn))

        has_ended = any(event_type(event) in _ENDS for event in events[:count])
        if heard.run.status is not RunStatus.FAILED:
            assert heard.text == whole.text
            assert heard.run.status is whole.run.status
            assert heard.run.tool_calls == whole.run.tool_calls
            assert has_ended == (len(server.requests) == 1)
        else:
            assert not has_ended
            assert whole.text.startswith(heard.text)


@pytest.mark.parametrize("then", ["cut", "end"])
@pytest.mark.parametrize("events", range(len(events_of("assistants_text")) - 2))
async def test_a_stream_cut_at_any_event_shows_the_text_whole_and_once(
    stage: ThreadsStage, server: ThreadsServer, events: int, then: str
):
    stage.say("hello")
    cut = Play("assistants_text", events=events, then=then)
    heard = await answer(stage, server, cut, Play("assistants_text"))

    assert heard.text == _HELLO
    assert heard.run.status is RunStatus.COMPLETED
    assert len(stage.pauses) == 1
    begun = [path for path in server.asked if path.endswith("/runs") and "POST" in path]
    assert len(begun) == (2 if events < 2 else 1)


@pytest.mark.parametrize("then", ["cut", "end"])
@pytest.mark.parametrize(
    "name",
    recorded(of="assistants_", but=("assistants_error", "assistants_report")),
)
async def test_a_run_comes_to_the_same_wherever_its_stream_is_cut(
    stage: ThreadsStage, server: ThreadsServer, name: str, then: str
):
    stage.say("hello")
    whole = await answer(stage, server, Play(name))

    for events in range(len(events_of(name))):
        stage.thread = None
        heard = await answer(stage, server, Play(name, events, then), Play(name))

        assert heard.run.status is whole.run.status
        assert heard.text == whole.text
        assert heard.run.tool_calls == whole.run.tool_calls


@pytest.mark.parametrize("then", ["cut", "end"])
async def test_outputs_are_taken_once_wherever_the_stream_after_them_is_cut(
    stage: ThreadsStage, server: ThreadsServer, then: str
):
    stage.say("both rooms")
    run = (await answer(stage, server, Play("assistants_two_calls"))).run
    outputs = [ToolOutput(call_id="call_kitchen", output="23 °C")]
    path = f"POST /threads/{_THREAD}/runs/{_RUN}/submit_tool_outputs"

    for events in range(len(events_of("assistants_report"))):
        server.acts.clear()
        server.asked.clear()
        server.then(Play("assistants_report", events, then))
        heard = await hear(
            stage.assistant.submit_tool_outputs(stage.turn, run, outputs)
        )

        assert heard.run.status is RunStatus.COMPLETED
        assert heard.text == "The kitchen is at 23 °C now, the bedroom at 19 °C."
        assert server.asked.count(path) == 1
