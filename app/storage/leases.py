"""Who is alive: one heartbeat for each process, by the database's clock alone."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import Ending, Lease, RunStatus, Surface, TurnState
from app.storage.absences import end_absence, was_nobody_there
from app.storage.among import among
from app.storage.database import Database, Transaction
from app.storage.doubts import wake_overdue
from app.storage.endings import TurnEnd, end_turns
from app.storage.tables import READY, RUNNING, conversations, turns, workers
from app.storage.wakeup import TELL_IF_READY

# A row is kept this long after its end, for people who ask which versions ran.
_FORGOTTEN_AFTER = 3600.0

# SQLite reads ON CONFLICT as Postgres does, so the one construct serves both.
_BEAT = insert(workers).values(
    id=bindparam("worker_id"),
    expires_at=Database.now + bindparam("ttl"),
    version=bindparam("its_version"),
)
_BEAT = _BEAT.on_conflict_do_update(
    index_elements=[workers.c.id],
    set_={
        "expires_at": _BEAT.excluded.expires_at,
        "version": _BEAT.excluded.version,
    },
)

_HAS_LIVE_OWNER = exists().where(
    workers.c.id == conversations.c.owner, workers.c.expires_at > Database.now
)
_REAPER = workers.alias("reaper")
# Else a reaping that was held up, with the heartbeats of all, would take from all.
_REAPER_LIVES = exists().where(
    _REAPER.c.id == bindparam("worker_id"), _REAPER.c.expires_at > Database.now
)
_LOST = (
    select(conversations.c.id)
    .where(
        conversations.c.state == RUNNING,
        _REAPER_LIVES,
        or_(
            and_(conversations.c.owner != bindparam("worker_id"), ~_HAS_LIVE_OWNER),
            and_(
                conversations.c.owner == bindparam("worker_id"),
                ~among(conversations.c.id, "holding"),
            ),
        ),
    )
    # Two reapers never wait for each other's rows in a circle.
    .with_for_update(skip_locked=True)
    .cte("lost")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_REAP = (
    update(conversations)
    .where(conversations.c.id.in_(select(_LOST.c.id)))
    .values(state=READY, owner=None)
    .returning(
        conversations.c.team_id,
        conversations.c.turn_id,
        conversations.c.id,
        conversations.c.epoch,
        conversations.c.surface,
        TELL_IF_READY,
    )
)
_COUNT_ATTEMPT = (
    update(turns)
    .where(
        among(turns.c.team_id, "team_ids"),
        among(turns.c.id, "turn_ids"),
    )
    .values(state=TurnState.WAITING.value, attempt=turns.c.attempt + 1)
)
_FORGET = delete(workers).where(workers.c.expires_at < Database.now - _FORGOTTEN_AFTER)
# The row stays a while: it tells since when nobody is alive.
_RETIRE = (
    update(workers)
    .where(workers.c.id == bindparam("its_worker"), workers.c.expires_at > Database.now)
    .values(expires_at=Database.now)
)


class Leases:
    """A process holds its turns for as long as its heartbeat comes in time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, worker_id: str, version: str, ttl: float) -> None:
        """Say that the process lives for `ttl` more seconds; due before any claim.

        The first after a time in which no process lived decides what is late by now,
        and takes the time that this takes.
        """
        its = {"worker_id": worker_id, "ttl": ttl, "its_version": version}
        async with self._database.urgent() as transaction:
            if not await was_nobody_there(transaction):
                await transaction.execute(_BEAT, its)
                return
        async with self._database.write() as transaction:
            await end_absence(transaction)
            await transaction.execute(_BEAT, its)

    async def reap(self, worker_id: str, holding: Sequence[int] = ()) -> int:
        """Make turns without a live owner ready again, the same turns; how many.

        With them those that people should have decided about by now.

        Only a live worker may do that. On the web surface nobody waits for them any
        more: there they are cancelled. Running turns of `worker_id` itself count when
        their conversations are not among `holding`: the caller knows what it answers.
        """
        async with self._database.write() as transaction:
            reaped = await transaction.execute(
                _REAP, {"worker_id": worker_id, "holding": list(holding)}
            )
            lost = reaped.all()
            if lost:
                await transaction.execute(
                    _COUNT_ATTEMPT,
                    {
                        "team_ids": list({row.team_id for row in lost}),
                        "turn_ids": [row.turn_id for row in lost],
                    },
                )
            for row in lost:
                if row.surface != Surface.SLACK:
                    await _cancel(transaction, row)
            await transaction.execute(_FORGET)
            return len(lost) + await wake_overdue(transaction)

    async def retire(self, worker_id: str) -> None:
        """Say that the process lives no longer."""
        async with self._database.urgent() as transaction:
            await transaction.execute(_RETIRE, {"its_worker": worker_id})


async def _cancel(transaction: Transaction, lost: Row[*tuple[Any, ...]]) -> None:
    lease = Lease(
        team_id=lost.team_id,
        conversation_id=lost.id,
        turn_id=lost.turn_id,
        epoch=lost.epoch,
    )
    ending = Ending(status=RunStatus.CANCELLED)
    end = TurnEnd(lease=lease, ending=ending, state=TurnState.CANCELLED)
    await end_turns(transaction, [end])
