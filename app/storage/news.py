"""What has happened to conversations while their turns run."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, select

from app.domain import Lease, Outcome, StopRequest
from app.storage.among import among
from app.storage.database import Database
from app.storage.tables import conversations, inbox, turns

_COUNTED = (
    select(func.count())
    .select_from(inbox)
    .where(
        inbox.c.team_id == conversations.c.team_id,
        inbox.c.conversation_id == conversations.c.id,
        inbox.c.seq > conversations.c.taken_seq,
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .scalar_subquery()
)
_IS_ANY_WANTED = conversations.c.wanted_seq > conversations.c.taken_seq
_NEWS = (
    select(
        turns.c.id,
        turns.c.stop_by,
        case((_IS_ANY_WANTED, _COUNTED), else_=0).label("waiting"),
    )
    .join_from(conversations, turns, turns.c.id == conversations.c.turn_id)
    .where(
        among(conversations.c.team_id, "team_ids"),
        among(conversations.c.id, "conversation_ids"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Of one running turn: whether it is to stop, and how many messages wait for it."""

    turn_id: int
    stop: StopRequest | None
    waiting: int


async def news_of(database: Database, leases: Sequence[Lease]) -> list[News]:
    """Return what is new for these turns, in one statement; ended ones have none."""
    async with database.read() as transaction:
        found = await transaction.execute(
            _NEWS,
            {
                "team_ids": list({lease.team_id for lease in leases}),
                "conversation_ids": [lease.conversation_id for lease in leases],
            },
        )
        return [
            News(turn_id=row.id, stop=_stop(row.id, row.stop_by), waiting=row.waiting)
            for row in found
        ]


def _stop(turn_id: int, stopped_by: str | None) -> StopRequest | None:
    if stopped_by is None:
        return None
    return StopRequest(turn_id=turn_id, stopped_by=stopped_by)
