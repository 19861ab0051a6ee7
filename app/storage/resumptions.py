"""What people ask of an answer that has ended: to try again, or to go on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, case, delete, func, insert, or_, select, update

from app.domain import Lease, Outcome, PartKind, RunStatus, Surface, TurnState
from app.errors import UNCONFIRMED
from app.storage.askings import asked_in_last_hour, hold_askings, note_asking
from app.storage.database import Database, Transaction
from app.storage.places import Place, hold_place
from app.storage.tables import (
    READY,
    conversations,
    inbox,
    reply_parts,
    thread_items,
    turns,
)
from app.storage.wakeup import TELL_IF_READY

_FIND = select(
    turns.c.id,
    turns.c.conversation_id,
    turns.c.run_status,
    turns.c.blocked_by,
    turns.c.end_position,
    turns.c.first_seq,
    turns.c.last_seq,
    turns.c.continues_turn_id,
    turns.c.ending.is_not(None).label("is_concluded"),
    turns.c.resumed_by,
).where(turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id"))
_NEWEST = (
    select(turns.c.id, turns.c.continues_turn_id)
    .where(
        turns.c.team_id == bindparam("team_id"),
        turns.c.conversation_id == bindparam("conversation_id"),
    )
    .order_by(turns.c.id.desc())
    .limit(1)
)
_ASK_AGAIN = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.conversation_id == bindparam("its_conversation"),
        inbox.c.seq.between(bindparam("first_seq"), bindparam("last_seq")),
        inbox.c.wanted,
        inbox.c.deleted_at.is_(None),
        inbox.c.outcome == Outcome.ANSWERED.value,
    )
    .values(outcome=Outcome.WAITING.value)
    .returning(inbox.c.ts)
)
_UNSAY = delete(thread_items).where(
    thread_items.c.team_id == bindparam("its_team"),
    thread_items.c.assistant_thread_id == bindparam("its_history"),
    thread_items.c.turn_id == bindparam("its_turn"),
    thread_items.c.position >= bindparam("its_position"),
)
_IS_TURN = (
    turns.c.team_id == bindparam("its_team"),
    turns.c.id == bindparam("its_turn"),
)
_NOTE = update(turns).where(*_IS_TURN).values(resumed_by=bindparam("by"))
_REOPEN = (
    update(turns)
    .where(*_IS_TURN)
    .values(
        state=TurnState.ASKED.value,
        attempt=0,
        remote_run_id=None,
        run_status=None,
        stop_by=None,
        error=None,
        blocked_by=None,
        # A process of an earlier version leaves it where it ends a turn.
        ending=None,
        end_position=None,
        resumed_by=None,
        doubt=None,
        doubt_no=None,
        decided_no=None,
        claimed_at=Database.now,
        ended_at=None,
    )
)
# Below it are parts that were let go of: none of them ever moves again.
_LET_GO = -1000
_ANY_PART = reply_parts.alias("any_part")
_LOWEST_NO = (
    select(
        func.min(
            case((_ANY_PART.c.part_no < _LET_GO, _ANY_PART.c.part_no), else_=_LET_GO)
        )
    )
    .where(
        _ANY_PART.c.team_id == bindparam("its_team"),
        _ANY_PART.c.turn_id == bindparam("its_turn"),
    )
    .scalar_subquery()
)
# Who asks again does not see what is in doubt, and is to be told anew if need be: all
# that becomes of it is that it was ours, under a number that nobody will use.
_LET_GO_OF_DOUBTS = (
    update(reply_parts)
    .where(
        reply_parts.c.team_id == bindparam("its_team"),
        reply_parts.c.turn_id == bindparam("its_turn"),
        reply_parts.c.part_no > _LET_GO,
        or_(reply_parts.c.ts.is_(None), reply_parts.c.kind == PartKind.NOTE.value),
    )
    .values(
        kind=PartKind.NOTE.value,
        part_no=_LOWEST_NO - (reply_parts.c.part_no - _LET_GO),
    )
)
_GO_ON = (
    insert(turns)
    .values(state=TurnState.ASKED.value, attempt=0, claimed_at=Database.now)
    .returning(turns.c.id)
)
_MAKE_READY = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_conversation"),
    )
    .values(state=READY, turn_id=bindparam("its_turn"), ready_at=Database.now)
    .returning(TELL_IF_READY)
)

_MAY_BE_RETRIED = [each.value for each in RunStatus if each.may_be_retried]


class Resumption(StrEnum):
    """What became of the wish that an answer goes on."""

    GRANTED = "granted"
    NOTED = "noted"
    REPEATED = "repeated"
    BUSY = "busy"
    OVERTAKEN = "overtaken"
    OUTDATED = "outdated"
    TOO_OFTEN = "too_often"
    POINTLESS = "pointless"


@dataclass(frozen=True, slots=True)
class Resumed:
    """The result, and where it is granted the conversation that is ready now.

    Noted: granted as soon as its end is told. Repeated: the same was asked before, and
    is under way. Busy: something else is answered in the thread, or waits. Overtaken:
    the thread has had a newer turn. Outdated: the turn has asked something newer.
    Too often: who wants it has asked enough within the hour. Pointless: nothing is left
    to do.
    """

    resumption: Resumption
    conversation_id: int = 0


@dataclass(frozen=True, slots=True)
class _Wish:
    """What may go on, where; `is_early` while people are still told of its end."""

    place: Place
    turn: Any
    is_early: bool = False


_Resume = Callable[[Transaction, _Wish], Awaitable[Resumed]]


class Resumptions:
    """Two who ask for the same at once get it once.

    `turns_per_hour` bounds what one person may ask, messages included; 0 is no bound.
    """

    def __init__(self, database: Database, turns_per_hour: int = 0) -> None:
        self._database = database
        self._turns_per_hour = turns_per_hour

    async def retry(self, team_id: str, turn_id: int, asked_by: str) -> Resumed:
        """Make a turn that ended without an answer ready again: the same turn.

        What its end has written is taken back; passes committed before it stand.
        """

        async def resume(transaction: Transaction, wish: _Wish) -> Resumed:
            return await _retry(transaction, wish.place, wish.turn)

        return await self._resume(resume, team_id, turn_id, asked_by)

    async def go_on(self, team_id: str, turn_id: int, asked_by: str) -> Resumed:
        """Begin a turn that goes on with an incomplete answer, as `asked_by` wants."""

        async def resume(transaction: Transaction, wish: _Wish) -> Resumed:
            return await _go_on(transaction, wish.place, wish.turn, asked_by)

        return await self._resume(resume, team_id, turn_id, asked_by)

    async def _resume(
        self, resume: _Resume, team_id: str, turn_id: int, asked_by: str
    ) -> Resumed:
        """Let it go on, now or when its end is told; it counts like a question."""
        async with self._database.write() as transaction:
            wish = await _wish(transaction, team_id, turn_id)
            if isinstance(wish, Resumed):
                return wish
            if wish.is_early and wish.turn.resumed_by is not None:
                return Resumed(Resumption.NOTED)
            if await self._has_asked_enough(transaction, team_id, asked_by):
                return Resumed(Resumption.TOO_OFTEN)
            if wish.is_early:
                note = {"its_team": team_id, "its_turn": turn_id, "by": asked_by}
                await transaction.execute(_NOTE, note)
                resumed = Resumed(Resumption.NOTED)
            else:
                resumed = await resume(transaction, wish)
            if resumed.resumption in (Resumption.GRANTED, Resumption.NOTED):
                await note_asking(transaction, team_id, asked_by)
            return resumed

    async def _has_asked_enough(
        self, transaction: Transaction, team_id: str, user_id: str
    ) -> bool:
        if not self._turns_per_hour:
            return False
        # Of several buttons pressed at once each would count without the others.
        await hold_askings(transaction, team_id, user_id)
        asked = await asked_in_last_hour(transaction, team_id, user_id)
        return asked >= self._turns_per_hour


async def grant_noted(transaction: Transaction, lease: Lease) -> bool:
    """Do what was asked of a turn while people were told of its end.

    Its conversation has just been freed; returns whether it is ready thereby.
    """
    its = {"team_id": lease.team_id, "turn_id": lease.turn_id}
    turn = (await transaction.execute(_FIND, its)).one()
    place = await hold_place(transaction, lease.team_id, lease.conversation_id)
    if place.state != "idle":
        # Somebody has written something newer.
        return False
    retried = await _retry(transaction, place, turn)
    if retried.resumption is Resumption.GRANTED:
        return True
    gone_on = await _go_on(transaction, place, turn, turn.resumed_by)
    return gone_on.resumption is Resumption.GRANTED


async def _retry(transaction: Transaction, place: Place, turn: Any) -> Resumed:  # noqa: ANN401 - a row
    is_missing = turn.blocked_by == UNCONFIRMED
    is_retried = turn.run_status in _MAY_BE_RETRIED or is_missing
    if not is_retried or not await _ask_again(transaction, place, turn):
        return Resumed(Resumption.POINTLESS)
    its = {"its_team": place.team_id, "its_turn": turn.id}
    if turn.end_position is not None:
        history = place.assistant_thread_id
        where = {"its_history": history, "its_position": turn.end_position}
        await transaction.execute(_UNSAY, {**its, **where})
    await transaction.execute(_REOPEN, its)
    await transaction.execute(_LET_GO_OF_DOUBTS, its)
    return await _make_ready(transaction, place, turn.id)


async def _go_on(
    transaction: Transaction,
    place: Place,
    turn: Any,  # noqa: ANN401 - a row
    asked_by: str,
) -> Resumed:
    if turn.run_status != RunStatus.INCOMPLETE:
        return Resumed(Resumption.POINTLESS)
    begun = await transaction.execute(
        _GO_ON,
        {
            "team_id": place.team_id,
            "conversation_id": place.conversation_id,
            # No message at all is between these two.
            "first_seq": place.taken_seq + 1,
            "last_seq": place.taken_seq,
            "continues_turn_id": turn.id,
            "asked_by": asked_by,
        },
    )
    return await _make_ready(transaction, place, begun.scalar_one())


async def _wish(
    transaction: Transaction, team_id: str, turn_id: int
) -> _Wish | Resumed:
    """Hold the conversation of an ended turn, unless the turn is not its newest."""
    its = {"team_id": team_id, "turn_id": turn_id}
    turn = (await transaction.execute(_FIND, its)).first()
    if turn is None:
        return Resumed(Resumption.POINTLESS)
    place = await hold_place(transaction, team_id, turn.conversation_id)
    newest = await transaction.execute(
        _NEWEST, {"team_id": team_id, "conversation_id": place.conversation_id}
    )
    newest_id, continues = newest.one()
    is_same = turn_id in (newest_id, continues)
    # It may have ended, or begun again, while the conversation was waited for.
    turn = (await transaction.execute(_FIND, its)).one()
    if place.turn_id == turn_id and turn.is_concluded:
        return _Wish(place, turn, is_early=True)
    if place.state != "idle":
        is_under_way = is_same and place.turn_id == newest_id
        return Resumed(Resumption.REPEATED if is_under_way else Resumption.BUSY)
    if newest_id != turn_id:
        return Resumed(Resumption.POINTLESS if is_same else Resumption.OVERTAKEN)
    if place.surface is not Surface.SLACK:
        return Resumed(Resumption.POINTLESS)
    return _Wish(place, turn)


async def _ask_again(transaction: Transaction, place: Place, turn: Any) -> bool:  # noqa: ANN401 - a row
    """Let the turn's messages wait again; false where none is left of them."""
    asked = await transaction.execute(
        _ASK_AGAIN,
        {
            "its_team": place.team_id,
            "its_conversation": place.conversation_id,
            "first_seq": turn.first_seq,
            "last_seq": turn.last_seq,
        },
    )
    return bool(asked.all()) or turn.continues_turn_id is not None


async def _make_ready(transaction: Transaction, place: Place, turn_id: int) -> Resumed:
    await transaction.execute(
        _MAKE_READY,
        {
            "its_team": place.team_id,
            "its_conversation": place.conversation_id,
            "its_turn": turn_id,
        },
    )
    return Resumed(Resumption.GRANTED, place.conversation_id)
