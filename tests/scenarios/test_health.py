"""What a load balancer sees."""

import re

import aiohttp
import pytest

from app.bootstrap import running_bot
from app.sandbox.server import Sandbox
from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.world import (
    World,
    in_every_setting,
    in_one_setting,
    settings_for,
)


async def asked(world: World, path: str) -> tuple[int, str]:
    address = f"{world.running.address}{path}"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return answer.status, await answer.text()


@in_one_setting
async def test_what_has_happened_is_counted_for_prometheus(world: World) -> None:
    root = await world.ask("@threadline say exactly: secret")
    await world.answered(root)

    status, told = await asked(world, "/metrics")
    assert status == 200
    assert told.startswith("# TYPE threadline_events_total counter\n")
    lines = told.splitlines()[1:]
    assert all(
        re.fullmatch(r'threadline_events_total\{event="[\w.]+"\} \d+', line)
        for line in lines
    )
    assert 'event="turns.completed"' in told
    assert "secret" not in told


@in_every_setting
async def test_it_is_alive_and_ready_in_every_mode(world: World) -> None:
    assert await asked(world, "/healthz") == (200, "alive\n")
    assert await asked(world, "/readyz") == (200, "ready\n")


@in_one_setting
async def test_until_it_is_connected_to_slack_it_is_alive_but_not_ready(
    sandbox: Sandbox, setting: Setting
) -> None:
    sandbox.fault("socket:connect", "status", count=None, value=503)
    given = settings_for(sandbox, setting.database_url, over_http=False, more={})
    async with running_bot(given) as running:
        world = World(sandbox=sandbox, running=running, settings=given)
        status, told = await asked(world, "/readyz")
        assert (status, told) == (503, "not ready: not connected to Slack\n")
        assert (await asked(world, "/healthz"))[0] == 200
        sandbox.core.faults.clear()

        await sandbox.until(lambda: sandbox.connections == 2)
        assert await asked(world, "/readyz") == (200, "ready\n")


@pytest.mark.parametrize("setting", ["http, postgres"], indirect=True)
async def test_while_the_database_is_away_it_is_alive_but_not_ready(
    world: World, setting: Setting
) -> None:
    async with database.away(setting.database_url):
        status, told = await asked(world, "/readyz")
        assert (status, told) == (503, "not ready: the database does not answer\n")
        assert (await asked(world, "/healthz"))[0] == 200

    assert (await asked(world, "/readyz"))[0] == 200
