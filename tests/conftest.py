"""Databases for tests: each empty, with all tables, of either kind."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from app.storage.database import Database
from app.storage.migrate import migrate
from tests.postgres import NewDatabase, empty, postgres_server

# A busy machine is no fault of what is tested.
settings.register_profile("threadline", deadline=None)
settings.load_profile("threadline")


@pytest.fixture(scope="session")
def new_postgres() -> Iterator[NewDatabase]:
    """Make databases on one Postgres, started when it is first asked for."""
    with postgres_server() as new_database:
        yield new_database


@pytest.fixture(scope="session")
def migrated_postgres(new_postgres: NewDatabase) -> str:
    url = new_postgres()
    asyncio.run(migrate(url))
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database with all tables, this test's own."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("migrated_postgres")
        empty(url)
        return url
    path = tmp_path / "threadline.db"
    shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
    return f"sqlite:///{path}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await Database.connect(database_url)
    yield database
    await database.close()
