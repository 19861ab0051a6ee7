"""The check at the end of a world that lives in this process."""

import asyncio
from collections.abc import Set as AbstractSet

from app.sandbox.server import Sandbox
from tests.invariants import check_invariants, is_at_rest
from tests.invariants.reading import model_history, slack_history, stored

# Tests end when people see an answer, which is a moment before its turn has ended.
_COMES_TO_REST_WITHIN = 1.0
_LOOKS = 20


async def see_that_all_holds(
    sandbox: Sandbox, database_url: str, answers_in: AbstractSet[str] = frozenset()
) -> None:
    """Fail with the history of every broken invariant, if the world comes to rest.

    What was left in the middle, on purpose, is not judged.
    """
    for _ in range(_LOOKS):
        db = await stored(database_url)
        slack = slack_history(sandbox, answers_in=frozenset(answers_in) or None)
        model = model_history(sandbox)
        has_hung_up = all(each["ended"] for each in model.requests)
        if is_at_rest(db, slack) and has_hung_up:
            break
        await asyncio.sleep(_COMES_TO_REST_WITHIN / _LOOKS)
    if is_at_rest(db, slack):
        broken = check_invariants(db, slack, model)
        assert not broken, "\n".join(map(str, broken))
