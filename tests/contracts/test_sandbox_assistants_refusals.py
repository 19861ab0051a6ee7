"""What the offline Assistants API refuses, and in which words."""

import json
from collections.abc import AsyncIterator

import aiohttp
import openai
import pytest

from tests.contracts.sandbox_assistants_stage import (
    ASSISTANT,
    BETA,
    KEY,
    TOOLS,
    Stage,
    Wire,
    outputs_for,
    staged,
    tool,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:The Assistants API is deprecated:DeprecationWarning"
)

HELLO = {"role": "user", "content": "hello"}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": f"Bearer {KEY}"}, 400, "invalid_beta"),
        (
            {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "assistants=v1"},
            400,
            "invalid_beta",
        ),
        (BETA, 401, None),
    ],
)
async def test_the_key_and_the_header_are_demanded(
    stage: Stage, headers: dict[str, str], status: int, code: str | None
) -> None:
    async with (
        aiohttp.ClientSession(headers=headers, trust_env=False) as bare,
        bare.post(f"{stage.url}/threads", json={}) as response,
    ):
        assert response.status == status
        assert (await response.json())["error"]["code"] == code


async def test_the_models_need_no_header(stage: Stage) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers, trust_env=False) as bare,
        bare.get(f"{stage.url}/models") as response,
    ):
        assert response.status == 200


async def test_a_busy_thread_takes_no_message_and_no_second_run(stage: Stage) -> None:
    run = await stage.waiting_run()
    thread, run_id = run["thread_id"], run["id"]

    message = await stage.refused("POST", f"/threads/{thread}/messages", HELLO)
    with pytest.raises(openai.BadRequestError) as second:
        await stage.client.beta.threads.runs.create(thread, assistant_id=ASSISTANT)

    assert message == {
        "status": 400,
        "message": f"Can't add messages to {thread} while a run {run_id} is active.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    assert f"{thread} already has an active run {run_id}." in second.value.message
    assert len(await stage.texts(thread)) == 1


async def test_outputs_are_taken_for_all_calls_or_not_at_all(stage: Stage) -> None:
    run = await stage.waiting_run()
    path = f"/threads/{run['thread_id']}/runs/{run['id']}/submit_tool_outputs"
    first, second = outputs_for(run)
    stranger = {"tool_call_id": "call_other", "output": "22"}
    wrong_ones: list[list[Wire]] = [
        [],
        [first],
        [first, stranger],
        [first, second, stranger],
        [first, first, second],
    ]

    refusals = [
        await stage.refused("POST", path, {"tool_outputs": wrong})
        for wrong in wrong_ones
    ]
    right = await stage.ask("POST", path, {"tool_outputs": [second, first]})

    ids = [first["tool_call_id"], second["tool_call_id"]]
    expected = f"Expected tool outputs for call_ids {ids}, got {ids[:1]}"
    assert refusals[1]["message"] == expected
    assert {refusal["status"] for refusal in refusals} == {400}
    assert right["status"] == "queued"


async def test_a_run_that_is_over_takes_no_outputs_and_no_cancel(
    stage: Stage,
) -> None:
    thread = await stage.thread("hi")
    events = await stage.stream_run(thread)
    path = f"/threads/{thread}/runs/{events[0][1]['id']}"

    outputs = await stage.refused(
        "POST", f"{path}/submit_tool_outputs", {"tool_outputs": []}
    )
    cancel = await stage.refused("POST", f"{path}/cancel")

    told = 'Runs in status "completed" do not accept tool outputs.'
    assert (outputs["status"], outputs["message"]) == (400, told)
    told = "Cannot cancel run with status 'completed'."
    assert (cancel["status"], cancel["message"]) == (400, told)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/threads/thread_no"),
        ("DELETE", "/threads/thread_no"),
        ("GET", "/threads/thread_no/messages"),
        ("POST", "/threads/thread_no/messages"),
        ("POST", "/threads/thread_no/runs"),
        ("GET", "/threads/{thread}/messages/msg_no"),
        ("GET", "/threads/{thread}/messages?after=msg_no"),
        ("GET", "/threads/{thread}/runs/run_no"),
        ("GET", "/threads/{thread}/runs/run_no/steps"),
        ("POST", "/threads/{thread}/runs/run_no/cancel"),
        ("POST", "/threads/{thread}/runs/run_no/submit_tool_outputs"),
        ("GET", "/assistants/asst_no"),
        ("GET", "/models/gpt-none"),
    ],
)
async def test_what_nobody_made_is_not_found(
    stage: Stage, method: str, path: str
) -> None:
    thread = await stage.thread("hi")
    body = HELLO if method == "POST" else None

    refusal = await stage.refused(method, path.format(thread=thread), body)

    assert refusal["status"] == 404
    assert "no" in refusal["message"]


async def test_a_run_of_one_thread_is_not_found_in_another(stage: Stage) -> None:
    run = await stage.waiting_run()
    other = await stage.thread("hi")

    refusal = await stage.refused("GET", f"/threads/{other}/runs/{run['id']}")

    assert refusal["message"] == f"No run found with id '{run['id']}'."


OPEN_SCHEMA = tool("lookUp", {"room": {"type": "string"}})
OPEN_SCHEMA["function"]["parameters"].pop("additionalProperties")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "assistant_id"),
        ({"assistant_id": "asst_other"}, 404, None),
        ({"assistant_id": 7}, 400, "assistant_id"),
        ({"speed": 1}, 400, "speed"),
        ({"thread": {}}, 400, "thread"),
        ({"stream": "yes"}, 400, "stream"),
        ({"max_completion_tokens": 255}, 400, "max_completion_tokens"),
        ({"max_prompt_tokens": True}, 400, "max_prompt_tokens"),
        ({"instructions": "x" * 256_001}, 400, "instructions"),
        ({"metadata": {"turn": 7}}, 400, "metadata.turn"),
        ({"metadata": {str(key): "x" for key in range(17)}}, 400, "metadata"),
        ({"tools": [{"type": "code_interpreter"}]}, 400, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, 400, "tools[0].function"),
        ({"tools": [{"type": "function", "name": "flat"}]}, 400, "tools[0].name"),
        ({"tools": [tool("no name", {})]}, 400, "tools[0].function.name"),
        ({"tools": [OPEN_SCHEMA]}, 400, "tools[0].function.parameters"),
        ({"tools": TOOLS * 65}, 400, "tools"),
        (
            {"additional_messages": [{"role": "system", "content": "x"}]},
            400,
            "additional_messages[0].role",
        ),
    ],
)
async def test_a_run_that_openai_would_not_take_is_refused(
    stage: Stage, body: Wire, status: int, param: str | None
) -> None:
    thread = await stage.thread("hi")
    asked = {"assistant_id": ASSISTANT, **body} if body else {}

    refusal = await stage.refused("POST", f"/threads/{thread}/runs", asked)

    assert (refusal["status"], refusal["param"]) == (status, param)
    assert (await stage.ask("GET", f"/threads/{thread}/runs"))["data"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"role": "user"}, "content"),
        ({"content": "hi"}, "role"),
        ({"role": "user", "content": ""}, "content"),
        ({"role": "user", "content": []}, "content"),
        ({"role": "user", "content": 3}, "content"),
        ({"role": "tool", "content": "hi"}, "role"),
        ({"role": "user", "content": "x" * 256_001}, "content"),
        ({"role": "user", "content": "hi", "name": "Ana"}, "name"),
        (
            {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            "content[0].type",
        ),
        ({"role": "user", "content": [{"type": "text"}]}, "content[0].text"),
        ({"role": "user", "content": ["hi"]}, "content[0]"),
    ],
)
async def test_a_message_that_openai_would_not_take_is_refused(
    stage: Stage, body: Wire, param: str
) -> None:
    thread = await stage.thread()

    refusal = await stage.refused("POST", f"/threads/{thread}/messages", body)

    assert (refusal["status"], refusal["param"]) == (400, param)
    assert await stage.texts(thread) == []


async def test_a_message_in_parts_is_taken(stage: Stage) -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [{"type": "text", "text": "Ana: show me a list"}, picture]
    thread = await stage.thread()

    path = f"/threads/{thread}/messages"
    message = await stage.ask("POST", path, {"role": "user", "content": parts})
    events = await stage.stream_run(thread)

    assert message["content"][1] == picture
    assert events[-2][1]["status"] == "completed"


@pytest.mark.parametrize("path", ["/threads", "/threads/runs"])
@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_request_is_refused(
    stage: Stage, path: str, raw: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    async with stage.session.post(
        stage.url + path, data=raw, headers=headers
    ) as response:
        answer = json.loads(await response.read())

    assert response.status == 400
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "101"), ("limit", "x"), ("order", "up")],
)
async def test_a_page_that_cannot_be_is_refused(
    stage: Stage, name: str, value: str
) -> None:
    thread = await stage.thread("hi")

    refusal = await stage.refused("GET", f"/threads/{thread}/messages?{name}={value}")

    assert (refusal["status"], refusal["param"]) == (400, name)


async def test_a_run_made_with_its_thread_is_checked_before_the_thread_is_made(
    stage: Stage,
) -> None:
    thread = {"messages": [{"role": "user"}]}
    asked = {"assistant_id": ASSISTANT, "thread": thread}

    refusal = await stage.refused("POST", "/threads/runs", asked)

    assert refusal["param"] == "thread.messages[0].content"
