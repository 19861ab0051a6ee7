"""Runs of the offline Assistants API go on when nobody reads them."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest

from tests.contracts.sandbox_assistants_stage import (
    ASSISTANT,
    STORY,
    TOOLS,
    TWO_ROOMS,
    Heard,
    Stage,
    calls_of,
    heard,
    read_until,
    said,
    staged,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Assistants API is deprecated:DeprecationWarning"
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


async def cut_short(stage: Stage, kind: str, value: int) -> tuple[str, Heard]:
    stage.control.fault(kind, value=value)
    thread, raw = await stage.thread(STORY), b""
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        try:
            async for chunk in response.content.iter_any():
                raw += chunk
        except aiohttp.ClientPayloadError:
            assert kind == "cut"
        else:
            assert kind == "clean_end"
    return thread, heard(raw.decode())


@pytest.mark.parametrize("kind", ["cut", "clean_end"])
async def test_a_run_goes_on_when_its_stream_is_cut(stage: Stage, kind: str) -> None:
    thread, events = await cut_short(stage, kind, 15)

    run = await stage.ended(thread, events[0][1]["id"])

    assert len(events) == 15
    assert run["status"] == "completed"
    whole = (await stage.texts(thread))[-1]
    assert whole.startswith(said(events))
    assert whole.endswith("The end.")


@pytest.mark.parametrize("kind", ["cut", "clean_end"])
async def test_a_cut_stream_never_shows_its_end(stage: Stage, kind: str) -> None:
    _, events = await cut_short(stage, kind, 10_000)

    assert events[-1][0] == "thread.run.step.completed"
    assert stage.control.requests[-1].ended == kind


async def test_a_cut_answer_leaves_a_run_that_the_list_shows(stage: Stage) -> None:
    stage.control.fault("cut")
    thread = await stage.thread("hi")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await stage.run(thread)

    (run,) = (await stage.ask("GET", f"/threads/{thread}/runs"))["data"]

    assert (await stage.ended(thread, run["id"]))["status"] == "completed"


async def test_a_run_goes_on_to_its_calls_when_the_client_hangs_up(
    stage: Stage,
) -> None:
    stage.control.rate = 200
    thread = await stage.thread(TWO_ROOMS)
    asked = {"assistant_id": ASSISTANT, "stream": True, "tools": TOOLS}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        events = heard(await read_until(response, "thread.run.step.delta"))
        response.close()

    run = await stage.ended(thread, events[0][1]["id"], "requires_action")

    assert len(calls_of(run)) == 2
    record = await asyncio.wait_for(stage.control.wait_for(2), 5)
    assert (record.what, record.ended) == (f"POST /v1/threads/{thread}/runs", "hung up")


async def test_a_hang_up_is_seen_while_the_model_thinks(stage: Stage) -> None:
    stage.control.fault("slow_first_token", value=600)
    thread = await stage.thread("hi")
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        await read_until(response, "thread.message.in_progress")
        response.close()

    record = await asyncio.wait_for(stage.control.wait_for(2), 5)

    assert record.ended == "hung up"
    (run,) = (await stage.ask("GET", f"/threads/{thread}/runs"))["data"]
    assert run["status"] == "in_progress"


async def test_openais_client_finds_a_run_again_that_it_lost(stage: Stage) -> None:
    stage.control.rate = 50
    threads = stage.client.beta.threads
    thread = await stage.thread(STORY)
    stage.control.fault("cut", value=12)
    stream = await threads.runs.create(thread, assistant_id=ASSISTANT, stream=True)
    with pytest.raises(openai.APIConnectionError):
        [event async for event in stream]

    (lost,) = (await threads.runs.list(thread)).data
    stage.control.rate = 0
    run = await threads.runs.poll(lost.id, thread_id=thread, poll_interval_ms=5)
    (message,) = (await threads.messages.list(thread, run_id=lost.id)).data

    assert (lost.status, run.status) == ("in_progress", "completed")
    (part,) = message.content
    assert part.type == "text"
    assert part.text.value.endswith("The end.")
