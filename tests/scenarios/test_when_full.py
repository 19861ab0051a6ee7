"""More questions than one process may answer at once."""

import asyncio

from app.turns.worker import WorkerLimits
from tests.scenarios.conftest import NewWorld
from tests.scenarios.page import WITH_WEB, browsing
from tests.scenarios.shown import statuses, with_postgres

QUEUED = "is queued, starts when a place is free"


@with_postgres
async def test_who_finds_no_place_free_sees_it_and_is_answered_once_one_is(
    new_world: NewWorld,
) -> None:
    world = await new_world(WITH_WEB)
    places = WorkerLimits().turns_per_team
    world.sandbox.model.first_token_delay = 60
    # Pages take places too, and none of what Slack allows.
    async with browsing(world) as pages:
        crowd = [pages.open() for _ in range(places)]
        asking = [asyncio.create_task(each.append("tell me a story")) for each in crowd]
        await world.until(lambda: len(world.sandbox.model.requests) == places)
        root = await world.ask("@threadline say exactly: hello")
        await world.until(lambda: statuses(world, root))
        queued = (statuses(world, root), world.said(root))
        world.sandbox.model.first_token_delay = 0
        crowd[0].stop()

        assert await world.answered(root) == "hello"
        for each in crowd[1:]:
            each.stop()
        await asyncio.gather(*asking)
    assert queued == ([QUEUED], [])
