"""A Slack without content: it takes calls or refuses them, after some time."""

import asyncio
import math
from collections import Counter
from random import Random

from app.errors import RateLimited
from app.sandbox.limits import PER_CHANNEL, Limiter, Shape

POST, UPDATE = "chat.postMessage", "chat.update"
START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
# From the program to Slack and back.
FASTEST, SLOWEST = 0.08, 0.15
LATENCY = (FASTEST + SLOWEST) / 2
_MINUTE = 60.0


def limiter(shape: Shape, scale: float, offset: float) -> Limiter:
    """The sandbox's limits in the given shape, on the running loop's clock.

    `scale` multiplies what a workspace may post and edit; `offset` are the seconds by
    which the first minute is over already.
    """
    loop = asyncio.get_running_loop()
    limits = Limiter(lambda: loop.time() + offset)
    limits.limit("*", shape=shape)
    for method in (POST, UPDATE):
        rule = limits.rules()[method]
        limits.limit(
            method,
            per_minute=rule.per_minute * scale,
            burst=rule.burst * scale,
            shape=shape,
        )
    return limits


class FakeSlack:
    """Counts the calls of one workspace, by method, and those it has refused."""

    def __init__(self, shape: Shape, *, seed: int, scale: float = 1.0) -> None:
        self.random = Random(f"slack {seed}")  # noqa: S311 - keeps no secret
        self.now = asyncio.get_running_loop().time
        self._offset = self.random.uniform(0, _MINUTE)
        self.limits = limiter(shape, scale, self._offset)
        self.calls: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    async def call(self, method: str, channel: str = "") -> None:
        """Return when Slack's word has come back; raises RateLimited."""
        way = self.random.uniform(FASTEST, SLOWEST) / 2
        self.calls[method] += 1
        await asyncio.sleep(way)
        wait = self.limits.take("T1", method)
        if not wait and method == POST:
            wait = self.limits.take("T1", PER_CHANNEL, channel)
        await asyncio.sleep(way)
        if wait:
            self.refused[method] += 1
            raise RateLimited(method, wait)

    def posts_take(self, count: int, start: float) -> float:
        """The seconds from `start` in which a workspace can make so many posts."""
        rule = self.limits.rules()[POST]
        if rule.shape is Shape.BUCKET:
            return max(0.0, count - rule.burst) * _MINUTE / rule.per_minute
        minutes = math.ceil(count / rule.per_minute) - 1
        return max(0.0, minutes * _MINUTE - (start + self._offset) % _MINUTE)
