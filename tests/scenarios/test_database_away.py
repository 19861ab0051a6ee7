"""The database goes away in the middle of an answer, and comes back."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest

from app import telemetry
from app.sandbox.journal import Delivery
from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.cable import Cable, cable_to
from tests.postgres import empty
from tests.scenarios.world import World, is_about, is_finished, living, text_of

PATIENCE = 40.0
pytestmark = [
    pytest.mark.parametrize(
        "sandbox",
        [{"retry_scale": 0.03, "token_rate": 60, "answer_within": 1.0}],
        indirect=True,
    ),
    pytest.mark.timeout(120),
]
GO_AWAY: dict[str, Callable[[Cable], None]] = {
    "cut": Cable.pull,
    "dead": Cable.freeze,
}


@dataclass(kw_only=True)
class House:
    """A world whose database hangs on a cable."""

    world: World
    cable: Cable

    async def begin_a_story(self) -> tuple[str, Message]:
        """Let an answer be under way; return its thread and the message."""
        root = await self.world.ask("@threadline tell me a story of 1,500 characters")
        await self.world.until(
            lambda: any(len(text_of(each)) > 100 for each in self.world.said(root)),
            PATIENCE,
        )
        return root, self.world.said(root)[0]

    async def readiness(self) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.world.running.address}/readyz") as answer,
        ):
            return answer.status, await answer.text()

    def tried(self, ts: str) -> list[Delivery]:
        """What became of Slack's attempts to deliver a message."""
        deliveries = self.world.sandbox.deliveries()
        return [each for each in deliveries if is_about(each.body, ts)]

    def come_back(self) -> None:
        self.cable.plug()
        self.cable.thaw()
        self.world.sandbox.model.rate = 1_000

    @property
    def stories_asked_for(self) -> int:
        requests = self.world.sandbox.model.requests
        return sum("1,500 characters" in str(each.body) for each in requests)


@pytest.fixture
async def house(sandbox: Sandbox, migrated_postgres: str) -> AsyncIterator[House]:
    empty(migrated_postgres)
    async with AsyncExitStack() as stack:
        cable = await stack.enter_async_context(cable_to(migrated_postgres))
        world = await stack.enter_async_context(
            living(sandbox, cable.address, over_http=False)
        )
        yield House(world=world, cable=cable)


@pytest.mark.parametrize("how", list(GO_AWAY))
async def test_an_answer_pauses_while_the_database_is_away_and_then_goes_on(
    house: House, how: str
) -> None:
    root, message = await house.begin_a_story()
    GO_AWAY[how](house.cable)
    assert (await house.readiness())[0] == 503
    asked = await house.world.ask("@threadline say exactly: here I am", user="ben")
    tried = await house.world.until(lambda: house.tried(asked), PATIENCE)
    assert {each.status for each in tried} == {0}
    house.come_back()

    assert (await house.world.answered(root, patience=PATIENCE)).endswith("The end.")
    (whole,) = house.world.said(root)
    assert whole.ts == message.ts
    assert text_of(whole).count("Once upon a time") == 1
    if how == "cut":
        assert house.stories_asked_for == 1
    assert await house.world.answered(asked, patience=PATIENCE) == "here I am"
    assert len(house.world.said(asked)) == 1
    await house.world.until(lambda: is_finished(house.world.said(asked)[0]))
    assert await house.readiness() == (200, "ready\n")


@pytest.mark.parametrize("how", list(GO_AWAY))
async def test_an_answer_whose_lease_ran_out_meanwhile_is_taken_up_again(
    house: House, how: str
) -> None:
    lapses = telemetry.counters["lease.lapsed"]
    root, message = await house.begin_a_story()
    GO_AWAY[how](house.cable)
    while telemetry.counters["lease.lapsed"] == lapses:
        assert (await house.readiness())[0] == 503
    shown = text_of(house.world.said(root)[0])
    house.come_back()

    assert (await house.world.answered(root, patience=PATIENCE)).endswith("The end.")
    (whole,) = house.world.said(root)
    assert whole.ts == message.ts
    assert text_of(whole).startswith(shown[:100])
    assert text_of(whole).count("Once upon a time") == 1
    assert await house.readiness() == (200, "ready\n")
