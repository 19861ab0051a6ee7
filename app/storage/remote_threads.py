"""What an assistant's server keeps for us: its threads and runs, by their ids there."""

from dataclasses import dataclass

from sqlalchemy import and_, bindparam, select, update

from app.domain import ThreadItem, Turn
from app.storage.database import Database
from app.storage.fence import fenced
from app.storage.history import read_items
from app.storage.tables import assistant_threads, turns

_FIND = (
    select(
        assistant_threads.c.remote_id,
        assistant_threads.c.told_turn_id,
        turns.c.remote_run_id,
    )
    .join_from(
        assistant_threads,
        turns,
        and_(
            turns.c.team_id == assistant_threads.c.team_id,
            turns.c.id == bindparam("turn_id"),
        ),
    )
    .where(
        assistant_threads.c.team_id == bindparam("team_id"),
        assistant_threads.c.id == bindparam("assistant_thread_id"),
        assistant_threads.c.api == bindparam("api"),
    )
)
_SAVE = (
    update(assistant_threads)
    .where(
        assistant_threads.c.team_id == bindparam("its_team"),
        assistant_threads.c.id == bindparam("its_id"),
    )
    .values(
        api=bindparam("its_api"),
        remote_id=bindparam("its_remote_id"),
        told_turn_id=bindparam("its_told_turn"),
    )
)
_BEGAN = (
    update(turns)
    .where(turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
    .values(remote_run_id=bindparam("its_run"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteThread:
    """A thread on the other side: it holds what was said up to a turn, that included.

    `run_id` is the run that was begun there for the turn in hand, if any.
    """

    thread_id: str
    told_turn_id: int
    run_id: str = ""


class RemoteThreads:
    """Finds and notes them; every write raises LeaseLost when the turn moved on.

    `api` is the protocol whose threads these are, `assistants` or `conversation`: one
    does not find what the other has noted.
    """

    def __init__(self, database: Database, *, api: str) -> None:
        self._database = database
        self._api = api

    async def find(self, turn: Turn) -> RemoteThread | None:
        """Return the other side's thread for the turn's conversation, if it has one."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                _FIND,
                {
                    "team_id": turn.lease.team_id,
                    "turn_id": turn.turn_id,
                    "assistant_thread_id": turn.assistant_thread_id,
                    "api": self._api,
                },
            )
            row = found.one_or_none()
        if row is None:
            return None
        return RemoteThread(
            thread_id=row.remote_id,
            told_turn_id=row.told_turn_id,
            run_id=row.remote_run_id or "",
        )

    async def told(
        self, turn: Turn, thread_id: str, *, up_to: int | None = None
    ) -> None:
        """Note what the other side's thread holds now: all up to a turn.

        That is the turn in hand, unless `up_to` names another.
        """
        async with fenced(self._database, turn.lease) as transaction:
            await transaction.execute(
                _SAVE,
                {
                    "its_team": turn.lease.team_id,
                    "its_id": turn.assistant_thread_id,
                    "its_api": self._api,
                    "its_remote_id": thread_id,
                    "its_told_turn": turn.turn_id if up_to is None else up_to,
                },
            )

    async def began(self, turn: Turn, run_id: str) -> None:
        """Note the run that was begun for the turn."""
        async with fenced(self._database, turn.lease) as transaction:
            await transaction.execute(
                _BEGAN,
                {
                    "its_team": turn.lease.team_id,
                    "its_id": turn.turn_id,
                    "its_run": run_id,
                },
            )

    async def items(self, turn: Turn, *, after_turn: int = 0) -> list[ThreadItem]:
        """Return the history since a turn, oldest first; of a long one the end."""
        async with self._database.read() as transaction:
            return await read_items(transaction, turn, after_turn=after_turn)
