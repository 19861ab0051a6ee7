"""The database: where its connections come from, its clock, and its outages."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Double, FunctionElement, event, select
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    NoSuchModuleError,
    TimeoutError as NoFreeConnection,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.ext.compiler import compiles

from app.errors import DatabaseUnavailable, SettingsError

Transaction = AsyncConnection

# Seconds that a statement may take, or wait for another's lock.
_PATIENCE = 10.0
_GOODBYE = 1.0
_POOL_SIZE = 20
# The same for what can't wait, which has connections of its own.
_SHORT_PATIENCE = 1.5
_URGENT = 3
# The values of a failing statement, which its error would quote, are people's words.
_EVERY_ENGINE: dict[str, Any] = {"pool_timeout": _PATIENCE, "hide_parameters": True}
_READERS = 4

# SQLSTATE classes: connection, rollback by the server, resources, intervention, system.
_OUTAGES = ("08", "40", "53", "55", "57", "58")
# SQLite: a plain SQL error is ours, everything else is the file's or the disk's.
_SQLITE_ERROR = 1

_A_SANE_TIME = (1_700_000_000.0, 10_000_000_000.0)

# The same statements come again and again, with lists as arrays: their plans are made
# once, where Postgres would make most of them each time.
_DIRECT = {
    "application_name": "threadline",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
}
# Else the rows of a host that went down within a transaction stay locked for hours.
_IDLE_LIMIT = "idle_in_transaction_session_timeout"
# A pooler refuses parameters that it does not know, and the next transaction may be on
# another connection: no statement is prepared for longer than its use, under no name.
_POOLED = {
    "server_settings": {"application_name": "threadline"},
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": str,
}

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
)


class DatabaseClock(FunctionElement[float]):
    """The database's own time in seconds since 1970; replicas' clocks never count."""

    name = "database_clock"
    type = Double()
    inherit_cache = True


@compiles(DatabaseClock, "postgresql")
def _postgres_clock(*_: object, **__: object) -> str:
    return "extract(epoch from clock_timestamp())::float8"


@compiles(DatabaseClock, "sqlite")
def _sqlite_clock(*_: object, **__: object) -> str:
    # unixepoch('subsec') is NULL before SQLite 3.42, and NULL leases look expired.
    return "((julianday('now') - 2440587.5) * 86400.0)"


class Database:
    """One database, seen as short transactions; SQLite and Postgres alike."""

    now: ColumnElement[float] = DatabaseClock()

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        places: int,
        urgent: AsyncEngine | None = None,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._urgent = urgent
        # The pools let whoever comes at the right moment in before those who wait.
        self._places = asyncio.Semaphore(places)

    @classmethod
    async def connect(
        cls, url: str, *, is_pooled: bool = False, patience: float = _PATIENCE
    ) -> "Database":
        """Open `sqlite:///path` or `postgresql://…` and check that it answers.

        `patience` is for how many seconds a statement may take on Postgres, and a
        transaction wait for the next one: who holds rows and is gone loses them.
        `is_pooled` says that a pooler stands in between, such as pgbouncer, which may
        give each transaction another connection.
        Raises SettingsError for any other address and DatabaseUnavailable when there
        is no answer, or a clock that is no clock.
        """
        address = _parsed(url)
        if address.get_backend_name() == "sqlite":
            database = cls(*_sqlite_engines(address), places=1)
        else:
            more = _POOLED if is_pooled else _direct(min(patience, _PATIENCE))
            patient = {**more, "command_timeout": patience}
            hurried = _POOLED if is_pooled else _direct(_SHORT_PATIENCE)
            engine = _postgres_engine(address, _POOL_SIZE, _PATIENCE, patient)
            urgent = _postgres_engine(address, _URGENT, _SHORT_PATIENCE, hurried)
            places = _POOL_SIZE - _READERS
            database = cls(engine, engine, places=places, urgent=urgent)
        try:
            await database.check()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def is_sqlite(self) -> bool:
        """Whether one process at a time writes, to a file."""
        return self._writer.dialect.name == "sqlite"

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Transaction]:
        """Commit on success, roll back on any error.

        Who finds no place free waits in line; on SQLite there is one place, and its
        holder is the only writer. Raises DatabaseUnavailable when the database does
        not answer.
        """
        async with (
            self._places,
            _connected(self._writer) as connection,
            connection.begin(),
        ):
            yield connection

    @asynccontextmanager
    async def urgent(self) -> AsyncIterator[Transaction]:
        """Write, as `write`, but past everybody who waits, and with little patience.

        A connection that has gone dead costs a second or two, not ten. On SQLite, which
        has one writer, it is a place in line like any other.
        """
        if self._urgent is None:
            async with self.write() as connection:
                yield connection
            return
        async with _connected(self._urgent) as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """See one committed state, without waiting for writers.

        Raises DatabaseUnavailable when the database does not answer.
        """
        async with _connected(self._reader) as connection, connection.begin():
            yield connection

    async def scrub(self) -> None:
        """Leave nothing of what was erased in SQLite's journal either.

        At best: a page that somebody reads at this moment stays there a while longer.
        """
        if not self.is_sqlite:
            return
        async with self._places, _connected(self._writer) as connection:
            pooled = await connection.get_raw_connection()
            file: Any = pooled.driver_connection
            with suppress(sqlite3.Error):
                await file.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Let go of all connections; one that has gone dead is not waited for."""
        engines = {self._reader, self._writer, self._urgent}
        goodbyes = [asyncio.create_task(each.dispose()) for each in engines if each]
        await asyncio.wait(goodbyes, timeout=_GOODBYE)
        for goodbye in goodbyes:
            goodbye.cancel()
        await asyncio.gather(*goodbyes, return_exceptions=True)

    async def check(self) -> None:
        """Raise DatabaseUnavailable unless it answers, and its clock is one."""
        async with self.read() as transaction:
            now = (await transaction.execute(select(self.now))).scalar_one()
        earliest, latest = _A_SANE_TIME
        if not earliest < (now or 0.0) < latest:
            raise DatabaseUnavailable(f"The database's clock says {now!r}.")


def _parsed(url: str) -> URL:
    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend == "postgres":
        backend = "postgresql"
    if backend not in ("sqlite", "postgresql"):
        raise SettingsError(
            ["DATABASE_URL must begin with sqlite:/// or postgresql://."]
        )
    if backend == "sqlite" and address.database in (None, "", ":memory:"):
        raise SettingsError(["DATABASE_URL must name a file: sqlite:///path/to/file."])
    return address


def _sqlite_engines(address: URL) -> tuple[AsyncEngine, AsyncEngine]:
    path = Path(str(address.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Tried here first: a driver's thread that can't open it dies noisily.
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
    except (OSError, sqlite3.Error) as error:
        raise DatabaseUnavailable(f"{path} can't be opened: {error}.") from error
    address = address.set(drivername="sqlite+aiosqlite")
    # One connection: writers queue in this process, not in SQLite's blind retries.
    writer = create_async_engine(address, pool_size=1, max_overflow=0, **_EVERY_ENGINE)
    reader = create_async_engine(
        address, pool_size=_READERS, max_overflow=0, **_EVERY_ENGINE
    )
    _prepare_sqlite(writer, "BEGIN IMMEDIATE", _SQLITE_PRAGMAS)
    _prepare_sqlite(reader, "BEGIN", (*_SQLITE_PRAGMAS, "PRAGMA query_only = ON"))
    return writer, reader


def _prepare_sqlite(engine: AsyncEngine, begin: str, pragmas: tuple[str, ...]) -> None:
    def on_connect(connection: Any, _record: object) -> None:  # noqa: ANN401
        # Else the driver begins transactions by itself, too late for a read that
        # is followed by a write.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    def on_begin(connection: Any) -> None:  # noqa: ANN401
        # Past SQLAlchemy's cursor: one visit to the driver's thread instead of three.
        driver = connection.connection.dbapi_connection
        try:
            driver.run_async(lambda raw: raw.execute(begin))
        except sqlite3.Error as error:
            raise DatabaseUnavailable("The database does not answer.") from error

    event.listen(engine.sync_engine, "connect", on_connect)

    def on_error(context: ExceptionContext) -> None:
        # A cancelled statement is finished in the driver's thread, and the rollback
        # follows it there. Thrown away instead, as SQLAlchemy does, the connection
        # would keep its lock on the file for as long as a cursor of it is around.
        if not isinstance(context.original_exception, Exception):
            context.is_disconnect = False

    event.listen(engine.sync_engine, "begin", on_begin)
    event.listen(engine.sync_engine, "handle_error", on_error)
    event.listen(engine.sync_engine, "handle_error", _translate)


def _direct(idle: float) -> dict[str, Any]:
    return {"server_settings": {**_DIRECT, _IDLE_LIMIT: f"{idle * 1000:.0f}"}}


def _postgres_engine(
    address: URL, size: int, patience: float, more: dict[str, Any]
) -> AsyncEngine:
    # The address may come from a hosting provider, in libpq's words.
    query = dict(address.query)
    if sslmode := query.pop("sslmode", None):
        query["ssl"] = sslmode
    engine = create_async_engine(
        address.set(drivername="postgresql+asyncpg", query=query),
        pool_size=size,
        max_overflow=0,
        **_EVERY_ENGINE,
        connect_args={
            "timeout": patience,
            "command_timeout": patience,
            **more,
        },
    )
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    connection = engine.connect()
    try:
        await connection.start()
    except (OSError, NoFreeConnection, DBAPIError) as error:
        raise DatabaseUnavailable("The database does not answer.") from error
    try:
        yield connection
    finally:
        # Cut short, the pool would complain and throw the connection away.
        await asyncio.shield(connection.close())


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    # SQLAlchemy counts a cancelled statement among the disconnects.
    if not isinstance(error, Exception):
        return
    if context.is_disconnect or _is_outage(error):
        raise DatabaseUnavailable("The database does not answer.") from error


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, OSError):  # a statement's timeout included
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        # SQLITE_CONSTRAINT, MISMATCH, MISUSE and RANGE are ours as well.
        return code & 0xFF not in (_SQLITE_ERROR, 19, 20, 21, 25)
    return str(getattr(error, "sqlstate", None) or "").startswith(_OUTAGES)
