"""How runs of the offline Assistants API end, and how they are found again."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from tests.contracts.sandbox_assistants_stage import (
    ASSISTANT,
    STORY,
    TOOLS,
    Heard,
    Stage,
    heard,
    last,
    order,
    outputs_for,
    path_of,
    read_until,
    said,
    staged,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Assistants API is deprecated:DeprecationWarning"
)

LONG_STORY = "Ana: tell me a very long story"


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


async def test_a_failed_run_tells_its_error_and_closes_what_was_open(
    stage: Stage,
) -> None:
    stage.control.fault("failed", value=12)

    events = await stage.stream_run(await stage.thread(STORY))

    assert order(events)[-5:] == [
        "message.delta",
        "message.incomplete",
        "run.step.failed",
        "run.failed",
        "done",
    ]
    run = last(events, "thread.run.failed")
    assert run["last_error"]["code"] == "server_error"
    assert run["failed_at"]
    message = last(events, "thread.message.incomplete")
    assert message["incomplete_details"] == {"reason": "run_failed"}
    assert message["content"][0]["text"]["value"] == said(events) != ""


async def test_a_run_can_expire_on_its_way(stage: Stage) -> None:
    stage.control.fault("expired", value=9)

    events = await stage.stream_run(await stage.thread(STORY))

    assert order(events)[-4:] == [
        "message.incomplete",
        "run.step.expired",
        "run.expired",
        "done",
    ]
    reason = last(events, "thread.message.incomplete")["incomplete_details"]
    assert reason == {"reason": "run_expired"}


async def test_the_length_limit_ends_a_run_as_incomplete(stage: Stage) -> None:
    events = await stage.stream_run(
        await stage.thread(LONG_STORY), max_completion_tokens=256
    )

    assert order(events)[-4:] == [
        "message.incomplete",
        "run.step.completed",
        "run.incomplete",
        "done",
    ]
    run = last(events, "thread.run.incomplete")
    assert run["incomplete_details"] == {"reason": "max_completion_tokens"}
    assert run["usage"]["completion_tokens"] == 256


async def test_a_prompt_over_its_limit_ends_a_run_as_incomplete(stage: Stage) -> None:
    events = await stage.stream_run(
        await stage.thread("word " * 2_000), max_prompt_tokens=256
    )

    run = last(events, "thread.run.incomplete")
    assert run["incomplete_details"] == {"reason": "max_prompt_tokens"}
    assert said(events) == ""


async def test_a_refusal_is_no_text(stage: Stage) -> None:
    stage.control.fault("refusal")

    events = await stage.stream_run(await stage.thread(STORY))

    pieces = [
        data["delta"]["content"][0]
        for name, data in events
        if name == "thread.message.delta"
    ]
    (part,) = last(events, "thread.message.completed")["content"]
    assert {piece["type"] for piece in pieces} == {"refusal"}
    assert part["refusal"] == "".join(piece["refusal"] for piece in pieces) != ""


async def test_an_error_in_the_stream_comes_flat_and_fails_the_run(
    stage: Stage,
) -> None:
    stage.control.fault("error_event", value=9)
    thread = await stage.thread(STORY)

    events = await stage.stream_run(thread)

    assert [name for name, _ in events[-2:]] == ["error", "done"]
    assert events[-2][1]["code"] == "server_error"
    run = await stage.ended(thread, events[0][1]["id"])
    assert run["status"] == "failed"


async def test_an_error_in_the_stream_can_come_nested(stage: Stage) -> None:
    stage.control.fault("error_nested", value=9)
    stream = await stage.client.beta.threads.runs.create(
        await stage.thread(STORY), assistant_id=ASSISTANT, stream=True
    )

    with pytest.raises(openai.APIError) as raised:
        [event async for event in stream]

    assert raised.value.code == "server_error"


async def test_errors_have_the_classes_that_openais_client_knows(
    stage: Stage,
) -> None:
    stage.control.fault("http_429", value=7)
    stage.control.fault("http_500")
    stage.control.fault("quota")
    create = stage.client.beta.threads.runs.create
    thread = await stage.thread("hi")

    with pytest.raises(openai.RateLimitError) as limited:
        await create(thread, assistant_id=ASSISTANT)
    with pytest.raises(openai.InternalServerError):
        await create(thread, assistant_id=ASSISTANT, stream=True)
    with pytest.raises(openai.RateLimitError) as spent:
        await create(thread, assistant_id=ASSISTANT)
    run = await create(thread, assistant_id=ASSISTANT)

    assert limited.value.response.headers["Retry-After"] == "7"
    assert spent.value.code == "insufficient_quota"
    assert run.status == "queued"


async def test_a_refused_submit_leaves_the_run_waiting(stage: Stage) -> None:
    run = await stage.waiting_run()
    stage.control.fault("http_500")
    path, outputs = f"{path_of(run)}/submit_tool_outputs", outputs_for(run)

    refusal = await stage.refused("POST", path, {"tool_outputs": outputs})
    again = await stage.ask("POST", path, {"tool_outputs": outputs})

    assert (refusal["status"], again["status"]) == (500, "queued")


async def test_a_cancelled_run_tells_its_reader_and_keeps_what_was_said(
    stage: Stage,
) -> None:
    stage.control.rate = 50
    thread = await stage.thread(LONG_STORY)
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        raw = await read_until(response, "thread.message.delta")
        run = heard(raw)[0][1]
        answer = await stage.ask("POST", f"{path_of(run)}/cancel")
        events = heard(raw + (await response.read()).decode())

    assert answer["status"] == "cancelling"
    assert order(events)[-6:] == [
        "message.delta",
        "run.cancelling",
        "message.incomplete",
        "run.step.cancelled",
        "run.cancelled",
        "done",
    ]
    message = last(events, "thread.message.incomplete")
    assert message["incomplete_details"] == {"reason": "run_cancelled"}
    assert message["content"][0]["text"]["value"] == said(events)
    assert (await stage.texts(thread))[-1] == said(events) != ""


async def test_a_refusal_that_is_cancelled_stays_a_refusal(stage: Stage) -> None:
    stage.control.fault("refusal")
    stage.control.rate = 20
    thread = await stage.thread(STORY)
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        raw = await read_until(response, "thread.message.delta")
        await stage.ask("POST", f"{path_of(heard(raw)[0][1])}/cancel")
        events = heard(raw + (await response.read()).decode())

    (part,) = last(events, "thread.message.incomplete")["content"]
    assert part["type"] == "refusal"
    assert part["refusal"].startswith("I")


async def test_a_message_that_was_cut_before_its_first_word_is_empty(
    stage: Stage,
) -> None:
    stage.control.fault("failed", value=7)

    events = await stage.stream_run(await stage.thread(STORY))

    assert last(events, "thread.message.incomplete")["content"] == []


async def test_openais_client_cancels_a_run_that_it_reads(stage: Stage) -> None:
    stage.control.rate = 50
    runs = stage.client.beta.threads.runs
    thread = await stage.thread(LONG_STORY)
    seen: list[Any] = []
    async with await runs.create(thread, assistant_id=ASSISTANT, stream=True) as stream:
        async for event in stream:
            seen.append(event)
            if event.event == "thread.message.created":
                run_id = event.data.run_id or ""
                answer = await runs.cancel(run_id, thread_id=thread)

    found = await runs.retrieve(run_id, thread_id=thread)
    assert answer.status == "cancelling"
    assert [event.event for event in seen[-2:]] == [
        "thread.run.step.cancelled",
        "thread.run.cancelled",
    ]
    assert found.status == "cancelled"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (None, "completed"),
        ("refusal", "completed"),
        ("failed", "failed"),
        ("error_event", "failed"),
        ("incomplete", "incomplete"),
        ("expired", "expired"),
    ],
)
async def test_openais_client_finds_every_end_when_it_polls(
    stage: Stage, fault: str | None, status: str
) -> None:
    if fault:
        stage.control.fault(fault)

    run = await stage.client.beta.threads.runs.create_and_poll(
        thread_id=await stage.thread(STORY), assistant_id=ASSISTANT, poll_interval_ms=5
    )

    assert run.status == status


async def test_a_waiting_run_can_be_cancelled_and_its_calls_are_not_made_later(
    stage: Stage,
) -> None:
    run = await stage.waiting_run()

    answer = await stage.ask("POST", f"{path_of(run)}/cancel")
    ended = await stage.ended(run["thread_id"], run["id"])
    new = [{"role": "user", "content": "Ana: hello"}]
    events = await stage.stream_run(
        run["thread_id"], tools=TOOLS, additional_messages=new
    )

    assert answer["status"] == "cancelling"
    assert (ended["status"], ended["required_action"]) == ("cancelled", None)
    assert said(events).startswith("Hello, Ana!")


async def test_a_run_can_stay_cancelling_and_keep_its_thread_busy(
    stage: Stage,
) -> None:
    stage.control.cancel_delay = 600
    run = await stage.waiting_run()
    await stage.ask("POST", f"{path_of(run)}/cancel")
    path = f"/threads/{run['thread_id']}/messages"
    message = {"role": "user", "content": "Ana: hello"}

    busy = await stage.refused("POST", path, message)
    again = await stage.refused("POST", f"{path_of(run)}/cancel")
    stage.control.cancel_delay = 0
    await stage.ended(run["thread_id"], run["id"], "cancelled")

    assert f"while a run {run['id']} is active" in busy["message"]
    assert again["message"] == "Cannot cancel run with status 'cancelling'."
    await stage.ask("POST", path, message)


async def test_outputs_that_come_ten_minutes_late_find_the_run_expired(
    stage: Stage,
) -> None:
    run = await stage.waiting_run()
    stage.control.clock_ahead = 601

    body = {"tool_outputs": outputs_for(run)}
    late = await stage.refused("POST", f"{path_of(run)}/submit_tool_outputs", body)
    seen = await stage.ask("GET", path_of(run))

    assert late["message"] == 'Runs in status "expired" do not accept tool outputs.'
    assert (late["status"], late["code"]) == (400, None)
    assert (seen["status"], seen["required_action"]) == ("expired", None)
    (step,) = (await stage.ask("GET", f"{path_of(run)}/steps"))["data"]
    assert step["status"] == "expired"


async def test_a_run_expires_while_its_stream_is_read(stage: Stage) -> None:
    stage.control.rate = 50
    thread = await stage.thread(LONG_STORY)
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{thread}/runs"
    async with stage.session.post(url, json=asked) as response:
        raw = await read_until(response, "thread.message.delta")
        stage.control.clock_ahead = 601
        events = heard(raw + (await response.read()).decode())

    assert order(events)[-2:] == ["run.expired", "done"]


async def test_the_first_token_can_be_late(stage: Stage) -> None:
    stage.control.fault("slow_first_token", value=0.3)
    thread = await stage.thread("hi")
    started = time.monotonic()

    run = await stage.run(thread)
    await stage.ended(thread, run["id"], "in_progress")
    await stage.ended(thread, run["id"], "completed")

    assert time.monotonic() - started >= 0.25


async def test_a_run_that_thinks_for_long_can_be_cancelled_at_once(
    stage: Stage,
) -> None:
    stage.control.fault("slow_first_token", value=600)
    thread = await stage.thread("hi")
    run = await stage.run(thread)
    await stage.ended(thread, run["id"], "in_progress")

    await stage.ask("POST", f"{path_of(run)}/cancel")

    ended = await asyncio.wait_for(stage.ended(thread, run["id"]), 5)
    assert ended["status"] == "cancelled"


async def test_closing_the_server_ends_what_goes_on(stage: Stage) -> None:
    stage.control.fault("slow_first_token", count=2, value=600)
    await stage.run(await stage.thread("hi"))
    asked = {"assistant_id": ASSISTANT, "stream": True}
    url = f"{stage.url}/threads/{await stage.thread('hi')}/runs"
    async with stage.session.post(url, json=asked) as response:
        await read_until(response, "thread.message.in_progress")

        await asyncio.wait_for(stage.close(), 10)

        assert b"completed" not in await response.read()


async def test_tokens_come_at_the_rate_that_was_set(stage: Stage) -> None:
    stage.control.rate = 200
    thread = await stage.thread("say exactly: " + "word " * 60)
    started = time.monotonic()

    events = await stage.stream_run(thread)

    tokens = [name for name, _ in events].count("thread.message.delta")
    assert time.monotonic() - started >= (tokens - 1) / 200 * 0.9


async def test_the_knobs_of_runs_turn_over_http(stage: Stage) -> None:
    url = f"{stage.url.removesuffix('/v1')}/control/model"
    run = await stage.waiting_run()
    knobs = {"clock_ahead": 601, "cancel_delay": 0.5}

    async with stage.session.post(url, json=knobs) as response:
        state = await response.json()

    assert {knob: state[knob] for knob in knobs} == knobs
    assert state["requests"][-1]["what"].endswith("/runs")
    assert state["requests"][-1]["ended"] == "requires_action"
    assert (await stage.ask("GET", path_of(run)))["status"] == "expired"


async def test_every_status_of_a_run_can_be_met(stage: Stage) -> None:
    met: set[str] = set()
    for fault in ("failed", "incomplete", "expired"):
        stage.control.fault(fault, value=9)
        met |= statuses(await stage.stream_run(await stage.thread(STORY)))
    run = await stage.waiting_run()
    met |= {
        run["status"],
        (await stage.ask("POST", f"{path_of(run)}/cancel"))["status"],
    }
    met.add((await stage.ended(run["thread_id"], run["id"]))["status"])
    met |= statuses(await stage.stream_run(await stage.thread("hi")))

    published: Any = openai.types.beta.threads.RunStatus
    assert met == set(published.__args__)


def statuses(events: Heard) -> set[str]:
    return {
        data["status"]
        for _, data in events
        if isinstance(data, dict) and data.get("object") == "thread.run"
    }
