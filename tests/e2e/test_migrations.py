"""Processes and the schema: made by one of many, whole or not at all, and known."""

import asyncio
import shutil
import signal
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from app.sandbox.server import Sandbox
from tests.e2e.program import run, running, settings_for
from tests.postgres import NewDatabase
from tests.scenarios.database import rows

pytestmark = pytest.mark.timeout(120)
NEWER = "The database is from a newer version than this program: update it."


async def test_replicas_that_start_together_make_one_schema(
    tmp_path: Path, new_postgres: NewDatabase
) -> None:
    url = new_postgres()
    sandbox = await Sandbox.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sandbox.close)
        replicas = [
            await stack.enter_async_context(
                running(
                    "serve",
                    folder=tmp_path,
                    settings=settings_for(sandbox, DATABASE_URL=url),
                )
            )
            for _ in range(3)
        ]
        await asyncio.gather(*(each.says("/invite") for each in replicas))
        ends = await asyncio.gather(*(each.ends(signal.SIGTERM) for each in replicas))

    assert [(each.code, each.err) for each in ends] == [(0, "")] * 3


async def migrated_after_a_crash(folder: Path, url: str) -> None:
    settings = {"DATABASE_URL": url}
    dying = settings | {"THREADLINE_CRASH_AT": "C17"}
    died = await run("migrate", folder=folder, settings=dying)
    again = await run("migrate", folder=folder, settings=settings)

    assert died.code == -signal.SIGKILL
    assert (again.code, again.err) == (0, "")
    assert await rows(url, "SELECT count(*) FROM turns") == [(0,)]


async def test_a_crash_while_the_schema_is_changed_leaves_it_as_it_was(
    tmp_path: Path, new_postgres: NewDatabase
) -> None:
    file = f"sqlite:///{tmp_path / 'threadline.db'}"

    await asyncio.gather(
        migrated_after_a_crash(tmp_path, file),
        migrated_after_a_crash(tmp_path, new_postgres()),
    )


async def test_a_schema_from_a_newer_version_is_refused_in_one_line(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    path = shutil.copy(migrated_sqlite, tmp_path / "threadline.db")
    sandbox = await Sandbox.start()
    settings = settings_for(sandbox, DATABASE_URL=f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")

    served, looked = await asyncio.gather(
        run("serve", folder=tmp_path, settings=settings),
        run("doctor", folder=tmp_path, settings=settings),
    )
    await sandbox.close()

    assert (served.code, served.out, served.err) == (2, "", f"{NEWER}\n")
    assert looked.code == 2
    assert f"amiss  {NEWER}" in looked.out.splitlines()
