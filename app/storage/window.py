"""Which part of a history the model still sees."""

from dataclasses import dataclass

from sqlalchemy import bindparam, update

from app.domain import ThreadItem, Turn
from app.storage.database import Database
from app.storage.fence import fenced
from app.storage.history import read_newest
from app.storage.tables import assistant_threads

_BEGIN = (
    update(assistant_threads)
    .where(
        assistant_threads.c.team_id == bindparam("its_team"),
        assistant_threads.c.id == bindparam("its_id"),
    )
    .values(kept_from_turn=bindparam("its_first_turn"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The newest turns of a history, oldest first; with `is_cut` there are older."""

    items: list[ThreadItem]
    is_cut: bool = False


class HistoryWindow:
    """Reads what the model is to see, and lets it begin later once it is too much."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, turn: Turn) -> Window:
        """Return the history of the turn's thread, as far as it is still sent."""
        async with self._database.read() as transaction:
            items, is_cut = await read_newest(transaction, turn)
        return Window(items=items, is_cut=is_cut)

    async def begin_at(self, turn: Turn, first_turn: int) -> None:
        """Send nothing older than `first_turn` from now on. Raises LeaseLost."""
        async with fenced(self._database, turn.lease) as transaction:
            await transaction.execute(
                _BEGIN,
                {
                    "its_team": turn.lease.team_id,
                    "its_id": turn.assistant_thread_id,
                    "its_first_turn": first_turn,
                },
            )
