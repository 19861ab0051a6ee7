"""How often somebody has asked of late, with words or with a button."""

from sqlalchemy import (
    ColumnClause,
    String,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
)

from app.domain import Outcome
from app.storage.database import Database, Transaction
from app.storage.tables import askings, inbox

_HOUR = 3600.0

_WRITTEN = (
    select(func.count())
    .select_from(inbox)
    .where(
        inbox.c.team_id == bindparam("team_id"),
        inbox.c.author_id == bindparam("user_id"),
        inbox.c.taken_at > Database.now - _HOUR,
        inbox.c.outcome != Outcome.REFUSED.value,
    )
    .scalar_subquery()
)
_PRESSED = (
    select(func.count())
    .select_from(askings)
    .where(
        askings.c.team_id == bindparam("team_id"),
        askings.c.user_id == bindparam("user_id"),
        askings.c.asked_at > Database.now - _HOUR,
    )
    .scalar_subquery()
)
_ASKED = select(_WRITTEN + _PRESSED)
_FORGET = delete(askings).where(
    askings.c.team_id == bindparam("its_team"),
    askings.c.user_id == bindparam("its_user"),
    askings.c.asked_at <= Database.now - _HOUR,
)
_NOTE = insert(askings).values(asked_at=Database.now)

# Beside the locks of one number, of which the schema has one.
_PEOPLE: ColumnClause[int] = literal_column("7316")
_HOLD = select(
    func.pg_advisory_xact_lock(
        _PEOPLE,
        func.hashtext(
            bindparam("team_id", type_=String)
            + "/"
            + bindparam("user_id", type_=String)
        ),
    )
)


async def hold_askings(transaction: Transaction, team_id: str, user_id: str) -> None:
    """Let nobody else count or note what a person asks before the transaction ends."""
    # SQLite has one writer.
    if transaction.dialect.name != "sqlite":
        its = {"team_id": team_id, "user_id": user_id}
        await transaction.execute(_HOLD, its)


async def asked_in_last_hour(
    transaction: Transaction, team_id: str, user_id: str
) -> int:
    """How many messages of a person were taken up, and buttons of theirs heeded."""
    its = {"team_id": team_id, "user_id": user_id}
    return int((await transaction.execute(_ASKED, its)).scalar_one())


async def note_asking(transaction: Transaction, team_id: str, user_id: str) -> None:
    """Count what somebody has asked for with a button; older ones are forgotten."""
    await transaction.execute(_FORGET, {"its_team": team_id, "its_user": user_id})
    await transaction.execute(_NOTE, {"team_id": team_id, "user_id": user_id})
