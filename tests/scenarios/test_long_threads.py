"""A thread that outgrows what its model can read."""

import json

import pytest

from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import World, cards_of, line_of

LONG = "This thread has grown long: from here on I leave out its oldest messages."


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    return await new_world({})


def tokens_sent(world: World) -> int:
    body = world.sandbox.model.requests[-1].body
    assert isinstance(body, dict)
    asked = [body[key] for key in ("input", "instructions", "tools")]
    return len(json.dumps(asked, ensure_ascii=False)) // 4


async def test_the_oldest_is_left_out_the_answer_comes_and_it_is_said_once(
    world: World,
):
    thread = await world.ask("@threadline say exactly: " + "first " * 400)
    await world.answered(thread)
    await world.ask("say exactly: " + "second " * 400, thread_ts=thread)
    await world.answered(thread, times=2)
    world.sandbox.model.context_tokens = tokens_sent(world)

    await world.ask("say exactly: Still here.", thread_ts=thread)
    assert await world.answered(thread, times=3) == "Still here."
    await world.ask("say exactly: Here again.", thread_ts=thread)
    assert await world.answered(thread, times=4) == "Here again."

    *_, third, fourth = world.said(thread)
    assert cards_of(third) == [LONG]
    assert cards_of(fourth) == []
    assert line_of(third).startswith("completed")
    assert not any("first" in said for said in world.heard)
