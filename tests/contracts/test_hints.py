"""What one process tells the others through Postgres, and what may become of it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import literal, select, text

from app.domain import Ending, RunError, RunStatus, SessionStop, TurnState
from app.storage.database import Database
from app.storage.listener import Listener, hears_itself
from app.storage.resumptions import Resumptions
from app.storage.wakeup import Changed, Hint, Joined, Missed, Ready, Tell
from app.turns.side_tasks import SideTasks
from tests.contracts.queue_words import ANA, BEN, CAT, TEAM, Queue, removed, said
from tests.postgres import NewDatabase, empty

FAILED = Ending(
    status=RunStatus.FAILED, error=RunError(code="server_error", message="It broke.")
)


class Ear:
    """A process that only listens; `marks` separate what is heard."""

    def __init__(self, database: Database, url: str) -> None:
        self.database = database
        self.heard: list[Hint] = []
        self.one_more = asyncio.Event()
        self.listener = Listener(url, database, self._hear)

    def _hear(self, hint: Hint) -> None:
        self.heard.append(hint)
        self.one_more.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.one_more.clear()
                await self.one_more.wait()

    async def since_last(self) -> list[Hint]:
        """What was heard since this was last asked."""
        async with self.database.write() as transaction:
            await transaction.execute(select(Tell(literal("changed 999"))))
        await self.until(lambda: Changed(999) in self.heard)
        heard = [each for each in self.heard if each != Changed(999)]
        self.heard.clear()
        return heard


@asynccontextmanager
async def listening(database: Database, url: str) -> AsyncIterator[Ear]:
    ear, tasks = Ear(database, url), SideTasks()
    tasks.repeat(ear.listener.listen)
    try:
        await ear.until(lambda: Missed() in ear.heard)
        await ear.since_last()
        yield ear
    finally:
        await tasks.cancel()


@pytest.fixture
async def database(migrated_postgres: str) -> AsyncIterator[Database]:
    empty(migrated_postgres)
    database = await Database.connect(migrated_postgres)
    yield database
    await database.close()


@pytest.fixture
async def ear(database: Database, migrated_postgres: str) -> AsyncIterator[Ear]:
    async with listening(database, migrated_postgres) as ear:
        yield ear


async def test_others_hear_once_that_a_thread_is_ready(
    database: Database, ear: Ear
) -> None:
    queue = Queue(database)
    message = said("one", mention=True)
    await queue.add(message)
    begun = await ear.since_last()
    await queue.add(message, said("two", when=1, thread=0, mention=True))
    await queue.add(said("three", when=3, thread=2, mention=True))

    assert begun == [Ready()]
    assert await ear.since_last() == [Ready()]


async def test_others_hear_of_what_happens_while_a_turn_runs(
    database: Database, ear: Ear
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    await ear.since_last()

    second = said("two", when=1, thread=0, mention=True)
    pressed = SessionStop(
        thread=turn.thread, user_id=BEN, pressed_at="9999999999.000000"
    )
    heard = []
    for happens in (
        queue.add(second),
        queue.inbox.request_stop(TEAM, turn.turn_id, BEN),
        queue.inbox.stop_by_sign(pressed),
        queue.inbox.delete(removed(second)),
    ):
        await happens
        heard.append(await ear.since_last())

    assert heard == [[Changed(turn.lease.conversation_id)]] * 4


async def test_others_hear_when_somebody_joins_who_is_not_answered(
    database: Database, ear: Ear
) -> None:
    queue = Queue(database)
    for thread in (0, 100):
        await queue.add(said("one", when=thread, mention=True))
    (turn, _) = await queue.answer_all()
    await ear.since_last()

    await queue.add(said("I see", when=1, thread=0, by=BEN))
    await queue.add(said("I, too", when=2, thread=0, by=CAT))
    joined = await ear.since_last()
    await queue.add(said("and?", when=101, thread=100, by=BEN, mention=True))

    assert joined == [Joined(turn.lease.conversation_id)]
    assert await ear.since_last() == [Ready()]


async def test_others_hear_when_a_turn_is_free_for_them(
    database: Database, ear: Ear
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    await ear.since_last()

    await queue.store.release(turn.lease)
    given_back = await ear.since_last()
    turn = await queue.claim_one()
    await queue.leases.reap("worker", [])
    reaped = await ear.since_last()
    turn = await queue.claim_one()
    await queue.add(said("two", when=1, thread=0, mention=True))
    await ear.since_last()
    await queue.finish(turn)
    more = await ear.since_last()
    turn = await queue.claim_one()
    await queue.store.finish(turn.lease, FAILED, TurnState.FAILED)
    nothing_more = await ear.since_last()
    await Resumptions(database).retry(TEAM, turn.turn_id, ANA)
    tried_again = await ear.since_last()

    assert (given_back, reaped, more, tried_again) == ([Ready()],) * 4
    assert nothing_more == []


async def test_what_is_not_committed_is_not_heard(database: Database, ear: Ear) -> None:
    async def break_off() -> None:
        async with database.write() as transaction:
            await transaction.execute(select(Tell(literal("ready"))))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await break_off()

    assert await ear.since_last() == []


async def test_what_nobody_of_us_says_is_not_heard(
    ear: Ear, migrated_postgres: str
) -> None:
    stranger = await asyncpg.connect(migrated_postgres)
    for payload in (
        "",
        "changed",
        "changed -1",
        "changed 1 OR 1=1",
        "READY",
        "é" * 999,
    ):
        await stranger.execute("SELECT pg_notify('threadline', $1)", payload)
    await stranger.close()

    assert await ear.since_last() == []


async def test_a_listener_that_lost_its_connection_listens_anew(
    database: Database, ear: Ear
) -> None:
    async with database.write() as transaction:
        await transaction.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'threadline listening'"
            )
        )
    await ear.until(lambda: Missed() in ear.heard)
    await ear.since_last()
    await Queue(database).add(said("one", mention=True))

    assert await ear.since_last() == [Ready()]


async def test_who_listens_at_another_database_is_told(
    database: Database,
    new_postgres: NewDatabase,
    caplog: pytest.LogCaptureFixture,
) -> None:
    elsewhere = new_postgres()
    ear, tasks = Ear(database, elsewhere), SideTasks()
    with caplog.at_level(logging.WARNING):
        tasks.repeat(ear.listener.listen)
        async with asyncio.timeout(10):
            while "LISTEN_DATABASE_URL" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    await tasks.cancel()


async def test_a_database_hears_itself(
    database: Database, migrated_postgres: str
) -> None:
    assert await hears_itself(migrated_postgres, database)


async def test_many_threads_that_nobody_has_a_place_for_cost_no_hint_of_their_own(
    database: Database, ear: Ear
) -> None:
    queue = Queue(database)
    await queue.add(*(said(when=number, mention=True) for number in range(20)))
    await queue.claim(20)
    await ear.since_last()
    await queue.leases.reap("worker", [])

    assert await ear.since_last() == [Ready()]


async def test_for_a_pooler_nothing_stays_prepared(migrated_postgres: str) -> None:
    empty(migrated_postgres)
    database = await Database.connect(migrated_postgres, is_pooled=True)
    queue = Queue(database)
    await queue.add(*(said(when=number, mention=True) for number in range(3)))
    answered = await queue.answer_all()

    assert len(answered) == 3
    assert await queue.rows("SELECT count(*) FROM pg_prepared_statements") == [(0,)]
    await database.close()
