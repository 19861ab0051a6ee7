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
_UNDER_WAY = (
    "SELECT turn_id, owner FROM conversations"
    " WHERE turn_id IS NOT NULL AND state <> 'suspended'"
)


@dataclass(slots=True, kw_only=True)
class _Owned:
    """A turn under way; `left_at` is when its owner was last seen to lose it."""

    owner: str
    left_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """A turn has another owner than the one that lost it."""

    turn_id: int
    before: str
    left_at: float
    claimed_at: float


class Watch:
    """Notes each change of owner; `takeovers` sets them against deaths.

    Owners carry the id of their process. Moments are epoch seconds.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._turns: dict[int, _Owned] = {}
        self._changes: list[_Change] = []

    async def look(self) -> None:
        """Look until cancelled."""
        if self._url.startswith("sqlite"):
            path = self._url.removeprefix("sqlite:///")
            while True:
                self.note(await asyncio.to_thread(_of_file, path), time.time())
                await asyncio.sleep(_EVERY)
        connection = await asyncpg.connect(self._url)
        try:
            while True:
                rows = await connection.fetch(_UNDER_WAY)
                self.note([tuple(row) for row in rows], time.time())
                await asyncio.sleep(_EVERY)
        finally:
            await connection.close()

    def takeovers(self, deaths: Sequence[Death]) -> list[float]:
        """The seconds from each death to the claim of each turn it left behind."""
        died: Mapping[str, float] = {str(death.pid): death.at for death in deaths}
        return [
            change.claimed_at - died[pid]
            for change in self._changes
            if (pid := change.before.partition("-")[0]) in died
            and change.left_at > died[pid]
        ]

    def note(self, under_way: Sequence[tuple[int, str | None]], now: float) -> None:
        """Note the turns under way, each with its owner if it has one."""
        before, self._turns = self._turns, {}
        for turn_id, owner in under_way:
            owned = before.get(turn_id)
            if owned and owner != owned.owner and owned.left_at is None:
                owned.left_at = now
            if owned and owned.left_at and owner and owner != owned.owner:
                change = _Change(
                    turn_id=turn_id,
                    before=owned.owner,
                    left_at=owned.left_at,
                    claimed_at=now,
                )
                self._changes.append(change)
            if owner and (owned is None or owner != owned.owner):
                owned = _Owned(owner=owner)
            if owned:
                self._turns[turn_id] = owned


def _of_file(path: str) -> list[tuple[int, str | None]]:
    # Between two processes the file may be locked, or not there yet.
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        return connection.execute(_UNDER_WAY).fetchall()
    return []
