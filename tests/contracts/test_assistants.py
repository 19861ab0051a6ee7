"""What every assistant promises, whatever server it speaks to."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web
from openai import AsyncOpenAI

from app.domain import RunStatus, TextDelta, ToolOutput
from app.sandbox.model.control import ModelControl
from app.sandbox.model.server import add_model_routes

from .assistant_stage import (
    ConversationStage,
    Heard,
    Stage,
    ThreadsStage,
    client_of,
    hear,
)
from .replaying import Play, Refuse, ReplayServer, replaying, served
from .replaying_conversations import replaying_conversations
from .replaying_threads import replaying_threads

AnyStage = Stage | ConversationStage | ThreadsStage

_AS_A_RUN = {"second_round": "report", "error_after_text": "error_flat"}
_BEFORE_A_RUNS_TEXT = 4
_TWO_ROOMS = "set the kitchen to 23 and the bedroom to 19"


@dataclass(frozen=True)
class Scene:
    """One situation, as a recording has it and as the offline model makes it."""

    says: str
    recorded: Play | Refuse
    fault: dict[str, Any] | None = None

    def recorded_as_a_run(self) -> Play | Refuse:
        if not isinstance(self.recorded, Play):
            return self.recorded
        name = str(self.recorded.stream)
        events = self.recorded.events and self.recorded.events + _BEFORE_A_RUNS_TEXT
        return replace(
            self.recorded,
            stream=f"assistants_{_AS_A_RUN.get(name, name)}",
            events=events,
        )


SCENES = {
    "text": Scene("say exactly: Hello Ana, the kitchen is at 22 °C.", Play("text")),
    "two calls": Scene(_TWO_ROOMS, Play("two_calls")),
    "report": Scene("", Play("second_round")),
    "one call": Scene("how warm is the kitchen?", Play("one_call")),
    "refusal": Scene("hello", Play("refusal"), {"kind": "refusal"}),
    "cut at length": Scene(
        "tell me a long story",
        Play("cut_at_length"),
        {"kind": "incomplete", "value": 16},
    ),
    "failed": Scene("hello", Play("failed_server"), {"kind": "failed", "count": 5}),
    "error event": Scene(
        "tell me a long story",
        Play("error_after_text"),
        {"kind": "error_event", "value": 8},
    ),
    "budget": Scene(
        "hello", Refuse(429, {"code": "insufficient_quota"}), {"kind": "quota"}
    ),
    "clean end": Scene(
        "tell me a long story",
        Play("text", events=7),
        {"kind": "clean_end", "value": 8},
    ),
    "cut": Scene(
        "tell me a long story",
        Play("text", events=7, then="cut"),
        {"kind": "cut", "value": 8},
    ),
    "endless": Scene("tell me a very long story", Play("text", events=6, then="hang")),
}


class Backend(ABC):
    """A server on stage: it can set a scene and see whether it was hung up on."""

    def __init__(self, stage: AnyStage) -> None:
        self.stage = stage

    @abstractmethod
    def set(self, name: str) -> None: ...

    @abstractmethod
    async def wait_until_hung_up(self) -> None: ...

    async def hear_run(self, scene: str) -> Heard:
        self.stage.say(SCENES[scene].says)
        self.set(scene)
        return await hear(self.stage.assistant.run(self.stage.turn))


class Recorded(Backend):
    def __init__(self, stage: AnyStage, server: ReplayServer) -> None:
        super().__init__(stage)
        self._server = server

    def set(self, name: str) -> None:
        self._server.acts.clear()
        self._server.then(SCENES[name].recorded)

    async def wait_until_hung_up(self) -> None:
        await self._server.hung_up.wait()


class RecordedRuns(Recorded):
    def set(self, name: str) -> None:
        self._server.acts.clear()
        self._server.then(SCENES[name].recorded_as_a_run())


class Sandbox(Backend):
    def __init__(self, stage: AnyStage, control: ModelControl) -> None:
        super().__init__(stage)
        self._control = control

    def set(self, name: str) -> None:
        self._control.rate = 30 if name == "endless" else 0
        if fault := SCENES[name].fault:
            self._control.fault(**fault)

    async def wait_until_hung_up(self) -> None:
        record = await self._control.wait_for(self._control.asked)
        assert record.ended == "hung up"


_STAGES: dict[str, Callable[[AsyncOpenAI], AnyStage]] = {
    "responses": Stage,
    "conversation": ConversationStage,
    "assistants": ThreadsStage,
}


@asynccontextmanager
async def _on_stage(name: str) -> AsyncIterator[Backend]:
    match name:
        case "responses, recorded":
            async with replaying() as server, client_of(server.base_url) as client:
                yield Recorded(Stage(client), server)
        case "conversation, recorded":
            async with (
                replaying_conversations() as talks,
                client_of(talks.base_url) as client,
            ):
                yield Recorded(ConversationStage(client), talks)
        case "assistants, recorded":
            async with (
                replaying_threads() as threads,
                client_of(threads.base_url) as client,
            ):
                yield RecordedRuns(ThreadsStage(client), threads)
        case _:
            app = web.Application()
            control = add_model_routes(app, token_rate=0)
            async with served(app) as address, client_of(f"{address}/v1") as client:
                kind = _STAGES[name.partition(",")[0]]
                yield Sandbox(kind(client), control)


@pytest.fixture(
    params=[
        "responses, recorded",
        "responses, sandbox",
        "conversation, recorded",
        "conversation, sandbox",
        "assistants, recorded",
        "assistants, sandbox",
    ]
)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with _on_stage(request.param) as backend:
        yield backend


@pytest.fixture(
    params=[
        "responses, recorded",
        "responses, sandbox",
        "conversation, recorded",
        "conversation, sandbox",
    ]
)
async def forgetful(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """A backend whose runs end with their connection."""
    async with _on_stage(request.param) as backend:
        yield backend


@pytest.fixture(params=["assistants, recorded", "assistants, sandbox"])
async def keeping(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """A backend whose runs go on without their reader."""
    async with _on_stage(request.param) as backend:
        yield backend


async def test_an_answer_comes_as_a_run_of_the_known_statuses(backend: Backend):
    heard = await backend.hear_run("text")

    assert heard.text == "Hello Ana, the kitchen is at 22 °C."
    waits = ("thread.created", "thread.run.queued")
    names = [name for name in heard.names if name not in waits]
    assert names[:3] == [
        "thread.run.created",
        "thread.run.in_progress",
        "thread.message.created",
    ]
    assert set(names[3:-2]) == {"thread.message.delta"}
    assert heard.names[-2:] == ["thread.message.completed", "thread.run.completed"]
    assert heard.run.status is RunStatus.COMPLETED
    assert heard.run.usage
    assert heard.run.usage.output_tokens > 0


async def test_the_deltas_alone_make_up_the_text(backend: Backend):
    heard = await backend.hear_run("text")

    deltas = [event.text for event in heard.events if isinstance(event, TextDelta)]
    assert len(deltas) > 3
    assert "".join(deltas) == heard.text


async def test_a_run_that_needs_a_tool_stops_and_says_which(backend: Backend):
    heard = await backend.hear_run("one call")

    assert heard.run.status is RunStatus.REQUIRES_ACTION
    assert heard.names[-1] == "thread.run.requires_action"
    assert [call.name for call in heard.run.tool_calls] == ["getRoomTemperature"]
    assert '"kitchen"' in heard.run.tool_calls[0].arguments


async def test_tools_that_are_wanted_at_once_come_together(backend: Backend):
    heard = await backend.hear_run("two calls")

    calls = heard.run.tool_calls
    assert [call.name for call in calls] == ["setRoomTemperature"] * 2
    assert "23" in calls[0].arguments
    assert "19" in calls[1].arguments
    assert calls[0].call_id != calls[1].call_id


async def test_the_answer_goes_on_after_the_outputs(backend: Backend):
    stage = backend.stage
    run = (await backend.hear_run("two calls")).run
    kitchen, bedroom = run.tool_calls
    outputs = {
        kitchen.call_id: "The kitchen is at 23 °C now; it was at 20 °C.",
        bedroom.call_id: "The bedroom is at 19 °C now; it was at 20 °C.",
    }
    stage.add_pass(run, outputs)
    backend.set("report")

    heard = await hear(
        stage.assistant.submit_tool_outputs(
            stage.turn,
            run,
            [ToolOutput(call_id=one, output=said) for one, said in outputs.items()],
        )
    )

    assert "kitchen is at 23 °C now" in heard.text
    assert "bedroom" in heard.text
    assert heard.run.status is RunStatus.COMPLETED
    assert heard.run.run_id == run.run_id
    before = run.usage.output_tokens if run.usage else 0
    assert heard.run.usage
    assert heard.run.usage.output_tokens > before


async def test_a_takeover_goes_on_with_what_was_committed(backend: Backend):
    stage = backend.stage
    run = (await backend.hear_run("two calls")).run
    outputs = {call.call_id: "The rooms are at 23 °C now." for call in run.tool_calls}
    stage.add_pass(run, outputs)
    backend.set("report")

    heard = await hear(stage.assistant.resume(stage.turn))

    assert heard.run.status is RunStatus.COMPLETED
    assert heard.text


async def test_a_call_that_never_got_its_output_does_not_block_the_thread(
    backend: Backend,
):
    run = (await backend.hear_run("two calls")).run
    backend.stage.add_pass(run, {run.tool_calls[0].call_id: "The kitchen is at 23 °C."})

    heard = await backend.hear_run("text")

    assert heard.run.status is RunStatus.COMPLETED
    assert "Hello Ana" in heard.text


async def test_a_refusal_is_read_as_text(backend: Backend):
    heard = await backend.hear_run("refusal")

    assert heard.text == "I'm sorry, but I can't help with that."
    assert heard.run.status is RunStatus.COMPLETED


async def test_an_answer_cut_at_its_length_keeps_its_text_and_says_so(backend: Backend):
    heard = await backend.hear_run("cut at length")

    assert heard.run.status is RunStatus.INCOMPLETE
    assert heard.run.incomplete_reason == "max_output_tokens"
    assert heard.text
    assert heard.run.output[0]["content"][0]["text"] == heard.text


async def test_a_server_that_keeps_failing_ends_the_run_with_a_kind_sentence(
    backend: Backend,
):
    heard = await backend.hear_run("failed")

    assert heard.run.status is RunStatus.FAILED
    assert heard.run.error
    assert heard.run.error.code == "server_error"
    assert heard.run.error.message == (
        "The model has trouble answering right now. Please try again in a minute."
    )
    assert len(backend.stage.pauses) == 4


@pytest.mark.parametrize("scene", ["error event", "clean end", "cut"])
async def test_what_breaks_after_the_first_word_keeps_the_text_and_fails(
    forgetful: Backend, scene: str
):
    heard = await forgetful.hear_run(scene)

    assert heard.text
    assert heard.names[-1] == "thread.run.failed"
    assert heard.run.error
    # What was cut may be kept in a conversation, so it is looked for there.
    is_kept = isinstance(forgetful.stage, ConversationStage)
    looks = 2 if is_kept and scene != "error event" else 0
    assert len(forgetful.stage.pauses) == looks


@pytest.mark.parametrize("scene", ["clean end", "cut"])
async def test_what_the_network_breaks_off_is_heard_to_its_end(
    keeping: Backend, scene: str
):
    heard = await keeping.hear_run(scene)

    assert heard.run.status is RunStatus.COMPLETED
    assert heard.text.endswith(("22 °C.", "The end."))
    assert heard.names.count("thread.message.created") == 1
    assert heard.run.output[-1]["content"][0]["text"] == heard.text


async def test_a_used_up_budget_is_never_tried_again(backend: Backend):
    heard = await backend.hear_run("budget")

    assert backend.stage.pauses == []
    assert heard.run.error
    assert heard.run.error.code == "insufficient_quota"
    assert heard.run.error.message == (
        "The budget for the model is used up. Please tell whoever runs me."
    )


async def test_closing_the_stream_hangs_up_at_once(backend: Backend):
    backend.stage.say(SCENES["endless"].says)
    backend.set("endless")

    async with aclosing(backend.stage.assistant.run(backend.stage.turn)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    await backend.wait_until_hung_up()


async def test_cancelling_the_reader_hangs_up_at_once(backend: Backend):
    backend.stage.say(SCENES["endless"].says)
    backend.set("endless")
    has_text = asyncio.Event()

    async def read() -> None:
        async for event in backend.stage.assistant.run(backend.stage.turn):
            if isinstance(event, TextDelta):
                has_text.set()

    reading = asyncio.create_task(read())
    await has_text.wait()
    reading.cancel()

    await backend.wait_until_hung_up()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_many_runs_share_one_assistant(backend: Backend):
    backend.stage.say(SCENES["text"].says)
    backend.set("text")

    heard = await asyncio.gather(
        *(hear(backend.stage.assistant.run(backend.stage.turn)) for _ in range(20))
    )

    assert {one.text for one in heard} == {"Hello Ana, the kitchen is at 22 °C."}
