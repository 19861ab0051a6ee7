"""A model that does not know when to stop calling tools."""

import pytest

from app.sandbox.model.assistants.threads import ASSISTANT_ID
from tests.scenarios.conftest import NewWorld
from tests.scenarios.shown import with_sqlite
from tests.scenarios.world import line_of

APIS = [{}, {"ASSISTANT_API": "assistants", "ASSISTANT_ID": ASSISTANT_ID}]


@with_sqlite
@pytest.mark.parametrize("api", APIS, ids=["responses", "assistants"])
async def test_an_answer_without_end_is_ended_with_a_word_and_the_thread_goes_on(
    new_world: NewWorld, api: dict[str, str]
) -> None:
    world = await new_world(api)
    root = await world.ask(
        '@threadline call forever: getRoomTemperature {"room": "kitchen"}'
    )
    await world.answered(root)
    (message,) = world.said(root)
    assert line_of(message) == "incomplete · stopped after too many steps"

    await world.ask("how warm is the bedroom?", thread_ts=root)

    assert await world.answered(root, times=2) == "The bedroom is at 20 °C."
