"""The fence: no write for a turn without its lease."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import bindparam, exists, select

from app.domain import Lease
from app.errors import LeaseLost
from app.storage.among import among
from app.storage.database import Database, Transaction
from app.storage.tables import RUNNING, conversations

_HELD = (
    select(conversations.c.id)
    .where(
        conversations.c.team_id == bindparam("team_id"),
        conversations.c.id == bindparam("conversation_id"),
        conversations.c.epoch == bindparam("epoch"),
        conversations.c.turn_id == bindparam("turn_id"),
        conversations.c.state == RUNNING,
    )
    .with_for_update()
)

# In one order, so that two who hold several never wait for each other in a circle.
_HOLD_ALL = (
    select(
        conversations.c.id,
        conversations.c.epoch,
        conversations.c.turn_id,
        conversations.c.assistant_thread_id,
    )
    .where(
        among(conversations.c.team_id, "team_ids"),
        among(conversations.c.id, "conversation_ids"),
        conversations.c.state == RUNNING,
    )
    .order_by(conversations.c.id)
    .with_for_update()
)

# For what may be written beside others of the turn, some of which take their time.
IS_HELD = exists().where(
    conversations.c.team_id == bindparam("its_team"),
    conversations.c.id == bindparam("its_conversation"),
    conversations.c.epoch == bindparam("its_epoch"),
    conversations.c.turn_id == bindparam("its_turn"),
    conversations.c.state == RUNNING,
)


@asynccontextmanager
async def fenced(database: Database, lease: Lease) -> AsyncIterator[Transaction]:
    """Open a write transaction that holds the conversation of `lease` for itself.

    Raises LeaseLost, with nothing written, once the turn has another epoch or ended.
    """
    async with database.write() as transaction:
        held = await transaction.execute(
            _HELD,
            {
                "team_id": lease.team_id,
                "conversation_id": lease.conversation_id,
                "epoch": lease.epoch,
                "turn_id": lease.turn_id,
            },
        )
        if held.first() is None:
            raise lost(lease)
        yield transaction


async def hold_turns(
    transaction: Transaction, leases: Sequence[Lease]
) -> dict[Lease, int]:
    """Hold the conversations of those leases that are good; each with its history."""
    held = await transaction.execute(
        _HOLD_ALL,
        {
            "team_ids": list({lease.team_id for lease in leases}),
            "conversation_ids": [lease.conversation_id for lease in leases],
        },
    )
    found = {(row.id, row.epoch, row.turn_id): row for row in held}
    return {
        lease: row.assistant_thread_id
        for lease in leases
        if (row := found.get((lease.conversation_id, lease.epoch, lease.turn_id)))
    }


def lost(lease: Lease) -> LeaseLost:
    """Return the error of whoever writes with a lease that is no good any more."""
    return LeaseLost(f"turn {lease.turn_id} has moved on from {lease.epoch}")
