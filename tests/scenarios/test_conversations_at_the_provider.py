"""The same answers where the provider keeps the conversation too."""

import pytest
from openai import AsyncOpenAI

from app.doctor import examine
from app.sandbox.model.assistants.threads import ASSISTANT_ID
from app.sandbox.server import Sandbox
from tests.scenarios.conftest import NewWorld, Setting
from tests.scenarios.world import (
    World,
    cards_of,
    in_one_setting,
    in_the_other_setting,
    line_of,
    living,
)

STATE = {"ASSISTANT_STATE": "conversation"}
THREADS = {"ASSISTANT_API": "assistants", "ASSISTANT_ID": ASSISTANT_ID}
LOST = "The model's server has lost its record of this thread."


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    return await new_world(STATE)


def asked(world: World) -> list[str]:
    """What was asked of the model's server, in order, without ids."""
    return [
        one.what.split("/v1/")[1].split("/")[0] + ("?" if "GET" in one.what else "")
        for one in world.sandbox.model.requests
    ]


def last_body(world: World) -> dict[str, object]:
    body = world.sandbox.model.requests[-1].body
    assert isinstance(body, dict)
    return body


async def test_two_rooms_are_set_and_the_second_message_is_sent_alone(world: World):
    thread = await world.ask("@threadline set the kitchen to 23 and the bedroom to 19")
    answer = await world.answered(thread)
    await world.ask("what did I say?", thread_ts=thread)

    recalled = await world.answered(thread, times=2)

    assert "23" in answer
    assert "19" in answer
    assert "the bedroom to 19" in recalled
    assert asked(world) == ["conversations", "responses", "responses", "responses"]
    assert world.heard == ["Ana: what did I say?"]
    assert "store" not in last_body(world)


@in_one_setting
async def test_after_a_stop_the_thread_goes_on_once_the_conversation_is_free(
    world: World,
):
    world.sandbox.model.rate = 20
    world.sandbox.model.cancel_delay = 0.3
    thread = await world.ask("@threadline tell me a very long story")
    await world.until(
        lambda: any(len(message.text) > 40 for message in world.said(thread))
    )
    await world.ask("stop", thread_ts=thread)
    await world.answered(thread)
    world.sandbox.model.rate = 2_000

    await world.ask("say exactly: Here again.", thread_ts=thread)

    assert await world.answered(thread, times=2) == "Here again."
    assert line_of(world.said(thread)[0]).startswith("cancelled")
    refused = [one for one in world.sandbox.model.requests if one.status == 400]
    assert all("Another process" in (one.error or "") for one in refused)


@in_one_setting
async def test_an_answer_goes_on_in_its_message_with_the_next_process(
    sandbox: Sandbox, setting: Setting
):
    url, over_http = setting.database_url, setting.over_http
    sandbox.model.rate = 60
    async with living(sandbox, url, over_http=over_http, more=STATE) as world:
        thread = await world.ask("@threadline tell me a story of 900 characters")
        await world.until(
            lambda: any(len(message.text) > 40 for message in world.said(thread))
        )
    sandbox.model.rate = 2_000
    async with living(sandbox, url, over_http=over_http, more=STATE) as world:
        whole = await world.answered(thread)

        assert whole.count("Once upon a time") == 1
        assert whole.endswith("The end.")
        assert len(world.said(thread)) == 1
        await world.ask("what did I say?", thread_ts=thread)
        assert "900 characters" in await world.answered(thread, times=2)


@in_the_other_setting
async def test_a_lost_conversation_is_made_anew_and_the_thread_is_told(world: World):
    thread = await world.ask("@threadline my cat is called Minka")
    await world.answered(thread)
    conversation_id = str(last_body(world)["conversation"])
    async with AsyncOpenAI(api_key="any", base_url=world.sandbox.model_url) as provider:
        await provider.conversations.delete(conversation_id)

    await world.ask("what did I say?", thread_ts=thread)

    assert "Minka" in await world.answered(thread, times=2)
    [card] = cards_of(world.said(thread)[-1])
    assert card.startswith(LOST)


@in_one_setting
async def test_what_was_said_is_kept_when_the_way_of_keeping_changes(
    sandbox: Sandbox, setting: Setting
):
    url, over_http = setting.database_url, setting.over_http
    thread = ""
    for times, more in enumerate((STATE, THREADS, STATE), 1):
        async with living(sandbox, url, over_http=over_http, more=more) as world:
            text = f"my cat number {times} is well"
            if thread:
                await world.ask(text, thread_ts=thread)
            else:
                thread = await world.ask(f"@threadline {text}")
            await world.answered(thread, times=times)
    async with living(sandbox, url, over_http=over_http, more=STATE) as world:
        await world.ask("what did I say?", thread_ts=thread)

        recalled = await world.answered(thread, times=4)

    assert [f"cat number {n}" in recalled for n in (1, 2, 3)] == [True] * 3
    assert recalled.count("cat number 2") == 1


@in_one_setting
async def test_the_doctor_tells_whether_conversations_are_kept(world: World):
    found = await examine(world.settings)
    elsewhere = {"openai_base_url": world.sandbox.api_url.removesuffix("/")}
    missed = await examine(world.settings.model_copy(update=elsewhere))

    assert found[-1].says == "The model's server keeps conversations."
    assert missed[-1].says == (
        "ASSISTANT_STATE: the model's server keeps no conversations."
    )
