"""The rooms of each workspace and their temperatures in °C."""

from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import Lease, RoomChange
from app.storage.database import Database, Transaction
from app.storage.tables import room_changes, rooms

_AT_FIRST = {
    "bedroom": 20.0,
    "home office": 21.0,
    "living room": 21.0,
    "kitchen": 22.0,
    "bathroom": 23.0,
}
ROOMS: tuple[str, ...] = tuple(_AT_FIRST)

_ALL = select(rooms.c.room, rooms.c.temperature).where(
    rooms.c.team_id == bindparam("team_id")
)
_FURNISH = insert(rooms).on_conflict_do_nothing()
_HOLD = (
    select(rooms.c.temperature)
    .where(rooms.c.team_id == bindparam("team_id"), rooms.c.room == bindparam("room"))
    .with_for_update()
)
_SET = (
    update(rooms)
    .where(
        rooms.c.team_id == bindparam("its_team"), rooms.c.room == bindparam("its_room")
    )
    .values(temperature=bindparam("its_temperature"))
)
_CHANGED = select(room_changes.c.room, room_changes.c.old, room_changes.c.new).where(
    room_changes.c.team_id == bindparam("team_id"),
    room_changes.c.turn_id == bindparam("turn_id"),
    room_changes.c.pass_no == bindparam("pass_no"),
    room_changes.c.call_id == bindparam("call_id"),
)
_CHANGE = insert(room_changes).values(changed_at=Database.now)


def room_named(text: str) -> str | None:
    """Return the room that somebody means; case, `_` and `-` don't matter."""
    name = " ".join(text.replace("_", " ").replace("-", " ").casefold().split())
    return name if name in _AT_FIRST else None


class Rooms:
    """Each workspace has the same five rooms, made the first time it asks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def temperature(
        self, team_id: str, room: str, transaction: Transaction | None = None
    ) -> float:
        """Return a room's temperature; `room` is one of ROOMS."""
        if transaction is not None:
            return (await _furnished(transaction, team_id))[room]
        return (await self.all(team_id))[room]

    async def all(self, team_id: str) -> dict[str, float]:
        """Return the temperatures of all rooms."""
        async with self._database.read() as transaction:
            known = await _known(transaction, team_id)
        if known:
            return known
        async with self._database.write() as transaction:
            return await _furnished(transaction, team_id)

    async def set_temperature(  # noqa: PLR0917
        self,
        transaction: Transaction,
        lease: Lease,
        pass_no: int,
        call_id: str,
        room: str,
        temperature: float,
        changed_by: str,
    ) -> RoomChange:
        """Set a room's temperature within a transaction that holds the turn.

        The same call again returns the change it has made already and makes none.
        """
        its: dict[str, Any] = {
            "team_id": lease.team_id,
            "turn_id": lease.turn_id,
            "pass_no": pass_no,
            "call_id": call_id,
        }
        changed = (await transaction.execute(_CHANGED, its)).first()
        if changed is not None:
            return RoomChange(room=changed.room, old=changed.old, new=changed.new)
        await _furnished(transaction, lease.team_id)
        held = await transaction.execute(
            _HOLD, {"team_id": lease.team_id, "room": room}
        )
        change = RoomChange(room=room, old=held.scalar_one(), new=temperature)
        await transaction.execute(
            _SET,
            {
                "its_team": lease.team_id,
                "its_room": room,
                "its_temperature": temperature,
            },
        )
        await transaction.execute(
            _CHANGE,
            {
                **its,
                "room": room,
                "old": change.old,
                "new": change.new,
                "changed_by": changed_by,
            },
        )
        return change


async def _known(transaction: Transaction, team_id: str) -> dict[str, float]:
    rows = await transaction.execute(_ALL, {"team_id": team_id})
    found = {row.room: row.temperature for row in rows}
    return {room: found[room] for room in ROOMS if room in found}


async def _furnished(transaction: Transaction, team_id: str) -> dict[str, float]:
    if known := await _known(transaction, team_id):
        return known
    await transaction.execute(
        _FURNISH,
        [
            {"team_id": team_id, "room": room, "temperature": temperature}
            for room, temperature in _AT_FIRST.items()
        ],
    )
    return await _known(transaction, team_id)
