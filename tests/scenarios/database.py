"""What a database holds, seen from outside the program; and how it goes away."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg


def _file(url: str) -> Path | None:
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else None


def _rows_of_file(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


async def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    """What a statement returns, or does, committed at once."""
    if path := _file(url):
        # In a thread: the program may hold the file and need this loop to let it go.
        return await asyncio.to_thread(_rows_of_file, path, statement)
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def tables(url: str) -> list[str]:
    """The names of the tables that a program fills while people write."""
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table'"
        if _file(url)
        else "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    )
    own = ("alembic_version", "workers")
    return sorted(name for (name,) in await rows(url, names) if name not in own)


async def is_empty(url: str) -> bool:
    """Whether nobody has left anything."""
    for table in await tables(url):
        if await rows(url, f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608
            return False
    return True


async def holds(url: str, words: str) -> bool:
    """Whether these words are anywhere: in any row, and for a file in any byte."""
    if path := _file(url):
        files = [path, *path.parent.glob(f"{path.name}-*")]
        return any(words.encode() in each.read_bytes() for each in files)
    for table in await tables(url):
        look = f"SELECT 1 FROM {table} AS r WHERE r::text LIKE '%{words}%' LIMIT 1"  # noqa: S608
        if await rows(url, look):
            return True
    return False


@asynccontextmanager
async def without(url: str, table: str) -> AsyncGenerator[None]:
    """Take a table away until the block is left."""
    await rows(url, f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        await rows(url, f"ALTER TABLE {table}_away RENAME TO {table}")


@asynccontextmanager
async def away(url: str) -> AsyncGenerator[None]:
    """Let a Postgres database be gone until the block is left."""
    name, _, rest = url.removeprefix("postgresql://postgres@/").partition("?")
    other = await asyncpg.connect(f"postgresql://postgres@/postgres?{rest}")
    gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
    try:
        await other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await other.execute(gone, name)
        yield
    finally:
        await other.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await other.close()
