"""Whether this process can answer people, and if not, what is missing."""

import asyncio
from collections.abc import Awaitable, Callable

from app.errors import DatabaseUnavailable
from app.slack.access import Access
from app.slack.socket_mode import SocketMode
from app.storage.database import Database
from app.turns.worker import Worker

# Seconds that the database gets for an answer.
_CHECK_LIMIT = 2.0


def readiness(
    database: Database, worker: Worker, access: Access, socket_mode: SocketMode | None
) -> Callable[[], Awaitable[str | None]]:
    """Return what says, in a few words, why people can't be answered now, if so."""

    async def what_is_missing() -> str | None:
        if not worker.is_alive:
            return "this process was cut off from the database, or paused"
        if access.refused_by:
            return f"Slack refuses the token ({access.refused_by})"
        if socket_mode and (missing := socket_mode.what_is_missing):
            return missing
        try:
            # Who asks does not wait for long either.
            async with asyncio.timeout(_CHECK_LIMIT):
                await database.check()
        except (DatabaseUnavailable, TimeoutError):
            return "the database does not answer"
        return None

    return what_is_missing
