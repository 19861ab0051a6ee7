import asyncio
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from app.errors import DatabaseUnavailable, LeaseLost
from app.storage.together import Together


class Desk:
    """Does what it is asked, one transaction after another, each when let."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.began, self.free = asyncio.Event(), asyncio.Event()
        self.together = Together(self._do)

    async def _do(self, asked: Sequence[str]) -> list[str | LeaseLost]:
        self.done.append(list(asked))
        self.began.set()
        await self.free.wait()
        if "away" in asked:
            raise DatabaseUnavailable("away")
        if "wrong" in asked:
            raise SQLAlchemyError("wrong")
        return [LeaseLost(each) if each == "late" else f"{each}!" for each in asked]

    async def ask(self, first: str, *others: str) -> list[asyncio.Task[str]]:
        """Ask; the first finds nobody under way, the others find that one."""
        tasks = [asyncio.create_task(self.together.ask(first))]
        await self.began.wait()
        tasks += [asyncio.create_task(self.together.ask(each)) for each in others]
        await asyncio.sleep(0)
        return tasks

    async def answers(self, tasks: list[asyncio.Task[str]]) -> list[str]:
        self.free.set()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        return [
            repr(each) if isinstance(each, BaseException) else each for each in told
        ]


async def test_what_comes_while_one_is_under_way_is_done_at_once_afterwards() -> None:
    desk = Desk()

    tasks = await desk.ask("one", "two", "three")

    assert await desk.answers(tasks) == ["one!", "two!", "three!"]
    assert desk.done == [["one"], ["two", "three"]]


async def test_who_asks_in_the_same_moment_comes_along() -> None:
    desk = Desk()

    told = desk.answers([asyncio.create_task(desk.together.ask(n)) for n in "abc"])

    assert await told == ["a!", "b!", "c!"]
    assert desk.done == [["a", "b", "c"]]


async def test_a_lease_lost_is_told_to_its_asker_alone() -> None:
    desk = Desk()

    tasks = await desk.ask("one", "late", "two")

    assert await desk.answers(tasks) == ["one!", "LeaseLost('late')", "two!"]


async def test_who_gives_up_takes_nobody_along() -> None:
    desk = Desk()
    first, second, third = await desk.ask("one", "two", "three")

    first.cancel()
    third.cancel()

    assert await desk.answers([second]) == ["two!"]
    assert desk.done == [["one"], ["two"]]


async def test_what_is_wrong_with_one_keeps_no_other() -> None:
    desk = Desk()

    tasks = await desk.ask("one", "two", "wrong", "three")

    told = await desk.answers(tasks)
    assert told == ["one!", "two!", "SQLAlchemyError('wrong')", "three!"]


async def test_an_outage_is_told_to_all_who_asked_together() -> None:
    desk = Desk()

    tasks = await desk.ask("one", "away", "two", "three")

    told = await desk.answers(tasks)
    assert told == ["one!", *["DatabaseUnavailable('away')"] * 3]
    assert len(desk.done) == 2
