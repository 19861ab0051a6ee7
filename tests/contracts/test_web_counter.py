"""Who asks over the web and waits, on both databases: never without an end."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.domain import Turn
from app.storage.database import Database
from app.storage.web_threads import WebMessage, WebThreads
from app.turns.answer import TurnStop
from app.web.counter import Counter
from app.web.lines import Lines
from app.web.words import BROKEN_OFF
from tests.contracts.queue_words import TEAM
from tests.contracts.worker_stage import Shift, working


class Broken(WebThreads):
    """Threads whose messages can't be claimed, for no reason that is known."""

    async def claim(self, message: WebMessage, worker_id: str) -> Turn | None:
        raise LookupError(f"{message.seq} for {worker_id}")


class Counted(WebThreads):
    """Threads that count how often somebody tried to take a turn."""

    claims = 0

    async def claim(self, message: WebMessage, worker_id: str) -> Turn | None:
        self.claims += 1
        return await super().claim(message, worker_id)


@pytest.fixture
async def shift(database: Database) -> AsyncGenerator[Shift]:
    shift = await working(database)
    yield shift
    await shift.worker.close()


def _counter(shift: Shift, threads: WebThreads, database: Database) -> Counter:
    answerer = shift.answerer(database)
    return Counter(threads=threads, worker=shift.worker, answerer=answerer)


async def test_a_page_is_told_when_it_breaks_off_for_no_known_reason(
    shift: Shift, database: Database
) -> None:
    counter, lines = _counter(shift, Broken(database, TEAM), database), Lines()
    message = await counter.add(None, "hello")
    assert message

    with pytest.raises(LookupError):
        await counter.answer(message, lines, TurnStop())

    assert lines.take().decode().endswith(f'3:"{BROKEN_OFF}"\n')
    assert lines.is_over


async def test_pages_take_no_more_places_than_their_team_has(
    shift: Shift, database: Database
) -> None:
    await shift.ask(0, 1, 2)
    await shift.until(lambda: len(shift.begun) == 3)
    threads, lines = Counted(database, TEAM), Lines()
    counter = _counter(shift, threads, database)
    message = await counter.add(None, "hello")
    assert message

    asking = asyncio.create_task(counter.answer(message, lines, TurnStop()))
    await lines.wait(10)
    has_tried = threads.claims
    shift.gates[shift.begun[0].lease.epoch].set()
    await asking

    assert has_tried == 0
    assert lines.take().startswith(b"5:")


async def test_of_those_who_wait_for_one_thread_only_the_first_tries(
    shift: Shift, database: Database
) -> None:
    threads = Counted(database, TEAM)
    counter = _counter(shift, threads, database)
    first = await counter.add(None, "hello")
    assert first
    others = [await counter.add(first.thread_id, "hello") for _ in range(3)]

    async with asyncio.TaskGroup() as group:
        for message in (first, *others):
            assert message
            group.create_task(counter.answer(message, Lines(), TurnStop()))

    assert threads.claims == len([first, *others])


async def test_a_process_lets_only_so_many_wait(
    shift: Shift, database: Database
) -> None:
    threads = WebThreads(database, TEAM)
    counter = Counter(
        threads=threads,
        worker=shift.worker,
        answerer=shift.answerer(database),
        most_at_once=1,
    )
    message = await counter.add(None, "hello")
    assert message
    lines, was_full = Lines(), [counter.is_full]

    asking = asyncio.create_task(counter.answer(message, lines, TurnStop()))
    await lines.wait(10)
    was_full.append(counter.is_full)
    await asking

    assert [*was_full, counter.is_full] == [False, True, False]
