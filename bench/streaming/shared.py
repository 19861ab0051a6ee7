"""Several processes in one simulation that share their budgets through a database.

The database is real, and takes the simulation's clock for its own: while it answers, no
simulated time goes by but what an answer is said to take.
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from sqlalchemy import Double, bindparam

from app.slack.replies.budget import RATES, Bucket
from app.slack.replies.lending import LentBudgets
from app.slack.replies.message import Method
from app.slack.replies.workspaces import BucketOf
from app.storage.database import Database
from app.storage.rate_budgets import BudgetKey, Learnt, Loan, RateBudgets, Request
from bench.streaming.ours import Ours, Pens, SimulatedOutbound, replies_of
from bench.streaming.peers import Answer
from bench.streaming.slack import FakeSlack

T = TypeVar("T")

# Seconds that a statement takes, with the way there and back.
_ANSWER = 0.003
# Clocks of databases are not asked for 1970.
_EPOCH = 1_800_000_000.0
_MANY = 10


class _Aside:
    """A loop in a thread of its own, for what needs real time."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have it done while the caller's loop stands still."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def end(self) -> None:
        """Stop the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)


class _SimulatedBudgets(RateBudgets):
    """The budgets of one run, among those of many in one database."""

    def __init__(
        self, aside: _Aside, database: Database, slack: FakeSlack, run: str
    ) -> None:
        clock = bindparam("clock", callable_=lambda: _EPOCH + slack.now(), type_=Double)
        super().__init__(database, clock)
        self._aside = aside
        self._run = run
        self.count = 0

    async def lend(self, key: BudgetKey, request: Request, start: Learnt) -> Loan:
        """Lend as ever, on the simulation's time."""
        await asyncio.sleep(_ANSWER / 2)
        its_key = replace(key, team_id=f"{self._run} {key.team_id}")
        self.count += 1
        loan = self._aside.do(super().lend(its_key, request, start))
        await asyncio.sleep(_ANSWER / 2)
        return loan


def _bucket_of(lent: LentBudgets, slack: FakeSlack) -> BucketOf:
    """Of the statuses, a third of all statements, everybody has more than enough."""

    def bucket_of(team_id: str, method: Method) -> Bucket:
        if method is Method.STATUS:
            return Bucket(RATES[method], slack.now())
        return lent.bucket_of(team_id, method)

    return bucket_of


@contextmanager
def _connected(url: str) -> Iterator[tuple[_Aside, Database]]:
    aside = _Aside()
    database = aside.do(Database.connect(url))
    try:
        yield aside, database
    finally:
        aside.do(database.close())
        aside.end()


@asynccontextmanager
async def sharing(
    slack: FakeSlack, url: str, run: str, loads: tuple[int, ...]
) -> AsyncGenerator[Answer]:
    """As many processes as there are `loads`, each with its part of the questions."""
    outbound, pens = SimulatedOutbound(slack), Pens(slack.now)
    writing = asyncio.ensure_future(pens.run())
    with _connected(url) as (aside, database):
        budgets = _SimulatedBudgets(aside, database, slack, run)
        lent = [
            LentBudgets(budgets, f"process {number}", slack.now)
            for number in range(len(loads))
        ]
        processes = [
            replies_of(slack, outbound, bucket_of=_bucket_of(each, slack))
            for each in lent
        ]
        whose = list(
            itertools.chain(
                *([each] * n for each, n in zip(processes, loads, strict=True))
            )
        )
        Random(run).shuffle(whose)  # noqa: S311 - keeps no secret
        try:
            yield Ours(whose, outbound, pens).answer
        finally:
            writing.cancel()
            for each in processes:
                await each.close()
            for its in lent:
                await its.close()
