"""What only a person can decide: a turn that waits for that holds nothing and nobody.

A doubt is written down before people are asked, so that no click can come too early;
then the turn is suspended, unless somebody has decided meanwhile.
"""

from sqlalchemy import Update, bindparam, or_, select, update

from app.domain import Doubt, Lease, TurnState
from app.storage.database import Database, Transaction
from app.storage.fence import fenced
from app.storage.places import Place, hold_place
from app.storage.resumptions import Resumed, Resumption
from app.storage.tables import READY, SUSPENDED, conversations, turns
from app.storage.wakeup import TELL_IF_READY

# Seconds that people have to decide.
DECIDE_WITHIN = 24 * 3600.0

_IS_TURN = (turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
_RAISE = (
    update(turns)
    .where(*_IS_TURN)
    .values(doubt=bindparam("its_doubt"), doubt_no=bindparam("its_no"))
)
_NEEDS_NOBODY = select(turns.c.id).where(
    *_IS_TURN,
    or_(turns.c.decided_no == turns.c.doubt_no, turns.c.stop_by.is_not(None)),
)
_REST = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_conversation"),
    )
    .values(
        state=bindparam("its_state"),
        owner=None,
        wake_at=Database.now + DECIDE_WITHIN,
    )
    .returning(TELL_IF_READY)
)
_SET_STATE = update(turns).where(*_IS_TURN).values(state=bindparam("its_state"))
_FIND = select(
    turns.c.conversation_id, turns.c.doubt_no, turns.c.decided_no, turns.c.stop_by
).where(turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id"))
_DECIDE = (
    update(turns)
    .where(*_IS_TURN)
    .values(
        decided_no=turns.c.doubt_no,
        decided_by=bindparam("by"),
        # The time for which people were waited for is none that it took.
        claimed_at=Database.now,
    )
)
_LEAVE = update(turns).where(*_IS_TURN).values(stop_by=bindparam("by"))
_OVERDUE = (
    select(conversations.c.id)
    .where(
        conversations.c.state == SUSPENDED,
        conversations.c.wake_at <= Database.now,
    )
    .with_for_update(skip_locked=True)
    .cte("overdue")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_WAKE = (
    update(conversations)
    .where(conversations.c.id.in_(select(_OVERDUE.c.id)))
    .values(state=READY)
    .returning(conversations.c.id, TELL_IF_READY)
)


class Doubts:
    """Turns that wait for a person; of two who decide the first counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def raise_doubt(self, lease: Lease, doubt: Doubt) -> None:
        """Write down what people are about to be asked. Raises LeaseLost."""
        async with fenced(self._database, lease) as transaction:
            await transaction.execute(
                _RAISE,
                {
                    "its_team": lease.team_id,
                    "its_id": lease.turn_id,
                    "its_doubt": doubt.text,
                    "its_no": doubt.number,
                },
            )

    async def suspend(self, lease: Lease) -> bool:
        """Let the turn wait for a person, a day at most. Raises LeaseLost.

        True when nobody has to be waited for any more, so that it is ready again.
        """
        its = {"its_team": lease.team_id, "its_id": lease.turn_id}
        async with fenced(self._database, lease) as transaction:
            decided = await transaction.execute(_NEEDS_NOBODY, its)
            is_ready = decided.first() is not None
            turn_state = TurnState.ASKED if is_ready else TurnState.SUSPENDED
            await transaction.execute(
                _REST,
                {
                    "its_team": lease.team_id,
                    "its_conversation": lease.conversation_id,
                    "its_state": "ready" if is_ready else "suspended",
                },
            )
            await transaction.execute(
                _SET_STATE, {**its, "its_state": turn_state.value}
            )
            return is_ready

    async def decide(
        self, team_id: str, turn_id: int, doubt_no: int | None, decided_by: str
    ) -> Resumed:
        """Let the turn go on, in spite of the doubt that it has raised last.

        Nothing, if that is another doubt than `doubt_no`; None is any.
        """
        return await self._settle(_DECIDE, team_id, turn_id, doubt_no, decided_by)

    async def leave(
        self, team_id: str, turn_id: int, doubt_no: int | None, left_by: str
    ) -> Resumed:
        """Let the turn end as stopped: what it doubts is left as it is.

        Nothing, if it doubts something else than `doubt_no` by now; None is anything.
        """
        return await self._settle(_LEAVE, team_id, turn_id, doubt_no, left_by)

    async def _settle(
        self,
        decision: Update,
        team_id: str,
        turn_id: int,
        doubt_no: int | None,
        settled_by: str,
    ) -> Resumed:
        its = {"team_id": team_id, "turn_id": turn_id}
        async with self._database.write() as transaction:
            turn = (await transaction.execute(_FIND, its)).first()
            if turn is None:
                return Resumed(Resumption.POINTLESS)
            place = await hold_place(transaction, team_id, turn.conversation_id)
            # Somebody else may have decided while the conversation was waited for.
            turn = (await transaction.execute(_FIND, its)).one()
            if place.turn_id != turn_id or turn.doubt_no is None:
                return Resumed(Resumption.POINTLESS)
            if doubt_no not in (None, turn.doubt_no):
                return Resumed(Resumption.OUTDATED)
            if turn.decided_no == turn.doubt_no or turn.stop_by is not None:
                return Resumed(Resumption.REPEATED)
            await transaction.execute(
                decision, {"its_team": team_id, "its_id": turn_id, "by": settled_by}
            )
            if not await wake_suspended(transaction, place):
                return Resumed(Resumption.NOTED)
            await place.settle(transaction)
            return Resumed(Resumption.GRANTED, place.conversation_id)


async def wake_suspended(transaction: Transaction, place: Place) -> bool:
    """Make a suspended turn ready; the caller settles. False if it is not suspended."""
    if not place.is_suspended:
        return False
    place.is_woken = True
    await transaction.execute(
        _SET_STATE,
        {
            "its_team": place.team_id,
            "its_id": place.turn_id,
            "its_state": TurnState.ASKED.value,
        },
    )
    return True


async def wake_overdue(transaction: Transaction) -> int:
    """Make turns ready that nobody has decided about in time; how many."""
    woken = await transaction.execute(_WAKE)
    return len(woken.all())
