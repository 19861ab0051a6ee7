"""The same answers from a server that keeps the threads: the Assistants API."""

import pytest

from app.doctor import examine
from app.sandbox.model.assistants.threads import ASSISTANT_ID
from app.sandbox.server import Sandbox
from tests.scenarios.conftest import NewWorld, Setting
from tests.scenarios.world import World, cards_of, line_of, living

API = {"ASSISTANT_API": "assistants", "ASSISTANT_ID": ASSISTANT_ID}


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    return await new_world(API)


def runs_asked(world: World) -> list[str]:
    """What was asked of the model's server that makes it think, in order."""
    return [
        one.what.split("/v1/")[1].replace("threads/runs", "new thread")
        for one in world.sandbox.model.requests
        if one.what.startswith("POST") and one.what.endswith(("runs", "outputs"))
    ]


async def test_a_mention_is_answered_in_its_thread(world: World):
    thread = await world.ask("@threadline say exactly: Hello Ana.")

    assert await world.answered(thread) == "Hello Ana."
    assert line_of(world.said(thread)[-1]).startswith("completed")


async def test_two_rooms_are_set_and_shown_as_cards(world: World):
    thread = await world.ask("@threadline set the kitchen to 23 and the bedroom to 19")

    answer = await world.answered(thread)

    assert "23" in answer
    assert "19" in answer
    await world.until(
        lambda: (
            [card.split()[0] for each in world.said(thread) for card in cards_of(each)]
            == ["Kitchen", "Bedroom"]
        )
    )
    assert len(runs_asked(world)) == 2


async def test_the_second_message_goes_to_the_same_thread_there(world: World):
    thread = await world.ask("@threadline my cat is called Minka")
    await world.answered(thread)
    await world.ask("what did I say first?", thread_ts=thread)

    answer = await world.answered(thread, times=2)

    assert "Minka" in answer
    first, second = runs_asked(world)
    assert first == "new thread"
    assert second != first


async def test_stop_ends_the_run_there_too(world: World):
    world.sandbox.model.rate = 20
    thread = await world.ask("@threadline tell me a very long story")
    await world.until(
        lambda: any(len(message.text) > 40 for message in world.said(thread))
    )
    await world.ask("stop", thread_ts=thread)

    await world.answered(thread)

    assert line_of(world.said(thread)[-1]).startswith("cancelled")
    assert any(one.what.endswith("/cancel") for one in world.sandbox.model.requests)
    world.sandbox.model.rate = 2_000
    await world.ask("say exactly: Here again.", thread_ts=thread)
    assert await world.answered(thread, times=2) == "Here again."


async def test_what_was_said_is_kept_when_the_protocol_changes(
    sandbox: Sandbox, setting: Setting
):
    url, over_http = setting.database_url, setting.over_http
    async with living(sandbox, url, over_http=over_http) as world:
        thread = await world.ask("@threadline my cat is called Minka")
        await world.answered(thread)
    async with living(sandbox, url, over_http=over_http, more=API) as world:
        await world.ask("what did I say first?", thread_ts=thread)
        assert "Minka" in await world.answered(thread, times=2)
    async with living(sandbox, url, over_http=over_http) as world:
        await world.ask("say exactly: Back again.", thread_ts=thread)

        assert await world.answered(thread, times=3) == "Back again."
        assert any("what did I say first?" in said for said in world.heard)


async def test_the_doctor_looks_for_the_assistant(world: World):
    found = await examine(world.settings)
    lost = world.settings.model_copy(update={"assistant_id": "asst_other"})
    missed = await examine(lost)

    assert found[-1].says == f"The assistant {ASSISTANT_ID} can be asked."
    assert not missed[-1].is_fine
    assert missed[-1].says.startswith("ASSISTANT_ID: no asst_other")
