"""Rooms and reply parts keep what they are told, once, and by their own turn."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.domain import PartKind, ReplyPart, RoomChange, Turn
from app.errors import DatabaseUnavailable, LeaseLost
from app.storage.database import Database
from app.storage.reply_parts import ReplyParts
from app.storage.rooms import Rooms
from app.storage.tool_calls import ToolLedger
from tests.contracts.queue_words import ANA, TEAM, Queue, said


async def _turns(database: Database, count: int = 1) -> list[Turn]:
    queue = Queue(database)
    for when in range(count):
        await queue.add(said(when=when, mention=True))
    return await queue.claim()


async def _set(
    database: Database, turn: Turn, call_id: str, room: str, temperature: float
) -> RoomChange:
    rooms, ledger = Rooms(database), ToolLedger(database)
    async with ledger.fenced(turn.lease) as transaction:
        return await rooms.set_temperature(
            transaction, turn.lease, 0, call_id, room, temperature, ANA
        )


async def test_a_workspace_begins_with_five_rooms(database: Database) -> None:
    rooms = Rooms(database)

    at_first = await asyncio.gather(*(rooms.all(TEAM) for _ in range(4)))

    assert at_first[0] == {
        "bedroom": 20.0,
        "home office": 21.0,
        "living room": 21.0,
        "kitchen": 22.0,
        "bathroom": 23.0,
    }
    assert await rooms.temperature("T2", "bathroom") == 23.0


async def test_a_change_is_made_once_for_each_call(database: Database) -> None:
    (turn,) = await _turns(database)

    first = await _set(database, turn, "a", "kitchen", 23.5)
    again = await _set(database, turn, "a", "kitchen", 23.5)
    other = await _set(database, turn, "b", "kitchen", 19.0)

    assert first == again == RoomChange(room="kitchen", old=22.0, new=23.5)
    assert other == RoomChange(room="kitchen", old=23.5, new=19.0)
    assert await Rooms(database).temperature(TEAM, "kitchen") == 19.0
    assert await Rooms(database).temperature("T2", "kitchen") == 22.0


async def test_changes_of_one_room_by_many_threads_follow_each_other(
    database: Database,
) -> None:
    turns = await _turns(database, count=8)

    changes = await asyncio.gather(
        *(
            _set(database, turn, "a", "kitchen", 10.0 + number)
            for number, turn in enumerate(turns)
        )
    )

    seen = {change.old for change in changes} | {
        await Rooms(database).temperature(TEAM, "kitchen")
    }
    assert seen == {22.0} | {change.new for change in changes}


async def test_a_reading_within_the_transaction_sees_its_change(
    database: Database,
) -> None:
    (turn,) = await _turns(database)
    rooms = Rooms(database)

    async with ToolLedger(database).fenced(turn.lease) as transaction:
        await rooms.set_temperature(
            transaction, turn.lease, 0, "a", "bedroom", 5.0, ANA
        )
        seen = await rooms.temperature(TEAM, "bedroom", transaction)

    assert seen == 5.0


async def test_a_change_without_the_lease_does_not_happen(database: Database) -> None:
    (turn,) = await _turns(database)
    await Queue(database).finish(turn)

    with pytest.raises(LeaseLost):
        await _set(database, turn, "a", "kitchen", 30.0)

    assert await Rooms(database).temperature(TEAM, "kitchen") == 22.0


async def test_the_parts_of_a_reply_are_remembered_in_order(
    database: Database,
) -> None:
    (turn,) = await _turns(database)
    parts = ReplyParts(database)
    data = ReplyPart(part_no=1, kind=PartKind.DATA, post_key="k1")
    first = ReplyPart(part_no=0, kind=PartKind.TEXT, post_key="k0")

    await parts.intend(turn.lease, data)
    await parts.intend(turn.lease, first)
    await parts.intend(
        turn.lease, ReplyPart(part_no=0, kind=PartKind.TEXT, post_key="x")
    )
    await parts.posted(turn.lease, 0, "1.5")
    await parts.seal(turn.lease, 0, 3, 8000)

    assert await parts.parts(turn.lease) == [
        ReplyPart(
            part_no=0,
            kind=PartKind.TEXT,
            post_key="k0",
            ts="1.5",
            start=3,
            end=8000,
            sealed=True,
        ),
        data,
    ]

    await parts.forget(turn.lease, 1)
    assert [part.part_no for part in await parts.parts(turn.lease)] == [0]


async def test_the_text_in_view_is_known_to_the_next_owner(database: Database) -> None:
    (turn,) = await _turns(database)
    parts = ReplyParts(database)
    assert await parts.text_so_far(turn.lease) is None

    first = ReplyPart(part_no=0, kind=PartKind.TEXT, post_key="k0")
    await parts.intend(turn.lease, first, "It is")
    await parts.checkpoint(turn.lease, "It is 22 °C")

    assert await parts.text_so_far(turn.lease) == "It is 22 °C"


async def test_the_text_in_view_is_noted_by_its_owner_alone(database: Database) -> None:
    (turn,) = await _turns(database)
    parts = ReplyParts(database)
    await parts.checkpoint(turn.lease, "It is 22 °C")

    stale = replace(turn.lease, epoch=turn.lease.epoch - 1)
    with pytest.raises(LeaseLost):
        await parts.checkpoint(stale, "It is")

    assert await parts.text_so_far(turn.lease) == "It is 22 °C"


async def test_the_error_of_a_statement_does_not_quote_what_people_wrote(
    database: Database,
) -> None:
    statement = text("INSERT INTO nowhere VALUES (:words)")

    async with database.write() as transaction:
        with pytest.raises(DBAPIError) as error:
            await transaction.execute(statement, {"words": "my secret"})

    assert "my secret" not in str(error.value)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_a_connection_that_breaks_is_an_outage_and_the_next_one_works(
    database: Database, database_url: str
) -> None:
    other = await Database.connect(database_url)

    async def ask_after_the_cut() -> None:
        async with database.write() as transaction:
            backend = await transaction.execute(text("SELECT pg_backend_pid()"))
            async with other.write() as killer:
                await killer.execute(
                    text("SELECT pg_terminate_backend(:pid)"),
                    {"pid": backend.scalar_one()},
                )
            await transaction.execute(text("SELECT 1"))

    with pytest.raises(DatabaseUnavailable):
        await ask_after_the_cut()

    assert await Rooms(database).temperature(TEAM, "kitchen") == 22.0
    await other.close()
