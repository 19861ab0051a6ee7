"""What is left of a write that was cancelled in its midst."""

import asyncio

import pytest
from sqlalchemy import bindparam, insert, select

from app.storage.database import Database
from app.storage.tables import workers

BEAT = (
    insert(workers)
    .values(id=bindparam("its_id"), expires_at=1.0, version="1")
    .returning(workers.c.id)
)


async def beat_for_ever(database: Database, begun: asyncio.Event) -> None:
    async with database.write() as transaction:
        number = 0
        while True:
            await transaction.execute(BEAT, {"its_id": f"cancelled {number}"})
            number += 1
            begun.set()


async def test_a_write_cancelled_at_any_moment_is_no_outage_and_keeps_nobody_waiting(
    database: Database,
) -> None:
    for moment in range(0, 120, 2):
        begun = asyncio.Event()
        writing = asyncio.create_task(beat_for_ever(database, begun))
        await begun.wait()
        for _ in range(moment):
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        async with asyncio.timeout(2), database.write() as transaction:
            await transaction.execute(BEAT, {"its_id": f"next {moment}"})

    async with database.read() as transaction:
        found = await transaction.execute(select(workers.c.id))
        assert sorted(found.scalars()) == sorted(f"next {n}" for n in range(0, 120, 2))


async def test_whoever_waits_for_a_place_to_write_can_be_cancelled(
    database: Database,
) -> None:
    async with database.write() as transaction:
        begun = asyncio.Event()
        waiting = [
            asyncio.create_task(beat_for_ever(database, begun)) for _ in range(30)
        ]
        await transaction.execute(BEAT, {"its_id": "first"})
        for task in waiting:
            task.cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)

    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    async with asyncio.timeout(2), database.write() as transaction:
        await transaction.execute(BEAT, {"its_id": "next"})
