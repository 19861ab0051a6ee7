"""Asks for the tokens of all budgets in time, so that nobody who sends waits for it."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakValueDictionary

from app.errors import DatabaseUnavailable
from app.slack.replies.budget import RATES, Bucket
from app.slack.replies.lent import LentBucket
from app.slack.replies.message import Method
from app.storage.rate_budgets import BudgetKey, Learnt, RateBudgets, Request
from app.turns.side_tasks import SideTasks

# Seconds after which a process goes on with a share of its own. How many share it does
# not know before the first answer, which takes longer, too.
_SILENCE, _FIRST = 0.15, 0.5
# Timers may fire a hair early, and would then be set again for no time at all.
_TICK = 0.001
# Beside all else that a process writes.
_AT_ONCE = 4
# Seconds that a database may take to hear the last words.
_GOODBYE = 1.0
# A database that says nothing is not waited for.
_BREAK_OFF = 0.2

log = logging.getLogger(__name__)


class LentBudgets:
    """Slack's budgets, where several processes share them through the database.

    `holder` is this process; `now` a monotonic clock in seconds.
    """

    def __init__(
        self,
        budgets: RateBudgets,
        holder: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budgets = budgets
        self._holder = holder
        self._now = now
        # Who sends holds them: what nobody uses any more is forgotten.
        self._buckets = WeakValueDictionary[BudgetKey, LentBucket]()
        self._bells: dict[BudgetKey, asyncio.Event] = {}
        self._tasks = SideTasks()
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._replicas = 1

    def bucket_of(self, team_id: str, method: Method) -> Bucket:
        """The budget of a workspace for one method; asks for nothing yet."""
        key = BudgetKey(team_id=team_id, method=method.value)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = LentBucket(
                key, holder=self._holder, replicas=self._replicas, wake=self._wake
            )
        return bucket

    async def close(self) -> None:
        """Give back what is left, if the database answers soon."""
        await self._tasks.cancel(_BREAK_OFF)
        now = self._now()
        for bucket in list(self._buckets.values()):
            if last := bucket.farewell(now):
                self._tasks.start(self._say_goodbye(bucket, last))
        await self._tasks.settle(_GOODBYE)
        await self._tasks.cancel(_BREAK_OFF)

    def _wake(self, bucket: LentBucket) -> None:
        if bell := self._bells.get(bucket.key):
            bell.set()
        elif bucket.due_at(self._now()) < float("inf"):
            bell = self._bells[bucket.key] = asyncio.Event()
            self._tasks.start(self._see_to(bucket, bell))

    async def _see_to(self, bucket: LentBucket, bell: asyncio.Event) -> None:
        """Ask whenever it is due, until there is no need any more."""
        try:
            while (due := bucket.due_at(self._now())) < float("inf"):
                bell.clear()
                wait = due - self._now()
                if wait <= _TICK:
                    await self._ask(bucket)
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await bell.wait()
        finally:
            del self._bells[bucket.key]

    async def _ask(self, bucket: LentBucket) -> None:
        loop = asyncio.get_running_loop()
        silence = _SILENCE if bucket.has_heard else _FIRST
        impatience = loop.call_later(silence, lambda: bucket.go_alone(self._now()))
        try:
            async with self._places:
                loan = await self._budgets.lend(
                    bucket.key, bucket.request(self._now()), _start_of(bucket)
                )
        except DatabaseUnavailable:
            log.info("no tokens lent", extra={"method": bucket.key.method})
        else:
            self._replicas = loan.replicas
            bucket.got(self._now(), loan)
        finally:
            impatience.cancel()
            # Unless there is an answer, whatever the reason.
            bucket.got_nothing(self._now())

    async def _say_goodbye(self, bucket: LentBucket, last: Request) -> None:
        try:
            await self._budgets.lend(bucket.key, last, _start_of(bucket))
        except DatabaseUnavailable:
            log.info("tokens not given back", extra={"method": bucket.key.method})


def _start_of(bucket: LentBucket) -> Learnt:
    documented = RATES[Method(bucket.key.method)]
    return Learnt(rate=documented.per_second, burst=documented.burst)
