"""The offline Assistants API against OpenAI's own client and its published types."""

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai.types.beta import Assistant, AssistantStreamEvent, Thread
from openai.types.beta.threads import Message, Run
from openai.types.beta.threads.runs import RunStep
from pydantic import BaseModel, TypeAdapter

from tests.contracts.sandbox_assistants_stage import (
    ASSISTANT,
    TOOLS,
    TWO_ROOMS,
    Heard,
    Stage,
    Wire,
    calls_of,
    last,
    order,
    outputs_for,
    said,
    staged,
)

pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{said}:DeprecationWarning")
    for said in ("The Assistants API is deprecated", "deprecated")
]

PUBLISHED: TypeAdapter[Any] = TypeAdapter(AssistantStreamEvent)
OBJECTS: dict[str, type[BaseModel]] = {
    "assistant": Assistant,
    "thread": Thread,
    "thread.message": Message,
    "thread.run": Run,
    "thread.run.step": RunStep,
}
BEGUN = ["run.created", "run.queued", "run.in_progress"]
STEP = ["run.step.created", "run.step.in_progress"]
WRITTEN = [
    *STEP,
    "message.created",
    "message.in_progress",
    "message.delta",
    "message.completed",
    "run.step.completed",
]
CALLED = [*STEP, "run.step.delta", "run.requires_action", "done"]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


def complete(wire: Wire) -> None:
    """Hold an object against the published type: none of its fields is left out."""
    published = OBJECTS[wire["object"]]
    published.model_validate(wire)
    assert published.model_fields.keys() <= wire.keys()


async def asked_for_rooms(stage: Stage) -> tuple[Heard, Wire]:
    thread = {"messages": [{"role": "user", "content": TWO_ROOMS}]}
    asked = {"assistant_id": ASSISTANT, "tools": TOOLS, "thread": thread}
    events = await stage.stream("/threads/runs", asked)
    return events, last(events, "thread.run.requires_action")


async def submitted(stage: Stage, run: Wire) -> Heard:
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
    return await stage.stream(path, {"tool_outputs": outputs_for(run)})


async def test_text_streams_in_the_published_order(stage: Stage) -> None:
    thread = await stage.thread("Ana: show me a list")

    events = await stage.stream_run(thread)

    assert order(events) == [*BEGUN, *WRITTEN, "run.completed", "done"]
    assert events[-1] == ("done", "[DONE]")
    message = last(events, "thread.message.completed")
    assert message["content"][0]["text"]["value"] == said(events) != ""
    run = last(events, "thread.run.completed")
    assert run["usage"]["total_tokens"] > run["usage"]["completion_tokens"] > 10
    assert (run["expires_at"], run["last_error"]) == (None, None)


async def test_only_a_run_made_with_its_thread_tells_of_the_thread(
    stage: Stage,
) -> None:
    thread = {"messages": [{"role": "user", "content": "hi"}]}
    asked = {"assistant_id": ASSISTANT, "thread": thread}

    events = await stage.stream("/threads/runs", asked)

    assert order(events)[:2] == ["created", "run.created"]
    assert events[0][1]["id"] == events[1][1]["thread_id"]


async def test_a_run_that_calls_waits_for_outputs_and_its_stream_ends(
    stage: Stage,
) -> None:
    events, run = await asked_for_rooms(stage)

    assert order(events) == ["created", *BEGUN, *CALLED]
    assert (run["status"], run["usage"]) == ("requires_action", None)
    assert run["expires_at"] - run["created_at"] == 600
    first, second = calls_of(run)
    assert first["id"] != second["id"]
    written = {"room": "bedroom", "temperature": 19}
    assert json.loads(second["function"]["arguments"]) == written


async def test_the_pieces_of_the_calls_make_up_the_calls(stage: Stage) -> None:
    events, run = await asked_for_rooms(stage)
    built: dict[int, Wire] = {}
    for name, data in events:
        if name == "thread.run.step.delta":
            (piece,) = data["delta"]["step_details"]["tool_calls"]
            call = built.setdefault(piece["index"], {"arguments": ""})
            call["id"] = piece.get("id", call.get("id"))
            call["arguments"] += piece["function"]["arguments"]

    assert [
        {"id": call["id"], "arguments": call["function"]["arguments"]}
        for call in calls_of(run)
    ] == list(built.values())


async def test_after_the_outputs_the_run_goes_on_to_its_end(stage: Stage) -> None:
    _, run = await asked_for_rooms(stage)

    events = await submitted(stage, run)

    assert order(events) == [
        "run.step.completed",
        "run.queued",
        "run.in_progress",
        *WRITTEN,
        "run.completed",
        "done",
    ]
    assert "The kitchen is set." in said(events)
    assert "The bedroom is set." in said(events)
    step = last(events[:1], "thread.run.step.completed")
    outputs = [
        call["function"]["output"] for call in step["step_details"]["tool_calls"]
    ]
    assert outputs == ["The kitchen is set.", "The bedroom is set."]
    assert last(events, "thread.run.completed")["required_action"] is None


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (None, "Ana: show me everything"),
        (None, TWO_ROOMS),
        ("refusal", "hi"),
        ("failed", "tell me a story"),
        ("expired", "tell me a story"),
        ("incomplete", "tell me a story"),
        ("error_event", "tell me a story"),
    ],
)
async def test_every_event_is_what_openai_published(
    stage: Stage, fault: str | None, text: str
) -> None:
    if fault:
        stage.control.fault(fault, value=12)
    events = await stage.stream_run(await stage.thread(text), tools=TOOLS)
    assert len(events) > 10
    for name, data in events[:-1]:
        PUBLISHED.validate_python({"event": name, "data": data})
        if data.get("object") in OBJECTS:
            complete(data)


async def test_what_is_looked_up_later_is_complete_too(stage: Stage) -> None:
    _, run = await asked_for_rooms(stage)
    await submitted(stage, run)
    thread = f"/threads/{run['thread_id']}"
    paths = [
        thread,
        f"{thread}/runs/{run['id']}",
        f"/assistants/{ASSISTANT}",
    ]

    single = [await stage.ask("GET", path) for path in paths]
    listed = [
        item
        for path in (f"{thread}/messages", f"{thread}/runs/{run['id']}/steps")
        for item in (await stage.ask("GET", path))["data"]
    ]

    assert len(listed) == 4
    for wire in (*single, *listed):
        complete(wire)


class Reader(openai.AsyncAssistantEventHandler):
    pass


async def test_openais_own_stream_reader_understands_it(stage: Stage) -> None:
    threads = stage.client.beta.threads
    thread = await threads.create()
    await threads.messages.create(
        thread.id, role="user", content="Ana: tell me a long story"
    )

    async with threads.runs.stream(
        thread_id=thread.id, assistant_id=ASSISTANT, event_handler=Reader()
    ) as stream:
        (message,) = await stream.get_final_messages()
        run = stream.current_run

    (part,) = message.content
    assert part.type == "text"
    assert part.text.value.endswith("The end.")
    assert run
    assert run.status == "completed"


async def test_openais_own_client_goes_through_a_round_of_tools(stage: Stage) -> None:
    runs = stage.client.beta.threads.runs
    events = await stage.client.beta.threads.create_and_run(
        assistant_id=ASSISTANT,
        tools=TOOLS,
        thread={"messages": [{"role": "user", "content": TWO_ROOMS}]},
        stream=True,
    )
    run: Any = [event async for event in events][-1].data
    assert run.status == "requires_action"

    again = await runs.submit_tool_outputs(
        run.id,
        thread_id=run.thread_id,
        tool_outputs=[
            {"tool_call_id": call.id, "output": "22"}
            for call in run.required_action.submit_tool_outputs.tool_calls
        ],
        stream=True,
    )
    names = [event.event async for event in again]

    assert names[-1] == "thread.run.completed"
    steps = await runs.steps.list(run.id, thread_id=run.thread_id, order="asc")
    assert [step.type for step in steps.data] == ["tool_calls", "message_creation"]


async def test_every_use_of_openais_client_says_that_it_is_deprecated(
    stage: Stage,
) -> None:
    with pytest.warns(DeprecationWarning, match="Assistants API is deprecated"):
        await stage.client.beta.threads.create()


async def test_a_run_nobody_reads_is_queued_and_then_found_complete(
    stage: Stage,
) -> None:
    thread = await stage.thread("Ana: tell me a story")

    run = await stage.run(thread)

    assert run["status"] == "queued"
    await stage.ended(thread, run["id"], "completed")
    path = f"/threads/{thread}/messages"
    (message,) = (await stage.ask("GET", path, run_id=run["id"]))["data"]
    assert message["role"] == "assistant"
    assert message["content"][0]["text"]["value"].endswith("The end.")


async def test_openais_client_polls_a_run_through_its_tools(stage: Stage) -> None:
    runs = stage.client.beta.threads.runs
    thread = await stage.thread(TWO_ROOMS)

    run: Any = await runs.create_and_poll(
        thread_id=thread,
        assistant_id=ASSISTANT,
        tools=TOOLS,
        poll_interval_ms=5,
    )
    outputs: Any = [
        {"tool_call_id": call.id, "output": "done"}
        for call in run.required_action.submit_tool_outputs.tool_calls
    ]
    ended = await runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread, tool_outputs=outputs, poll_interval_ms=5
    )

    assert (run.status, ended.status) == ("requires_action", "completed")


async def test_lists_have_pages(stage: Stage) -> None:
    thread = await stage.thread(*[f"Ana: {number}" for number in range(5)])
    path = f"/threads/{thread}/messages"

    newest = await stage.ask("GET", path, limit="2")
    rest = await stage.ask("GET", path, after=newest["last_id"])
    before = await stage.ask("GET", path, before=rest["first_id"], limit="1")
    nothing = await stage.ask("GET", path, run_id="run_none")

    def shown(answer: Wire) -> list[str]:
        return [one["content"][0]["text"]["value"][-1] for one in answer["data"]]

    assert shown(newest) == ["4", "3"]
    assert newest["has_more"]
    assert newest["first_id"] == newest["data"][0]["id"]
    assert shown(rest) == ["2", "1", "0"]
    assert not rest["has_more"]
    assert shown(before) == ["3"]
    assert nothing == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


async def test_openais_client_walks_through_all_pages(stage: Stage) -> None:
    thread = await stage.thread(*[f"Ana: {number}" for number in range(7)])

    pages = stage.client.beta.threads.messages.list(thread, limit=3, order="asc")
    ids = [message.id async for message in pages]

    assert len(set(ids)) == 7


async def test_calls_can_be_had_one_at_a_time_or_not_at_all(stage: Stage) -> None:
    one = await stage.stream_run(
        await stage.thread(TWO_ROOMS), tools=TOOLS, parallel_tool_calls=False
    )
    none = await stage.stream_run(
        await stage.thread(TWO_ROOMS), tools=TOOLS, tool_choice="none"
    )

    assert len(calls_of(last(one, "thread.run.requires_action"))) == 1
    assert order(none)[-2] == "run.completed"


async def test_the_thread_is_remembered_from_run_to_run(stage: Stage) -> None:
    thread = await stage.thread("Ana: my cat is called Ida")
    await stage.stream_run(thread)
    new = [{"role": "user", "content": "Ana: what did I say?"}]

    events = await stage.stream_run(thread, additional_messages=new)

    assert "my cat is called Ida" in said(events)
    assert len(await stage.texts(thread)) == 4


async def test_a_deleted_thread_is_gone_and_so_is_a_deleted_message(
    stage: Stage,
) -> None:
    threads = stage.client.beta.threads
    thread = await stage.thread("one", "two")
    newest = (await threads.messages.list(thread)).data[0]

    dropped = await threads.messages.delete(newest.id, thread_id=thread)
    left = await stage.texts(thread)
    gone = await threads.delete(thread)

    assert (dropped.deleted, left, gone.deleted) == (True, ["one"], True)
    with pytest.raises(openai.NotFoundError):
        await threads.retrieve(thread)


async def test_a_run_ends_with_the_thread_that_it_is_in(stage: Stage) -> None:
    stage.control.rate = 20
    thread = await stage.thread("tell me a very long story")
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        await response.content.readline()
        await stage.ask("DELETE", f"/threads/{thread}")
        rest = (await response.read()).decode()

    assert "thread.run.completed" not in rest
    assert rest.endswith("data: [DONE]\n\n")


async def test_metadata_can_be_changed(stage: Stage) -> None:
    thread = await stage.thread("hi")
    run = await stage.run(thread)
    note = {"metadata": {"turn": "7"}}

    paths = [f"/threads/{thread}", f"/threads/{thread}/runs/{run['id']}"]
    for path in paths:
        await stage.ask("POST", path, note)

    assert [(await stage.ask("GET", path))["metadata"] for path in paths] == [
        {"turn": "7"},
        {"turn": "7"},
    ]


async def test_the_assistant_and_the_models_can_be_looked_up(stage: Stage) -> None:
    assistant = await stage.client.beta.assistants.retrieve(ASSISTANT)
    models = [model.id async for model in stage.client.models.list()]
    model = await stage.client.models.retrieve("gpt-6-luna")

    assert assistant.model in models
    assert model.id in models
