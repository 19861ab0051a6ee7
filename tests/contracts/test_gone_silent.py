"""A process that goes silent within a transaction: its host lost power, or its network.

Postgres hears nothing of that. To it, it is a transaction that asks for nothing more.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select, update

from app.domain import Turn
from app.errors import DatabaseUnavailable
from app.storage.database import Database
from app.storage.fence import fenced
from app.storage.leases import Leases
from app.storage.tables import workers
from tests.contracts.queue_words import Queue, said
from tests.postgres import empty


@pytest.fixture
async def silent(migrated_postgres: str) -> AsyncIterator[Database]:
    empty(migrated_postgres)
    database = await Database.connect(migrated_postgres, patience=0.5)
    yield database
    await database.close()


@pytest.fixture
async def another(migrated_postgres: str) -> AsyncIterator[Database]:
    database = await Database.connect(migrated_postgres)
    yield database
    await database.close()


async def test_its_turn_is_taken_over_and_it_can_write_nothing_more(
    silent: Database, another: Database
) -> None:
    gone, queue = Queue(silent), Queue(another, worker="another")
    await gone.add(said("one", mention=True))
    turn = await gone.claim_one()
    await gone.leases.retire("worker")
    taken: list[Turn] = []

    async def hold() -> None:
        async with fenced(silent, turn.lease) as transaction:
            while not taken:
                await queue.leases.reap("another")
                taken.extend(await queue.claim())
            await transaction.execute(select(Database.now))

    with pytest.raises(DatabaseUnavailable):
        await asyncio.wait_for(hold(), 5)

    assert [each.turn_id for each in taken] == [turn.turn_id]


async def test_a_heartbeat_that_goes_silent_costs_its_process_no_more_than_a_beat(
    silent: Database,
) -> None:
    leases = Leases(silent)
    await leases.beat("worker", "1", 60)

    async def hold() -> None:
        async with silent.urgent() as transaction:
            await transaction.execute(update(workers).values(version="2"))
            while await _is_missed(leases):
                pass

    with pytest.raises(DatabaseUnavailable):
        await asyncio.wait_for(hold(), 4)


async def _is_missed(leases: Leases) -> bool:
    try:
        await leases.beat("worker", "3", 60)
    except DatabaseUnavailable:
        return True
    return False
