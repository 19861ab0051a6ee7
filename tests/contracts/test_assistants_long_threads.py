"""What becomes of a history that is too long for the model."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from openai import AsyncOpenAI

from app.assistants.notices import LONG
from app.assistants.responses_profile import COMPATIBLE, OPENAI
from app.domain import Notice, RunStatus

from .assistant_stage import Heard, Stage, client_of, hear
from .replaying import Play, Refuse, ReplayServer, replaying
from .test_assistants_responses import in_stream

FULL = {"message": "Your input exceeds the context window of this model.", "code": None}
CODED = {"message": "Too long.", "code": "context_length_exceeded"}
FAILED = {"status": "failed", "error": CODED}
REFUSALS = [
    Refuse(400, FULL),
    Refuse(400, CODED),
    Refuse(413, CODED),
    Refuse(400, {"message": "This model's maximum context length is 8192 tokens."}),
    Play(in_stream({"type": "response.failed", "response": FAILED})),
]


@pytest.fixture
async def server() -> AsyncIterator[ReplayServer]:
    async with replaying() as server:
        yield server


@pytest.fixture
async def client(server: ReplayServer) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(server.base_url) as client:
        yield client


async def talk(stage: Stage, server: ReplayServer, *texts: str) -> list[Heard]:
    """Say one thing after another, each answered in a turn of its own."""
    heard = []
    for text in texts:
        stage.say(text)
        heard.append(await hear(stage.assistant.run(stage.turn)))
        stage.add_pass(heard[-1].run, {})
    assert all(each.run.status is RunStatus.COMPLETED for each in heard)
    return heard


def sent(server: ReplayServer, number: int) -> list[str]:
    """What people said, as one request had it."""
    items = server.requests[number]["input"]
    return [str(item["content"]) for item in items if item["role"] == "user"]


def notices(heard: Heard) -> list[Notice]:
    return [event for event in heard.events if isinstance(event, Notice)]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_full_context_loses_its_oldest_turns_and_people_are_told(
    client: AsyncOpenAI, server: ReplayServer, refusal: Refuse | Play
):
    stage = Stage(client)
    server.then(Play("text"))
    await talk(stage, server, "one " * 100, "two " * 100, "three " * 100)
    server.acts.clear()
    server.then(refusal, Play("text"))

    [heard] = await talk(stage, server, "four")

    assert notices(heard) == [LONG]
    assert heard.run.status is RunStatus.COMPLETED
    before, after = sent(server, -2), sent(server, -1)
    assert before[0].startswith("Ana: one")
    assert after[0] == "(Older messages of this thread are left out here.)"
    assert not any("one" in text for text in after)
    assert after[-1] == "Ana: four"
    assert stage.pauses == []


async def test_what_was_left_out_stays_so_and_is_told_once(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client)
    server.then(Play("text"))
    await talk(stage, server, "one " * 100, "two " * 100, "three " * 100)
    server.acts.clear()
    server.then(Refuse(400, CODED), Play("text"))

    first, *later = await talk(stage, server, "four", "five", "six")

    assert notices(first) == [LONG]
    assert [notices(each) for each in later] == [[], []]
    assert sent(server, -1)[: len(sent(server, -3))] == sent(server, -3)


async def test_a_history_over_the_budget_is_cut_in_big_steps(
    client: AsyncOpenAI, server: ReplayServer
):
    budget = 2_000
    stage = Stage(client, capabilities=replace(COMPATIBLE, most_characters=budget))
    server.then(Play("text"))

    heard = await talk(stage, server, *(f"{n:>3}" + "." * 200 for n in range(20)))

    told = [number for number, each in enumerate(heard) if notices(each)]
    assert len(told) == 1
    beginnings = {sent(server, number)[1] for number in range(told[0], 20)}
    assert 1 < len(beginnings) < 6
    longest = max(len(str(sent(server, number))) for number in range(20))
    assert longest < budget * 1.5


async def test_one_message_too_long_by_itself_fails_with_what_to_do(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client)
    server.then(Refuse(400, CODED))
    stage.say("a whole book")

    heard = await hear(stage.assistant.run(stage.turn))

    assert len(server.requests) == 1
    assert heard.run.error
    assert heard.run.error.message == (
        "This thread has grown too long for the model. Please start a new one."
    )


async def test_a_server_that_takes_much_less_is_asked_with_ever_less(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client)
    server.then(Play("text"))
    await talk(stage, server, *(f"{n} " * 100 for n in range(16)))
    server.acts.clear()
    server.then(Refuse(400, CODED), Refuse(400, CODED), Play("text"))

    [heard] = await talk(stage, server, "now")

    assert notices(heard) == [LONG]
    assert len(sent(server, -1)) < len(sent(server, -2)) < len(sent(server, -3))


_DONE = "response.output_item.done"
_THOUGHT = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gA"}
_SAID = {"type": "message", "role": "assistant", "content": [{"text": "Hello."}]}
THINKING = Play(
    in_stream(
        {"type": _DONE, "output_index": 0, "item": _THOUGHT},
        {"type": _DONE, "output_index": 1, "item": _SAID},
        {"type": "response.completed", "response": {"status": "completed"}},
    )
)
UNREADABLE = [
    Refuse(400, {"message": "No.", "code": "invalid_encrypted_content"}),
    Refuse(400, {"message": "The encrypted content gA…A= could not be verified."}),
]


def thoughts(server: ReplayServer, number: int) -> int:
    items = server.requests[number]["input"]
    return sum(item["type"] == "reasoning" for item in items)


@pytest.mark.parametrize("refusal", UNREADABLE)
async def test_thoughts_of_another_model_are_left_out_once_they_are_refused(
    client: AsyncOpenAI, server: ReplayServer, refusal: Refuse
):
    stage = Stage(client, capabilities=OPENAI)
    server.then(THINKING)
    await talk(stage, server, "one")
    server.acts.clear()
    server.then(refusal, THINKING)

    await talk(stage, server, "two", "three")

    assert [thoughts(server, number) for number in range(4)] == [0, 1, 0, 1]
    assert stage.pauses == []


async def test_a_server_that_reads_no_thoughts_at_all_is_asked_without_any(
    client: AsyncOpenAI, server: ReplayServer
):
    stage = Stage(client, capabilities=OPENAI)
    server.then(THINKING)
    await talk(stage, server, "one")
    server.acts.clear()
    server.then(UNREADABLE[0])

    stage.say("two")
    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.status is RunStatus.FAILED
    assert len(server.requests) <= 4
