"""Watches the database for turns that another process has taken over."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

import asyncpg

from bench.chaos.replicas import Death

_EVERY = 0.03
_HELD = (
    "SELECT turn_id, epoch, owner FROM conversations"
    " WHERE turn_id IS NOT NULL AND owner IS NOT NULL"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A turn has another owner since `at`; owners carry their process's id."""

    at: float
    before: str


class Watch:
    """Notes each change of owner; `takeovers` sets them against deaths."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._owners: dict[int, str] = {}
        self._changes: list[_Change] = []

    async def look(self) -> None:
        """Look until cancelled."""
        if self._url.startswith("sqlite"):
            path = self._url.removeprefix("sqlite:///")
            while True:
                self._note(await asyncio.to_thread(_of_file, path))
                await asyncio.sleep(_EVERY)
        connection = await asyncpg.connect(self._url)
        try:
            while True:
                self._note([tuple(row) for row in await connection.fetch(_HELD)])
                await asyncio.sleep(_EVERY)
        finally:
            await connection.close()

    def takeovers(self, deaths: Sequence[Death]) -> list[float]:
        """The seconds from each death to the claim of each turn it left behind."""
        died: Mapping[str, float] = {str(death.pid): death.at for death in deaths}
        return [
            change.at - died[pid]
            for change in self._changes
            if (pid := change.before.partition("-")[0]) in died
            and change.at > died[pid]
        ]

    def _note(self, held: Sequence[tuple[int, int, str]]) -> None:
        now = time.time()
        for turn_id, _, owner in held:
            before = self._owners.get(turn_id)
            if before is not None and before != owner:
                self._changes.append(_Change(at=now, before=before))
            self._owners[turn_id] = owner


def _of_file(path: str) -> list[tuple[int, int, str]]:
    # Between two processes the file may be locked, or not there yet.
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        return connection.execute(_HELD).fetchall()
    return []
