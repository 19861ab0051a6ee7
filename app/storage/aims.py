"""Whether what happens in a thread is to end the turn that is going on there.

Slack redelivers events for minutes and people press what their screens still show, so
a stop may come when another turn has begun; it must not end that one.
"""

from sqlalchemy import Double, bindparam, cast, func, select

from app.domain import DeletedReply, Outcome, PartKind, SessionStop
from app.storage.database import Transaction
from app.storage.places import Place
from app.storage.tables import inbox, reply_parts, turns

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
_LAST_ASKED = (
    select(func.max(cast(inbox.c.ts, Double)))
    .where(
        inbox.c.team_id == turns.c.team_id,
        inbox.c.conversation_id == turns.c.conversation_id,
        inbox.c.seq.between(turns.c.first_seq, turns.c.last_seq),
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .scalar_subquery()
)
# What somebody has asked for with a button was asked when its turn was made.
_ASKED_AT = select(func.coalesce(_LAST_ASKED, turns.c.claimed_at)).where(
    turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id")
)
_ASKS = select(turns.c.first_seq, turns.c.last_seq, turns.c.continues_turn_id).where(
    turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id")
)
_STILL_ASKED = (
    select(inbox.c.seq)
    .where(
        inbox.c.team_id == bindparam("team_id"),
        inbox.c.conversation_id == bindparam("conversation_id"),
        inbox.c.seq.between(bindparam("first_seq"), bindparam("last_seq")),
        inbox.c.wanted,
        inbox.c.deleted_at.is_(None),
        inbox.c.outcome.in_([Outcome.WAITING.value, Outcome.ANSWERED.value]),
    )
    .limit(1)
)


async def is_pointless(transaction: Transaction, place: Place, erased_seq: int) -> bool:
    """Whether the turn under way answers nothing more, now that this message is gone.

    A turn that goes on with an earlier one answers what that one did.
    """
    turn_id, first_seq, last_seq = place.turn_id, 0, -1
    while turn_id is not None:
        its = {"team_id": place.team_id, "turn_id": turn_id}
        first_seq, last_seq, turn_id = (await transaction.execute(_ASKS, its)).one()
    if not first_seq <= erased_seq <= last_seq:
        return False
    left = await transaction.execute(
        _STILL_ASKED,
        {
            "team_id": place.team_id,
            "conversation_id": place.conversation_id,
            "first_seq": first_seq,
            "last_seq": last_seq,
        },
    )
    return left.first() is None


async def is_said_of_turn(
    transaction: Transaction, place: Place, said_at: float
) -> bool:
    """Whether the word stop, said then, is about the turn of a held conversation."""
    its = {"team_id": place.team_id, "turn_id": place.turn_id}
    asked_at = (await transaction.execute(_ASKED_AT, its)).scalar_one_or_none()
    return asked_at is not None and said_at > asked_at


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
