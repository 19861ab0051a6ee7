"""What every assistant promises, whatever server it speaks to."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from app.domain import RunStatus, TextDelta
from app.sandbox.model.control import ModelControl
from app.sandbox.model.server import add_model_routes

from .assistant_stage import TURN, Heard, Stage, client_of, hear
from .replaying import Play, Refuse, ReplayServer, replaying, served

_TWO_ROOMS = "set the kitchen to 23 and the bedroom to 19"


@dataclass(frozen=True)
class Scene:
    """One situation, as a recording has it and as the offline model makes it."""

    says: str
    recorded: Play | Refuse
    fault: dict[str, Any] | None = None


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

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    @abstractmethod
    def set(self, name: str) -> None: ...

    @abstractmethod
    async def wait_until_hung_up(self) -> None: ...

    async def hear_run(self, scene: str) -> Heard:
        self.stage.say(SCENES[scene].says)
        self.set(scene)
        return await hear(self.stage.assistant.run(TURN))


class Recorded(Backend):
    def __init__(self, stage: Stage, server: ReplayServer) -> None:
        super().__init__(stage)
        self._server = server

    def set(self, name: str) -> None:
        self._server.acts.clear()
        self._server.then(SCENES[name].recorded)

    async def wait_until_hung_up(self) -> None:
        await self._server.hung_up.wait()


class Sandbox(Backend):
    def __init__(self, stage: Stage, control: ModelControl) -> None:
        super().__init__(stage)
        self._control = control

    def set(self, name: str) -> None:
        self._control.rate = 30 if name == "endless" else 0
        if fault := SCENES[name].fault:
            self._control.fault(**fault)

    async def wait_until_hung_up(self) -> None:
        record = await self._control.wait_for(self._control.asked)
        assert record.ended == "hung up"


@pytest.fixture(params=["recorded", "sandbox"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    if request.param == "recorded":
        async with replaying() as server, client_of(server.base_url) as client:
            yield Recorded(Stage(client), server)
        return
    app = web.Application()
    control = add_model_routes(app, token_rate=0)
    async with served(app) as address, client_of(f"{address}/v1") as client:
        yield Sandbox(Stage(client), control)


async def test_an_answer_comes_as_a_run_of_the_known_statuses(backend: Backend):
    heard = await backend.hear_run("text")

    assert heard.text == "Hello Ana, the kitchen is at 22 °C."
    assert heard.names[:3] == [
        "thread.run.created",
        "thread.run.in_progress",
        "thread.message.created",
    ]
    assert set(heard.names[3:-2]) == {"thread.message.delta"}
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
    stage.add_pass(
        run,
        {
            kitchen.call_id: "The kitchen is at 23 °C now; it was at 20 °C.",
            bedroom.call_id: "The bedroom is at 19 °C now; it was at 20 °C.",
        },
    )
    backend.set("report")

    heard = await hear(stage.assistant.submit_tool_outputs(TURN, run, ()))

    assert "kitchen is at 23 °C now" in heard.text
    assert "bedroom" in heard.text
    assert heard.run.status is RunStatus.COMPLETED
    assert heard.run.run_id == run.run_id
    assert heard.run.usage
    assert run.usage
    assert heard.run.usage.output_tokens > run.usage.output_tokens


async def test_a_takeover_goes_on_with_what_was_committed(backend: Backend):
    stage = backend.stage
    run = (await backend.hear_run("two calls")).run
    outputs = {call.call_id: "The rooms are at 23 °C now." for call in run.tool_calls}
    stage.add_pass(run, outputs)
    backend.set("report")

    heard = await hear(stage.assistant.resume(TURN))

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
    backend: Backend, scene: str
):
    heard = await backend.hear_run(scene)

    assert heard.text
    assert heard.names[-1] == "thread.run.failed"
    assert heard.run.error
    assert backend.stage.pauses == []


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

    async with aclosing(backend.stage.assistant.run(TURN)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break

    await backend.wait_until_hung_up()


async def test_cancelling_the_reader_hangs_up_at_once(backend: Backend):
    backend.stage.say(SCENES["endless"].says)
    backend.set("endless")
    has_text = asyncio.Event()

    async def read() -> None:
        async for event in backend.stage.assistant.run(TURN):
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
        *(hear(backend.stage.assistant.run(TURN)) for _ in range(20))
    )

    assert {one.text for one in heard} == {"Hello Ana, the kitchen is at 22 °C."}
