"""Budgets of a process that is alone: what they learnt is kept over its end."""

import asyncio
import logging
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from app.errors import DatabaseUnavailable
from app.slack.replies.budget import RATES, Bucket
from app.slack.replies.message import Method
from app.storage.rate_budgets import BudgetKey, Learnt, RateBudgets
from app.turns.side_tasks import SideTasks

# Seconds between two writes, if there is anything to write.
_SELDOM = 5.0
# A rate that differs by no more than this share is not worth one.
_SLIGHT = 0.01
_GOODBYE = 1.0

log = logging.getLogger(__name__)


class KeptBucket(Bucket):
    """A bucket that tells when it has learnt something."""

    __slots__ = ("__weakref__", "_changed", "_kept_rate", "key", "paused_until")

    def __init__(
        self, key: BudgetKey, now: float, changed: Callable[["KeptBucket"], None]
    ) -> None:
        super().__init__(RATES[Method(key.method)], now)
        self.key = key
        self.paused_until = 0.0
        self._changed = changed
        self._kept_rate = self.rate.per_second

    def succeeded(self, now: float) -> None:
        """Slack has taken a call."""
        super().succeeded(now)
        rate = self.rate.per_second
        if abs(rate - self._kept_rate) > _SLIGHT * self._kept_rate:
            self._kept_rate = rate
            self._changed(self)

    def refused(self, now: float, retry_after: float) -> None:
        """Slack wants no call for so many seconds."""
        super().refused(now, retry_after)
        self._changed(self)

    def pause(self, until: float) -> None:
        """Let nothing through before `until`, then one call, then the usual pace."""
        super().pause(until)
        self.paused_until = max(self.paused_until, until)

    def know(self, learnt: Learnt, now: float) -> None:
        """Go on with what was learnt before."""
        self.rate.know(learnt.rate)
        self.rate.burst = min(self.rate.burst, learnt.burst)
        self.rate.refused_at = learnt.refused_at
        self._kept_rate = self.rate.per_second
        if learnt.blocked_for:
            self.pause(now + learnt.blocked_for)
        self.on_change()

    def learnt(self, now: float) -> Learnt:
        """What is to be kept."""
        return Learnt(
            rate=self.rate.per_second,
            burst=self.rate.burst,
            refused_at=self.rate.refused_at,
            blocked_for=max(0.0, self.paused_until - now),
        )


class KeptBudgets:
    """Slack's budgets, where no other process has a part in them.

    `now` is a monotonic clock in seconds.
    """

    def __init__(
        self, budgets: RateBudgets, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._budgets = budgets
        self._now = now
        self._buckets = WeakValueDictionary[BudgetKey, KeptBucket]()
        self._changed: dict[BudgetKey, KeptBucket] = {}
        self._tasks = SideTasks()
        self._is_keeping = False

    def bucket_of(self, team_id: str, method: Method) -> Bucket:
        """The budget of a workspace for one method; soon it knows what was learnt."""
        key = BudgetKey(team_id=team_id, method=method.value)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = KeptBucket(key, self._now(), self._has_changed)
            self._buckets[key] = bucket
            self._tasks.start(self._remember(bucket))
        return bucket

    async def close(self) -> None:
        """Keep what was learnt last, if the database answers soon."""
        await self._tasks.cancel(_GOODBYE)
        self._tasks.start(self._keep())
        await self._tasks.settle(_GOODBYE)
        await self._tasks.cancel(_GOODBYE)

    def _has_changed(self, bucket: KeptBucket) -> None:
        self._changed[bucket.key] = bucket
        if not self._is_keeping:
            self._is_keeping = True
            self._tasks.start(self._keep_seldom())

    async def _remember(self, bucket: KeptBucket) -> None:
        try:
            learnt = await self._budgets.learnt(bucket.key)
        except DatabaseUnavailable:
            log.info("rate not known", extra={"method": bucket.key.method})
            return
        if learnt and bucket.key not in self._changed:
            bucket.know(learnt, self._now())

    async def _keep_seldom(self) -> None:
        try:
            while self._changed:
                await asyncio.sleep(_SELDOM)
                await self._keep()
        finally:
            self._is_keeping = False

    async def _keep(self) -> None:
        changed, self._changed = self._changed, {}
        now = self._now()
        learnt = [(key, each.learnt(now)) for key, each in changed.items()]
        if not learnt:
            return
        try:
            await self._budgets.keep(learnt)
        except DatabaseUnavailable:
            self._changed = {**changed, **self._changed}
            log.info("rates not kept")
