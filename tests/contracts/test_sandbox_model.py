"""The offline model against OpenAI's own client and its published types."""

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.sandbox.model.control import ModelControl
from app.sandbox.model.server import add_model_routes

Event = dict[str, Any]

STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ROOM = {"room": {"type": "string"}}
TOOLS: Any = [
    {
        "type": "function",
        "name": name,
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }
    for name, properties in {
        "getRoomTemperature": ROOM,
        "setRoomTemperature": ROOM | {"temperature": {"type": "number"}},
    }.items()
]
TWO_ROOMS = "Ana: set the kitchen to 23 and the bedroom to 19"


class Served:
    def __init__(
        self, control: ModelControl, address: str, session: aiohttp.ClientSession
    ) -> None:
        self.control = control
        self.address = address
        self.session = session

    async def stream(self, **body: object) -> list[Event]:
        events = []
        async with self.post(stream=True, **body) as response:
            assert response.content_type == "text/event-stream"
            raw = (await response.read()).decode()
        for block in raw.split("\n\n")[:-1]:
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            events.append(event)
        return events

    def post(
        self, **body: object
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        body = {"model": "offline", "store": False} | body
        return self.session.post(f"{self.address}/v1/responses", json=body)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    app = web.Application()
    control = add_model_routes(app, token_rate=0)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    headers = {"Authorization": "Bearer sk-sandbox-key"}
    async with aiohttp.ClientSession(headers=headers, trust_env=False) as session:
        yield Served(control, address, session)
    await runner.cleanup()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="sk-sandbox-key", base_url=f"{served.address}/v1", max_retries=0
    ) as client:
        yield client


def kinds(events: list[Event]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def collapsed(events: list[Event]) -> list[str]:
    """The order of the events, with runs of deltas as one."""
    order = kinds(events)
    return [kind for i, kind in enumerate(order) if i == 0 or order[i - 1] != kind]


async def test_text_streams_in_the_published_order(served: Served) -> None:
    events = await served.stream(input="Ana: show me a list")
    assert collapsed(events) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    deltas = "".join(event.get("delta", "") for event in events)
    final = events[-1]["response"]
    assert final["output"][0]["content"][0]["text"] == deltas
    assert final["usage"]["total_tokens"] > final["usage"]["output_tokens"] > 10


async def test_several_calls_come_in_one_response(served: Served) -> None:
    events = await served.stream(input=TWO_ROOMS, tools=TOOLS)
    one_call = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert collapsed(events) == [
        "created",
        "in_progress",
        *one_call,
        *one_call,
        "completed",
    ]
    first, second = events[-1]["response"]["output"]
    assert first["call_id"] != second["call_id"]
    assert json.loads(first["arguments"]) == {"room": "kitchen", "temperature": 23}


@pytest.mark.parametrize(
    "body",
    [
        {"input": "Ana: show me everything"},
        {"input": TWO_ROOMS, "tools": TOOLS},
        {"input": "Ana: cite https://a.example/x https://b.example"},
        {
            "input": "hi",
            "reasoning": {"effort": "low"},
            "include": ["reasoning.encrypted_content"],
        },
    ],
)
async def test_every_event_is_what_openai_published(
    served: Served, body: Event
) -> None:
    for event in await served.stream(**body):
        STREAM_EVENT.validate_python(event)


@pytest.mark.parametrize("kind", ["failed", "error_event", "incomplete", "refusal"])
async def test_every_bad_end_is_what_openai_published(
    served: Served, kind: str
) -> None:
    served.control.fault(kind)
    events = await served.stream(input="Ana: tell me a story")
    for event in events:
        STREAM_EVENT.validate_python(event)
    ends = {"error_event": "error", "refusal": "completed"}
    assert kinds(events)[-1] == ends.get(kind, kind)


async def test_an_error_in_the_stream_can_come_nested(
    served: Served, client: openai.AsyncOpenAI
) -> None:
    served.control.fault("error_nested")
    stream = await client.responses.create(model="m", input="hi", stream=True)
    with pytest.raises(openai.APIError) as raised:
        [event async for event in stream]
    assert raised.value.code == "server_error"


async def test_openais_own_stream_reader_understands_it(
    client: openai.AsyncOpenAI,
) -> None:
    async with client.responses.stream(
        model="m", input="Ana: tell me a long story"
    ) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.output_text.endswith("The end.")


async def test_without_streaming_the_whole_response_comes_at_once(
    client: openai.AsyncOpenAI,
) -> None:
    response = await client.responses.create(model="m", input=TWO_ROOMS, tools=TOOLS)
    Response.model_validate(response.model_dump())
    assert [item.type for item in response.output] == ["function_call"] * 2


async def test_a_tool_loop_over_replayed_items_ends_in_text(
    client: openai.AsyncOpenAI,
) -> None:
    items: Any = [{"role": "user", "content": TWO_ROOMS}]
    first = await client.responses.create(
        model="m", input=items, tools=TOOLS, store=False, reasoning={"effort": "low"}
    )
    for item in first.output:
        if item.type != "function_call":
            continue
        items.append(item.model_dump(exclude={"id", "status"}, exclude_none=True))
        output = f"The {json.loads(item.arguments)['room']} is set."
        items.append(
            {"type": "function_call_output", "call_id": item.call_id, "output": output}
        )
    second = await client.responses.create(
        model="m", input=items, tools=TOOLS, store=False
    )
    assert "The kitchen is set." in second.output_text
    assert "The bedroom is set." in second.output_text


async def test_items_can_be_named_by_id_only_after_store(
    client: openai.AsyncOpenAI,
) -> None:
    kept = await client.responses.create(model="m", input="hi")
    lost = await client.responses.create(model="m", input="hi", store=False)
    kept_items: Any = [item.model_dump(exclude_none=True) for item in kept.output]
    lost_items: Any = [item.model_dump(exclude_none=True) for item in lost.output]
    again = await client.responses.create(model="m", input=kept_items)
    assert again.status == "completed"
    with pytest.raises(openai.BadRequestError, match="not found"):
        await client.responses.create(model="m", input=lost_items)


async def test_errors_have_the_classes_that_openais_client_knows(
    served: Served, client: openai.AsyncOpenAI
) -> None:
    served.control.fault("http_429", value=7)
    served.control.fault("http_500")
    served.control.fault("quota")
    with pytest.raises(openai.RateLimitError) as limited:
        await client.responses.create(model="m", input="hi")
    assert limited.value.response.headers["Retry-After"] == "7"
    assert limited.value.code == "rate_limit_exceeded"
    with pytest.raises(openai.InternalServerError):
        await client.responses.create(model="m", input="hi")
    with pytest.raises(openai.RateLimitError) as spent:
        await client.responses.create(model="m", input="hi")
    assert spent.value.code == "insufficient_quota"
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="").responses.create(
            model="m", input="hi", extra_headers={"Authorization": ""}
        )


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cut_socket_is_seen_as_a_lost_connection(
    served: Served, stream: bool
) -> None:
    served.control.fault("cut", value=5)
    with pytest.raises((aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError)):
        async with served.post(input="tell me a story", stream=stream) as response:
            await response.read()
    assert (await served.control.wait_for(1)).ended == "cut"


async def test_a_clean_end_stops_without_a_terminal_event(served: Served) -> None:
    served.control.fault("clean_end", value=6)
    events = await served.stream(input="tell me a story")
    assert len(events) == 6
    assert kinds(events)[-1] == "output_text.delta"


async def test_a_fault_is_met_once_unless_a_count_says_more(served: Served) -> None:
    served.control.fault("http_500", count=2)
    statuses = []
    for _ in range(3):
        async with served.post(input="hi") as response:
            statuses.append(response.status)
    assert statuses == [500, 500, 200]


async def test_tokens_come_at_the_rate_that_was_set(served: Served) -> None:
    served.control.rate = 200
    started = time.monotonic()
    events = await served.stream(input="say exactly: " + "word " * 60)
    took = time.monotonic() - started
    tokens = kinds(events).count("output_text.delta")
    assert took >= (tokens - 1) / 200 * 0.9


async def test_the_first_token_can_be_late(served: Served) -> None:
    served.control.fault("slow_first_token", value=0.3)
    async with served.post(input="hi", stream=True) as response:
        begun = time.monotonic()
        async for line in response.content:
            if b"output_text.delta" in line:
                break
        assert time.monotonic() - begun >= 0.25


async def test_it_stops_when_the_client_hangs_up(served: Served) -> None:
    served.control.rate = 50
    async with served.post(input="tell me a very long story", stream=True) as response:
        await response.content.readline()
        response.close()
    record = await asyncio.wait_for(served.control.wait_for(1), 5)
    assert record.ended == "hung up"
    assert record.events < 200


async def test_it_stops_waiting_when_the_client_hangs_up(served: Served) -> None:
    served.control.fault("slow_first_token", value=600)
    async with served.post(input="hi", stream=True) as response:
        await response.content.readline()
        response.close()
    record = await asyncio.wait_for(served.control.wait_for(1), 5)
    assert record.ended == "hung up"


async def test_a_long_history_is_taken(served: Served) -> None:
    items = [{"role": "user", "content": "Ana: " + "word " * 8_000}] * 60
    body = json.dumps({"model": "offline", "input": items}).encode()
    async with served.session.post(
        f"{served.address}/v1/responses",
        data=io.BytesIO(body),
        headers={"Content-Type": "application/json"},
    ) as response:
        assert response.status == 200


async def test_the_length_limit_ends_the_answer_as_incomplete(served: Served) -> None:
    events = await served.stream(input="tell me a story", max_output_tokens=16)
    final = events[-1]["response"]
    assert final["incomplete_details"] == {"reason": "max_output_tokens"}
    assert final["output"][0]["status"] == "incomplete"
    assert kinds(events).count("output_text.delta") == 16


@pytest.mark.parametrize(
    ("raw", "status"),
    [(b"{", 400), (b"[]", 400), (b"\xff", 400), (b"[" * 100_000, 400)],
)
async def test_a_body_that_is_no_request_is_refused(
    served: Served, raw: bytes, status: int
) -> None:
    async with served.session.post(
        f"{served.address}/v1/responses",
        data=raw,
        headers={"Content-Type": "application/json"},
    ) as response:
        assert response.status == status
        assert (await response.json())["error"]["type"] == "invalid_request_error"


async def test_the_knobs_turn_over_http_and_wrong_ones_change_nothing(
    served: Served,
) -> None:
    url = f"{served.address}/control/model"
    wanted = {"rate": 12.5, "fault": {"kind": "cut", "count": 2, "value": 3}}
    async with served.session.post(url, json=wanted) as response:
        state = await response.json()
    assert state["rate"] == 12.5
    assert state["faults"] == [{"kind": "cut", "value": 3.0}] * 2
    wrong_ones: list[object] = [
        {"rate": "fast"},
        {"rate": -1},
        {"speed": 1},
        {"fault": {"kind": "odd"}},
        {"fault": {"kind": "cut", "count": 0}},
        {"fault": 3},
        [],
    ]
    for wrong in wrong_ones:
        async with served.session.post(url, json=wrong) as response:
            assert response.status == 400
    async with served.session.get(url) as response:
        assert (await response.json())["rate"] == 12.5
    assert len(served.control.faults) == 2
