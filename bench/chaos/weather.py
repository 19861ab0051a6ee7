"""What goes wrong, one thing after another, by chance that a seed repeats."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from app.crash import POINTS
from bench.chaos.proxy import Weather
from bench.chaos.replicas import Replica

# Longer than the lease of a process, and than any patience it has.
_PAUSE = (5.0, 8.0)
_BAD = (Weather.SLOW, Weather.HALF_OPEN, Weather.CUT, Weather.RESET)
_LASTS = (0.5, 6.0)
_IN_A_MIGRATION = "C17"
# Some places are come to with each message, others now and then.
_LATER = 3


class Storm:
    """Ends, pauses and cuts off replicas; `counts` says how often."""

    def __init__(self, replicas: Sequence[Replica], *, seed: int, every: float) -> None:
        self._replicas = replicas
        self._chance = random.Random(seed)  # noqa: S311 - chance, not secrets
        self._every = every
        self._points = [point for point in POINTS if point != _IN_A_MIGRATION]
        self._lasting: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    async def rage(self) -> None:
        """Let things go wrong until cancelled; what lasts is over then."""
        acts: dict[Callable[[Replica], Awaitable[None]], int] = {
            self._kill: 48,
            self._arm: 24,
            self._terminate: 6,
            self._pause: 5,
            self._cut_off: 15,
            self._kill_all: 2,
        }
        try:
            while True:
                await asyncio.sleep(self._chance.expovariate(1 / self._every))
                (act,) = self._chance.choices([*acts], [*acts.values()])
                if within_reach := self._within_reach():
                    await act(self._chance.choice(within_reach))
        finally:
            for task in self._lasting:
                task.cancel()
            await asyncio.gather(*self._lasting, return_exceptions=True)

    def _within_reach(self) -> list[Replica]:
        """Those of whom another one could take over, if there are several."""
        ready = [each for each in self._replicas if each.is_ready]
        whole = {each for each in self._replicas if each.is_whole}
        if len(self._replicas) == 1:
            return ready
        return [each for each in ready if whole - {each}]

    async def _kill(self, replica: Replica) -> None:
        replica.kill()

    async def _kill_all(self, _: Replica) -> None:
        for replica in self._replicas:
            replica.kill()

    async def _arm(self, replica: Replica) -> None:
        """Kill it; the one that comes after it dies by itself, at a named place."""
        point = self._chance.choice(self._points)
        replica.kill(crash_next_at=f"{point}:{self._chance.randint(1, _LATER)}")

    async def _terminate(self, replica: Replica) -> None:
        replica.terminate()
        self.counts["terminated"] += 1

    async def _pause(self, replica: Replica) -> None:
        if any(each.is_paused for each in self._replicas):
            return
        replica.pause()
        self.counts["faults"] += 1
        self._last(self._chance.uniform(*_PAUSE), replica.go_on)

    async def _cut_off(self, replica: Replica) -> None:
        proxy = self._chance.choice([*replica.proxies.values()])
        proxy.turn(self._chance.choice(_BAD))
        self.counts["faults"] += 1
        seconds = self._chance.uniform(*_LASTS)
        self._last(seconds, lambda: proxy.turn(Weather.CLEAR))

    def _last(self, seconds: float, end: Callable[[], None]) -> None:
        async def wait() -> None:
            try:
                await asyncio.sleep(seconds)
            finally:
                end()

        task = asyncio.create_task(wait())
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)
