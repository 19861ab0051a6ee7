"""The check at the end of a world that lives in this process."""

import asyncio
import time
from collections.abc import Set as AbstractSet

from app.sandbox.server import Sandbox
from tests.invariants import (
    ModelHistory,
    SlackHistory,
    Stored,
    check_invariants,
    is_at_rest,
)
from tests.invariants.reading import model_history, slack_history, stored

# Tests end when people see an answer, which is a moment before its turn has ended.
_COMES_TO_REST_WITHIN = 1.0

Histories = tuple[Stored, SlackHistory, ModelHistory]


async def see_that_all_holds(
    sandbox: Sandbox,
    database_url: str,
    answers_in: AbstractSet[str] = frozenset(),
    *,
    patience: float = _COMES_TO_REST_WITHIN,
) -> bool:
    """Fail with the history of every broken invariant, if the world comes to rest.

    What was left in the middle, on purpose, is not judged: then it returns False.
    """
    until = time.monotonic() + patience
    places = frozenset(answers_in) or None
    seen = await _histories(sandbox, database_url, places)
    while not _is_over(*seen) and time.monotonic() < until:
        await asyncio.sleep(0.05)
        seen = await _histories(sandbox, database_url, places)
    if not is_at_rest(*seen[:2]):
        return False
    broken = check_invariants(*seen)
    assert not broken, "\n".join(map(str, broken))
    return True


async def _histories(
    sandbox: Sandbox, database_url: str, answers_in: frozenset[str] | None
) -> Histories:
    db = await stored(database_url)
    return db, slack_history(sandbox, answers_in=answers_in), model_history(sandbox)


def _is_over(db: Stored, slack: SlackHistory, model: ModelHistory) -> bool:
    return is_at_rest(db, slack) and all(each["ended"] for each in model.requests)
