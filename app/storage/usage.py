"""What turns have cost, in tokens."""

from sqlalchemy import bindparam, update

from app.domain import Lease, Usage
from app.storage.database import Transaction
from app.storage.tables import turns

_SAVE = (
    update(turns)
    .where(turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
    .values(
        input_tokens=bindparam("its_input"),
        cached_tokens=bindparam("its_cached"),
        output_tokens=bindparam("its_output"),
    )
)


async def save_usage(
    transaction: Transaction, lease: Lease, usage: Usage | None
) -> None:
    """Write what a turn has cost until now, if that is known."""
    if usage is None:
        return
    await transaction.execute(
        _SAVE,
        {
            "its_team": lease.team_id,
            "its_id": lease.turn_id,
            "its_input": usage.input_tokens,
            "its_cached": usage.cached_tokens,
            "its_output": usage.output_tokens,
        },
    )
