"""Worlds for scenarios: each delivery mode and each database, in two pairs."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from app.sandbox.server import Sandbox
from tests.postgres import empty
from tests.scenarios.world import World, living

MODES = {
    "socket mode, sqlite": (False, "sqlite"),
    "http, postgres": (True, "postgres"),
}
CROSSED = {
    "socket mode, postgres": (False, "postgres"),
    "http, sqlite": (True, "sqlite"),
}

NewWorld = Callable[..., Awaitable[World]]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A small Slack whose model writes fast and whose retries come soon."""
    sandbox = await Sandbox.start(token_rate=2_000, retry_scale=0.01)
    yield sandbox
    await sandbox.close()


@pytest.fixture(params=list(MODES))
async def new_world(
    request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path
) -> AsyncIterator[NewWorld]:
    """Start Threadline in the sandbox, with more settings if wanted."""
    over_http, kind = (MODES | CROSSED)[request.param]
    if kind == "postgres":
        database_url: str = request.getfixturevalue("migrated_postgres")
        empty(database_url)
    else:
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "t.db")
        database_url = f"sqlite:///{tmp_path / 't.db'}"
    async with AsyncExitStack() as stack:

        async def start(more: Mapping[str, str] | None = None) -> World:
            return await stack.enter_async_context(
                living(sandbox, database_url, over_http=over_http, more=more)
            )

        yield start


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    return await new_world()
