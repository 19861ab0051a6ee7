"""Slack takes its connections back now and then: nobody notices."""

import aiohttp

from tests.scenarios.world import World, in_one_setting, line_of, over_sockets_alone

STOP = "threadline_stop"


@over_sockets_alone
async def test_a_click_works_while_one_of_two_connections_is_being_replaced(
    world: World,
) -> None:
    world.sandbox.model.rate = 60
    root = await world.ask("@threadline tell me a very long story")
    await world.until(lambda: world.said(root))
    await world.until(lambda: world.sandbox.connections == 2)
    world.sandbox.fault("socket:connect", "status", value=503)
    await world.sandbox.refresh_sockets(count=1)
    assert world.sandbox.connections == 1

    took = await world.sandbox.click("ana", "#general", world.said(root)[-1].ts, STOP)

    assert took == 200
    await world.answered(root)
    assert line_of(world.said(root)[-1]).startswith("cancelled · stopped by Ana")
    await world.until(lambda: world.sandbox.connections == 2)


@in_one_setting
async def test_questions_are_answered_once_while_both_connections_go_and_come(
    world: World,
) -> None:
    await world.until(lambda: world.sandbox.connections == 2)
    roots = []
    for number in range(4):
        if number % 2:
            await world.sandbox.refresh_sockets()
        roots.append(await world.ask(f"@threadline say exactly: number {number}"))

    for number, root in enumerate(roots):
        assert await world.answered(root) == f"number {number}"
        assert len(world.said(root)) == 1
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{world.running.address}/readyz") as ready,
    ):
        assert ready.status == 200
