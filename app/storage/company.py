"""That a second person has joined a thread, until one answer has said so."""

from sqlalchemy import bindparam, case, exists, func, literal_column, update

from app.domain import Lease
from app.storage.database import Database, Transaction
from app.storage.places import Place
from app.storage.tables import conversations, inbox
from app.storage.wakeup import Tell

_NOTE = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.conversation_id == bindparam("its_conversation"),
        inbox.c.seq == bindparam("its_seq"),
    )
    .values(joined=True)
    # Who is answered reads it there.
    .returning(
        case(
            (
                ~inbox.c.wanted,
                Tell(func.concat(literal_column("'joined '"), inbox.c.conversation_id)),
            )
        )
    )
)
_IS_UNTAKEN = exists().where(
    conversations.c.team_id == inbox.c.team_id,
    conversations.c.id == inbox.c.conversation_id,
    conversations.c.epoch == bindparam("its_epoch"),
    conversations.c.taken_seq < inbox.c.seq,
)
_TAKE = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.conversation_id == bindparam("its_conversation"),
        inbox.c.joined,
        ~inbox.c.wanted,
        _IS_UNTAKEN,
    )
    .values(joined=False)
    .returning(inbox.c.seq)
)


async def note_company(transaction: Transaction, place: Place, seq: int) -> None:
    """Have it said once; the processes that could say it now are told."""
    await transaction.execute(
        _NOTE,
        {
            "its_team": place.team_id,
            "its_conversation": place.conversation_id,
            "its_seq": seq,
        },
    )


class Company:
    """Who says that more people are here: one answer, whichever process has it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, lease: Lease) -> bool:
        """Let the turn's answer say it; false where another does, or none need.

        Only the newest answer may, and it leaves it to the next where that is about to
        answer who has joined. Raises DatabaseUnavailable.
        """
        async with self._database.write() as transaction:
            taken = await transaction.execute(
                _TAKE,
                {
                    "its_team": lease.team_id,
                    "its_conversation": lease.conversation_id,
                    "its_epoch": lease.epoch,
                },
            )
            return bool(taken.all())
