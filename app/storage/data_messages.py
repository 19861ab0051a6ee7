"""Data messages: what a turn did, for the reader's eyes."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, update

from app.domain import DataMessage, Lease, StoredDataMessage
from app.storage.among import among
from app.storage.database import Database, Transaction
from app.storage.fence import fenced
from app.storage.tables import data_messages

_IS_OF_TURN = (
    data_messages.c.team_id == bindparam("team_id"),
    data_messages.c.turn_id == bindparam("turn_id"),
)
_NEXT_SEQ = select(func.coalesce(func.max(data_messages.c.seq) + 1, 0)).where(
    *_IS_OF_TURN
)
_ADD = insert(data_messages)
_OF_TURN = select(data_messages).where(*_IS_OF_TURN).order_by(data_messages.c.seq)
_UNSHOWN = _OF_TURN.where(data_messages.c.part_no.is_(None))
_SHOWN = (
    update(data_messages)
    .where(
        data_messages.c.team_id == bindparam("its_team"),
        data_messages.c.turn_id == bindparam("its_turn"),
        among(data_messages.c.seq, "seqs"),
    )
    .values(part_no=bindparam("its_part"))
)


class DataMessages:
    """The data messages of turns, in the order in which they were added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, transaction: Transaction, lease: Lease, messages: Sequence[DataMessage]
    ) -> tuple[StoredDataMessage, ...]:
        """Add messages within a transaction that holds the turn."""
        if not messages:
            return ()
        its = {"team_id": lease.team_id, "turn_id": lease.turn_id}
        first = (await transaction.execute(_NEXT_SEQ, its)).scalar_one()
        await transaction.execute(
            _ADD,
            [
                {
                    **its,
                    "seq": seq,
                    "type": message.type,
                    "version": message.version,
                    "data": dict(message.data),
                    "caused_by": message.caused_by,
                }
                for seq, message in enumerate(messages, first)
            ],
        )
        return tuple(
            StoredDataMessage(seq=seq, message=message)
            for seq, message in enumerate(messages, first)
        )

    async def store(self, lease: Lease, message: DataMessage) -> StoredDataMessage:
        """Add one message and commit it. Raises LeaseLost."""
        async with fenced(self._database, lease) as transaction:
            (stored,) = await self.add(transaction, lease, [message])
            return stored

    async def unshown(self, lease: Lease) -> list[StoredDataMessage]:
        """Return the turn's messages that no part of the reply shows yet."""
        async with self._database.read() as transaction:
            rows = await transaction.execute(
                _UNSHOWN, {"team_id": lease.team_id, "turn_id": lease.turn_id}
            )
            return [_stored(row) for row in rows]

    async def of_turn(self, lease: Lease) -> list[StoredDataMessage]:
        """Return all messages of the turn."""
        async with self._database.read() as transaction:
            rows = await transaction.execute(
                _OF_TURN, {"team_id": lease.team_id, "turn_id": lease.turn_id}
            )
            return [_stored(row) for row in rows]

    async def shown(self, lease: Lease, seqs: Sequence[int], part_no: int) -> None:
        """Note which part of the reply shows these messages. Raises LeaseLost."""
        async with fenced(self._database, lease) as transaction:
            await transaction.execute(
                _SHOWN,
                {
                    "its_team": lease.team_id,
                    "its_turn": lease.turn_id,
                    "seqs": list(seqs),
                    "its_part": part_no,
                },
            )


def _stored(row: Row[*tuple[Any, ...]]) -> StoredDataMessage:
    return StoredDataMessage(
        seq=row.seq,
        message=DataMessage(
            type=row.type, data=row.data, version=row.version, caused_by=row.caused_by
        ),
        part_no=row.part_no,
    )
