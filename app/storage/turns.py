"""Turns: claimed, prepared, run, and ended or given back."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, update

from app.crash import crash
from app.domain import (
    Ending,
    Lease,
    Refusal,
    StopRequest,
    ThreadItem,
    Turn,
    TurnState,
)
from app.errors import LeaseLost
from app.storage.askings import asked_in_last_hour
from app.storage.claims import MOST_MESSAGES, claim_turns
from app.storage.database import Database
from app.storage.endings import Conclusion, TurnEnd, conclude_turns, end_turns
from app.storage.fence import fenced, hold_turns, lost
from app.storage.history import read_items
from app.storage.news import News, news_of
from app.storage.preparations import Prepared, prepare_turns
from app.storage.resumptions import grant_noted
from app.storage.tables import READY, conversations, turns
from app.storage.together import Together
from app.storage.wakeup import TELL_IF_READY

_STOPPED_BY = select(turns.c.stop_by).where(
    turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id")
)

_GIVE_BACK = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_id"),
    )
    # Its place in the line is kept: people have begun to read the answer.
    .values(state=READY, owner=None)
    .returning(TELL_IF_READY)
)
_WAITS_AGAIN = (
    update(turns)
    .where(turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
    .values(state=TurnState.WAITING.value)
)

_IS_READY = select(conversations.c.id).where(
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.id == bindparam("conversation_id"),
    conversations.c.state == READY,
)


class TurnStore:
    """What becomes of turns; every write for a turn goes through its fence.

    A turn answers at most `most_messages`; what else is wanted waits for the next.
    """

    def __init__(
        self, database: Database, *, most_messages: int = MOST_MESSAGES
    ) -> None:
        self._database = database
        self._most_messages = most_messages
        self._preparing = Together(self._prepare_all)
        self._concluding = Together(self._conclude_all)
        self._finishing = Together(self._finish_all)

    async def claim(
        self, worker_id: str, limit: int, full_teams: Sequence[str] = ()
    ) -> list[Turn]:
        """Take up to `limit` turns, longest ready first, none of `full_teams`.

        Two claimers never get the same turn. A turn that was given back or lost its
        owner comes again as the same turn; the caller must have a live lease.
        """
        async with self._database.write() as transaction:
            claimed = await claim_turns(
                transaction, worker_id, limit, full_teams, self._most_messages
            )
            if claimed:
                crash("C2")
            return claimed

    async def prepare(
        self,
        lease: Lease,
        items: Sequence[ThreadItem],
        refused: Mapping[str, Refusal],
    ) -> None:
        """Write a turn's messages into the history, once, and note who is refused.

        `refused` is keyed by the messages' ts; where nobody was answered yet, and
        nothing is to be kept, the thread is left. Raises LeaseLost.
        """
        given = Prepared(lease=lease, items=items, refused=refused)
        await self._preparing.ask(given)

    async def history(self, turn: Turn) -> list[ThreadItem]:
        """Return the newest whole turns of the turn's history, oldest first."""
        async with self._database.read() as transaction:
            return await read_items(transaction, turn)

    async def wanted_in_last_hour(self, team_id: str, author_id: str) -> int:
        """Return how often a person has asked, with the messages taken up now."""
        async with self._database.read() as transaction:
            return await asked_in_last_hour(transaction, team_id, author_id)

    async def news(self, leases: Sequence[Lease]) -> list[News]:
        """Return what has happened to running turns, in one statement for all."""
        return await news_of(self._database, leases)

    async def is_ready(self, team_id: str, conversation_id: int) -> bool:
        """Whether a conversation waits for a process that has a place free."""
        async with self._database.read() as transaction:
            ready = await transaction.execute(
                _IS_READY, {"team_id": team_id, "conversation_id": conversation_id}
            )
            return ready.first() is not None

    async def stop_requested(self, lease: Lease) -> StopRequest | None:
        """Return who asked that the turn ends, if anybody did."""
        async with self._database.read() as transaction:
            asked = await transaction.execute(
                _STOPPED_BY, {"team_id": lease.team_id, "turn_id": lease.turn_id}
            )
            stopped_by = asked.scalar_one_or_none()
        if stopped_by is None:
            return None
        return StopRequest(turn_id=lease.turn_id, stopped_by=stopped_by)

    async def conclude(
        self,
        lease: Lease,
        ending: Ending,
        output: Sequence[Mapping[str, Any]] = (),
        unfinished_text: str = "",
    ) -> None:
        """Write down how the turn ends, before people are told. Raises LeaseLost."""
        conclusion = Conclusion(
            lease=lease, ending=ending, output=output, unfinished_text=unfinished_text
        )
        await self._concluding.ask(conclusion)

    async def finish(
        self,
        lease: Lease,
        ending: Ending,
        state: TurnState,
        output: Sequence[Mapping[str, Any]] = (),
        unfinished_text: str = "",
    ) -> bool:
        """End the turn and free its conversation; true when more is wanted there.

        Raises LeaseLost, with nothing written.
        """
        end = TurnEnd(
            lease=lease,
            ending=ending,
            state=state,
            output=output,
            unfinished_text=unfinished_text,
        )
        return await self._finishing.ask(end)

    async def release(self, lease: Lease) -> None:
        """Give the turn back, to be resumed at once by anybody. Raises LeaseLost."""
        its_team = {"its_team": lease.team_id}
        async with fenced(self._database, lease) as transaction:
            await transaction.execute(
                _GIVE_BACK, {**its_team, "its_id": lease.conversation_id}
            )
            await transaction.execute(
                _WAITS_AGAIN, {**its_team, "its_id": lease.turn_id}
            )

    async def _prepare_all(self, given: Sequence[Prepared]) -> list[LeaseLost | None]:
        async with self._database.write() as transaction:
            held = await hold_turns(transaction, [each.lease for each in given])
            if held:
                await prepare_turns(transaction, held, given)
                crash("C5")
        return [None if each.lease in held else lost(each.lease) for each in given]

    async def _conclude_all(self, ends: Sequence[Conclusion]) -> list[LeaseLost | None]:
        async with self._database.write() as transaction:
            held = await hold_turns(transaction, [end.lease for end in ends])
            if kept := [end for end in ends if end.lease in held]:
                await conclude_turns(transaction, kept)
        return [None if end.lease in held else lost(end.lease) for end in ends]

    async def _finish_all(self, ends: Sequence[TurnEnd]) -> list[LeaseLost | bool]:
        wanted: set[int] = set()
        async with self._database.write() as transaction:
            held = await hold_turns(transaction, [end.lease for end in ends])
            if kept := [end for end in ends if end.lease in held]:
                ended = await end_turns(transaction, kept)
                wanted |= ended.wanted
                noted = [e.lease for e in kept if e.lease.turn_id in ended.noted]
                wanted |= {
                    lease.turn_id
                    for lease in noted
                    if await grant_noted(transaction, lease)
                }
        return [
            end.lease.turn_id in wanted if end.lease in held else lost(end.lease)
            for end in ends
        ]
