"""A token that Slack takes no more: nobody is answered, nothing is lost, no flood."""

import pytest

from tests.scenarios.shown import POST, with_postgres
from tests.scenarios.test_health import asked
from tests.scenarios.world import World

PLACES = ["#general", "#home-team", "dm:ana", "dm:ana"]
HELLO = "@threadline say exactly: hello"


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive"])
async def test_what_is_asked_while_the_token_is_refused_is_answered_afterwards(
    code: str, world: World
) -> None:
    world.sandbox.model.rate = 200
    running = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(running))
    world.sandbox.refuse_token(code)
    await world.until(lambda: refused(world, code))
    waiting = await world.ask(HELLO, user="ben", channel="dm:ben")
    await world.acknowledged(waiting)
    status = await asked(world, "/readyz")
    asked_before = len(world.sandbox.model.requests)
    world.sandbox.refuse_token(None)

    assert status == (503, f"not ready: Slack refuses the token ({code})\n")
    assert asked_before == 1
    assert await world.answered(waiting, "dm:ben") == "hello"
    assert (await world.answered(running)).endswith("The end.")
    assert len(world.said(running)) == 1
    assert await asked(world, "/readyz") == (200, "ready\n")


@with_postgres
async def test_a_refused_token_is_no_reason_to_call_again_and_again(
    world: World,
) -> None:
    world.sandbox.refuse_token("account_inactive")
    roots = {await world.ask(HELLO, channel=each): each for each in PLACES * 2}
    await world.until(lambda: len(refused(world, "account_inactive", "auth.test")) == 2)
    calls = len(refused(world, "account_inactive"))
    world.sandbox.refuse_token(None)
    for root, place in roots.items():
        assert await world.answered(root, place) == "hello"

    assert calls < 3 * len(roots)
    taken = [call for call in world.sandbox.calls(POST) if call.ok]
    assert len(taken) == len(roots)


def refused(world: World, code: str, method: str | None = None) -> list[object]:
    return [each for each in world.sandbox.calls(method) if each.error == code]


@with_postgres
async def test_an_app_that_is_removed_is_not_ready_before_anybody_asks(
    world: World,
) -> None:
    await world.sandbox.uninstall()

    await world.until(lambda: refused(world, "account_inactive", "auth.test"))
    status, told = await asked(world, "/readyz")
    assert (status, told) == (
        503,
        "not ready: Slack refuses the token (account_inactive)\n",
    )
    took = [each.status for each in world.sandbox.deliveries("tokens_revoked")]
    assert took == [200]
