"""Worlds for scenarios: each delivery mode and each database, in two pairs."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.sandbox.server import Sandbox
from tests.invariants.world import see_that_all_holds
from tests.postgres import empty
from tests.scenarios.world import ALL, MODES, World, living

NewWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    """A small Slack whose model writes fast and whose retries come soon.

    More of its settings may be given indirectly.
    """
    given = {"token_rate": 2_000, "retry_scale": 0.01} | getattr(request, "param", {})
    sandbox = await Sandbox.start(**given)
    yield sandbox
    await sandbox.close()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How events are delivered, and where messages are kept."""

    over_http: bool
    database_url: str


@pytest.fixture(params=list(MODES))
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Setting:
    """One delivery mode with one database, empty; for other pairs: indirectly."""
    over_http, kind = ALL[request.param]
    if kind == "postgres":
        database_url: str = request.getfixturevalue("migrated_postgres")
        empty(database_url)
    else:
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "t.db")
        database_url = f"sqlite:///{tmp_path / 't.db'}"
    return Setting(over_http=over_http, database_url=database_url)


@pytest.fixture
async def new_world(sandbox: Sandbox, setting: Setting) -> AsyncIterator[NewWorld]:
    """Start Threadline in the sandbox, with more settings if wanted.

    What a world has come to when its test is over must break no invariant.
    """
    answers_in: set[str] = set()
    async with AsyncExitStack() as stack:

        async def start(more: Mapping[str, str] | None = None) -> World:
            answers_in.update((more or {}).get("ALLOWED_CHANNELS", "").split(","))
            return await stack.enter_async_context(
                living(
                    sandbox,
                    setting.database_url,
                    over_http=setting.over_http,
                    more=more,
                )
            )

        yield start
        await see_that_all_holds(sandbox, setting.database_url, answers_in - {""})


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    return await new_world()
