"""Hears the hints of other processes, over a connection of its own to Postgres.

A pooler that hands one connection to many would give LISTEN to somebody else: the
address here must lead to Postgres itself.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import literal, select

from app import telemetry
from app.errors import DatabaseUnavailable
from app.storage.database import Database
from app.storage.wakeup import CHANNEL, Hint, Missed, Tell, hint_of

log = logging.getLogger(__name__)

# What a connection raises that can't be made, or is lost.
NO_LISTENING = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_PATIENCE = 3.0
# A connection that has gone dead says nothing; it is asked so often.
_ASKED_EVERY = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0


class Listener:
    """Tells `hear` of each hint, and `Missed` whenever there may have been others."""

    def __init__(
        self, url: str, database: Database, hear: Callable[[Hint], None]
    ) -> None:
        self._url = url
        self._database = database
        self._hear = hear
        self._pause = _FIRST_PAUSE

    async def listen(self) -> None:
        """Listen for as long as one connection lives; to be called again and again."""
        try:
            async with _listening(self._url, self._heard) as connection:
                self._pause = _FIRST_PAUSE
                self._hear(Missed())
                await self._try_the_way()
                await _until_lost(connection)
        except NO_LISTENING as error:
            telemetry.count("listen.lost")
            kind = type(error).__name__
            log.warning("not listening, hints come late", extra={"error": kind})
        await asyncio.sleep(self._pause)
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause)

    def _heard(self, payload: str) -> None:
        if hint := hint_of(payload):
            self._hear(hint)

    async def _try_the_way(self) -> None:
        try:
            comes_back = await hears_itself(self._url, self._database)
        except DatabaseUnavailable:
            return
        if not comes_back:
            telemetry.count("listen.deaf")
            log.warning(
                "hints do not arrive, answers and stops may begin seconds late: "
                "is LISTEN_DATABASE_URL the same database, without a pooler?"
            )


async def hears_itself(url: str, database: Database) -> bool:
    """Whether what is told over `database` is heard at `url`.

    Raises DatabaseUnavailable when it can't be told at all, and one of NO_LISTENING
    when nobody answers at `url`.
    """
    sent, came_back = f"probe {secrets.token_hex(8)}", asyncio.Event()

    def heard(payload: str) -> None:
        if payload == sent:
            came_back.set()

    async with _listening(url, heard):
        async with database.write() as transaction:
            await transaction.execute(select(Tell(literal(sent))))
        try:
            async with asyncio.timeout(_PATIENCE):
                await came_back.wait()
        except TimeoutError:
            return False
    return True


@asynccontextmanager
async def _listening(url: str, heard: Callable[[str], None]) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(
        url,
        timeout=_PATIENCE,
        command_timeout=_PATIENCE,
        server_settings={"application_name": "threadline listening"},
    )
    try:
        await connection.add_listener(
            CHANNEL, lambda _connection, _process, _channel, payload: heard(payload)
        )
        yield connection
    finally:
        connection.terminate()


async def _until_lost(connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    while not connection.is_closed():
        try:
            async with asyncio.timeout(_ASKED_EVERY):
                await lost.wait()
        except TimeoutError:
            await connection.execute("SELECT 1")
    raise ConnectionResetError
