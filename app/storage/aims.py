"""Whether a stop that names no turn is meant for the one going on in its thread.

Slack redelivers events for minutes and people press what their screens still show, so
a stop may come when another turn has begun; it must not end that one.
"""

from sqlalchemy import bindparam, select

from app.domain import DeletedReply, PartKind, SessionStop
from app.storage.database import Transaction
from app.storage.places import Place
from app.storage.tables import reply_parts, turns

_GOING_ON = select(turns.c.claimed_at).where(
    turns.c.team_id == bindparam("team_id"),
    turns.c.id == bindparam("turn_id"),
    turns.c.ending.is_(None),
)
_MESSAGES = select(reply_parts.c.ts, reply_parts.c.kind).where(
    reply_parts.c.team_id == bindparam("team_id"),
    reply_parts.c.turn_id == bindparam("turn_id"),
    reply_parts.c.ts.is_not(None),
)


async def is_meant_for_turn(
    transaction: Transaction, place: Place, stop: SessionStop | DeletedReply
) -> bool:
    """Whether the turn of a conversation that is held is what somebody wants to end."""
    its = {"team_id": place.team_id, "turn_id": place.turn_id}
    claimed_at = (await transaction.execute(_GOING_ON, its)).scalar_one_or_none()
    if claimed_at is None:
        return False
    if isinstance(stop, SessionStop) and not stop.message_ts:
        return bool(float(stop.pressed_at) >= claimed_at)
    messages = (await transaction.execute(_MESSAGES, its)).all()
    match stop:
        case DeletedReply(ts=ts):
            # A card, or a note, is no sign that nobody wants the answer.
            return any(row.ts == ts and row.kind == PartKind.TEXT for row in messages)
        case SessionStop(message_ts=named):
            return any(row.ts in named for row in messages)
