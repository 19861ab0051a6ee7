"""Who asks when, and how long and how fast the answers are."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from random import Random

from bench.streaming.peers import Answer
from bench.streaming.slack import FakeSlack
from bench.streaming.stream import DIRECT, LONGEST, Stream

SHORTEST = 200
SLOWEST, FASTEST = 30.0, 120.0
THINK = 10.0
PER_CHANNEL = 5
# From the question to the first token.
_PONDER = (0.3, 1.0)
# All questions of a burst come within so many seconds.
BURST = 5.0


@dataclass(slots=True, kw_only=True)
class Town:
    """The people of one workspace, and all answers to them; `seed` is their character.

    Whatever the policy, a person's questions are the same. They ask in channels, or
    each in a direct message.
    """

    slack: FakeSlack
    seed: int
    is_direct: bool = False
    streams: list[Stream] = field(default_factory=list)

    async def keep_asking(
        self, answer: Answer, people: int, seconds: float, patience: float
    ) -> float:
        """Have each ask again some time after an answer, for so many seconds.

        Returns the moment at which all had theirs, or patience had ended.
        """
        persons = (self._asks(answer, each, seconds) for each in range(people))
        return await self._all(persons, seconds + patience)

    async def ask_at_once(self, answer: Answer, people: int, patience: float) -> float:
        """Have each ask once, all within a few seconds; returns as above."""
        persons = (self._asks_once(answer, each) for each in range(people))
        return await self._all(persons, patience)

    async def _all(
        self, persons: Iterable[Coroutine[None, None, None]], until: float
    ) -> float:
        tasks = [asyncio.ensure_future(each) for each in persons]
        done, waiting = await asyncio.wait(tasks, timeout=until)
        for each in waiting:
            each.cancel()
        for each in done:
            each.result()
        return self.slack.now()

    async def _asks(self, answer: Answer, person: int, until: float) -> None:
        random = self._random(person)
        await asyncio.sleep(random.uniform(0, THINK))
        while self.slack.now() < until:
            await answer(self._question(random, person))
            # To the first token of the next answer, most of the time.
            think = random.expovariate(1 / THINK) - sum(_PONDER) / 2
            await asyncio.sleep(max(0.0, think))

    async def _asks_once(self, answer: Answer, person: int) -> None:
        random = self._random(person)
        await asyncio.sleep(random.uniform(0, BURST))
        await answer(self._question(random, person))

    def _random(self, person: int) -> Random:
        return Random(f"{self.seed} {person}")  # noqa: S311 - keeps no secret

    def _question(self, random: Random, person: int) -> Stream:
        channel = f"C{person // PER_CHANNEL}"
        stream = Stream(
            number=len(self.streams),
            channel=f"{DIRECT}{person}" if self.is_direct else channel,
            tokens=random.randint(SHORTEST, LONGEST),
            rate=random.uniform(SLOWEST, FASTEST),
            begun=self.slack.now() + random.uniform(*_PONDER),
        )
        self.streams.append(stream)
        return stream
