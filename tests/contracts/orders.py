"""All orders in which the statements of several transactions can come.

Each actor halts before each of its statements and before each commit. One after another
is let on for one step, until all have ended; then again, with another choice, until no
choice is left. An actor that waits for another's lock is no choice until it has it.
"""

import asyncio
import itertools
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.util import await_only

from app.storage.database import Database

# Of three pieces of work there are thousands of orders, which takes minutes.
THOROUGH = bool(os.environ.get("THOROUGH"))
_SOME = 30

Work = Callable[[], Awaitable[Any]]

_actor: ContextVar["Actor | None"] = ContextVar("actor", default=None)

_WAITING_FOR_LOCKS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass(eq=False)
class Actor:
    """Somebody with one piece of work, who halts before each step of it."""

    work: Work
    halts: bool = False
    is_alone: bool = False
    result: Any = None
    task: asyncio.Task[None] | None = None
    let_on: asyncio.Event = field(default_factory=asyncio.Event)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        _actor.set(self)
        try:
            self.result = await self.work()
        finally:
            self.moved.set()

    async def halt(self) -> None:
        if self.is_alone:
            return
        self.let_on.clear()
        self.halts = True
        self.moved.set()
        await self.let_on.wait()

    @property
    def has_ended(self) -> bool:
        return self.task is not None and self.task.done()

    def step(self, *, is_alone: bool) -> None:
        self.halts, self.is_alone = False, is_alone
        self.moved.clear()
        if self.task is None:
            self.task = asyncio.create_task(self.run())
        else:
            self.let_on.set()


class _Places(asyncio.Semaphore):
    """The one place of SQLite's writers; tells how many wait for it."""

    waiting = 0

    async def acquire(self) -> bool:  # type: ignore[override]
        self.waiting += 1
        try:
            return await super().acquire()
        finally:
            self.waiting -= 1


@contextmanager
def _halting(database: Database) -> Iterator[None]:
    def halt(*_: object) -> None:
        if actor := _actor.get():
            await_only(actor.halt())

    engine = database._writer.sync_engine
    names = ("before_cursor_execute", "commit")
    for name in names:
        event.listen(engine, name, halt)
    try:
        yield
    finally:
        for name in names:
            event.remove(engine, name, halt)


class Orders:
    """Runs pieces of work in all orders, over one database."""

    def __init__(self, database: Database, observer: Database) -> None:
        self._database = database
        self._observer = observer
        self._places = _Places(1)
        self._chance = random.Random(1)  # noqa: S311 - a sample, the same each time
        if database.is_sqlite:
            database._places = self._places

    async def all(
        self, stage: Callable[[], Awaitable[Sequence[Work]]], *, sampled: bool = False
    ) -> AsyncIterator[list[Any]]:
        """Yield the results of the works that `stage` sets up anew for each order.

        Only some of them when `sampled`, unless THOROUGH is set.
        """
        left: list[list[int]] = [[]]
        most = _SOME if sampled and not THOROUGH else None
        with _halting(self._database):
            for _ in itertools.count() if most is None else range(most):
                if not left:
                    return
                prefix = left.pop(self._chance.randrange(len(left)))
                actors = [Actor(work) for work in await stage()]
                choices = await self._run(actors, prefix)
                for depth in range(len(prefix), len(choices)):
                    enabled, chosen = choices[depth]
                    before = [each for _, each in choices[:depth]]
                    left += [[*before, other] for other in enabled if other != chosen]
                yield [actor.result for actor in actors]

    async def _run(
        self, actors: Sequence[Actor], prefix: Sequence[int]
    ) -> list[tuple[list[int], int]]:
        choices: list[tuple[list[int], int]] = []
        if not self._database.is_sqlite:
            # To halt before its first statement keeps nobody from anything there.
            for actor in actors:
                actor.step(is_alone=False)
            await self._settle(actors)
        while enabled := [
            number
            for number, actor in enumerate(actors)
            if actor.task is None or (actor.halts and not actor.has_ended)
        ]:
            place = len(choices)
            chosen = prefix[place] if place < len(prefix) else enabled[0]
            choices.append((enabled, chosen))
            is_last = sum(not actor.has_ended for actor in actors) == 1
            actors[chosen].step(is_alone=is_last)
            await self._settle(actors)
        for actor in actors:
            assert actor.task is not None
            await actor.task
        return choices

    async def _settle(self, actors: Sequence[Actor]) -> None:
        """Wait until everybody halts, has ended or waits for a lock of another."""
        while under_way := [
            actor
            for actor in actors
            if actor.task and not actor.halts and not actor.has_ended
        ]:
            moves = [asyncio.ensure_future(actor.moved.wait()) for actor in under_way]
            done, others = await asyncio.wait(
                moves, timeout=0.002, return_when=asyncio.FIRST_COMPLETED
            )
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            if not done and await self._waiting() == len(under_way):
                return

    async def _waiting(self) -> int:
        if self._database.is_sqlite:
            return self._places.waiting
        async with self._observer.read() as transaction:
            waiting = await transaction.execute(_WAITING_FOR_LOCKS)
            return int(waiting.scalar_one())
