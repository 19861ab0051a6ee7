"""What drains the queue, on both databases: how much it takes, and how it lets go."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from app.domain import Lease, Turn
from app.errors import DatabaseUnavailable
from app.storage.database import Database
from app.storage.leases import Leases
from app.storage.turns import TurnStore
from app.storage.wakeup import Changed, Missed, Ready
from app.storage.web_threads import WebThreads
from app.turns.answer import TurnStop
from app.turns.worker import WorkerLimits
from tests.contracts.queue_words import BEN, TEAM, Queue, said
from tests.contracts.worker_stage import LIMITS, Shift, working
from tests.fakes import RecordingReply


class AwayAtTheEnd(TurnStore):
    """A database that does not answer any more when turns are given back."""

    async def release(self, lease: Lease) -> None:
        raise DatabaseUnavailable(f"{lease.turn_id}")


class NeverRetired(Leases):
    """The same for the lease of the process."""

    async def retire(self, worker_id: str) -> None:
        raise DatabaseUnavailable(worker_id)


@pytest.fixture
async def shift(database: Database) -> AsyncGenerator[Shift]:
    shift = await working(database)
    yield shift
    await shift.worker.close()


async def test_a_team_never_has_more_turns_than_its_share(database: Database) -> None:
    teams = ["T2", "T2", *[TEAM] * 6, "T2"]
    for when, team in enumerate(teams):
        message = said("hello", when=when, mention=True, team=team)
        await Queue(database).add(message)
    shift = await working(database)

    await shift.until(lambda: [_team(turn) for turn in shift.begun].count("T2") == 3)
    await shift.worker.close()

    assert [_team(turn) for turn in shift.begun].count(TEAM) == 3


async def test_a_thread_taken_anew_stays_ours_when_its_former_turn_has_gone(
    shift: Shift,
) -> None:
    await shift.ask(0)
    await shift.until(lambda: len(shift.begun) == 1)
    former = shift.begun[0].lease
    await shift.queue.store.release(former)
    shift.worker.message_added(0, shift.begun[0].thread)
    await shift.until(lambda: len(shift.begun) == 2)
    newer = shift.begun[1].lease

    shift.gates[former.epoch].set()
    await shift.ask(1)
    await shift.until(lambda: len(shift.begun) == 3)

    assert shift.worker.holds(newer)
    assert not shift.worker.holds(former)


async def test_a_worker_ends_quietly_while_the_database_is_away(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    shift = await working(
        database, AwayAtTheEnd(database), NeverRetired(database), WorkerLimits()
    )
    await shift.ask(0, 1)
    await shift.until(lambda: len(shift.begun) == 2)

    await shift.worker.close()

    assert [record.message for record in caplog.records].count(
        "turn not handed over"
    ) == 2


async def test_a_turn_that_a_request_waits_for_ends_with_its_process(
    shift: Shift, database: Database
) -> None:
    threads, stop = WebThreads(database, TEAM), TurnStop()
    message = await threads.add(None, "hello", shift.worker.worker_id)
    assert message

    async def claim() -> Turn | None:
        return await threads.claim(message, shift.worker.worker_id)

    answerer = shift.answerer(database)
    answering = shift.worker.answer_here(claim, answerer, stop, team_id=TEAM)
    waiting = asyncio.create_task(answering)
    await shift.until(lambda: len(shift.begun) == 1)
    await shift.worker.close()

    assert await waiting
    assert await shift.queue.claim() == []
    states = "SELECT c.state, t.state FROM conversations c, turns t"
    assert await shift.queue.rows(states) == [("idle", "cancelled")]


def _team(turn: Turn) -> str:
    return turn.lease.team_id


async def test_without_a_hint_everything_is_seen_at_the_next_look(
    database: Database,
) -> None:
    shift = await working(database, limits=replace(LIMITS, sweep=0.1))
    elsewhere = Queue(database)
    await elsewhere.add(said("one", mention=True))
    await shift.until(lambda: len(shift.begun) == 1)
    (running,) = shift.worker._running.values()
    reply = running.reply = RecordingReply()

    await elsewhere.add(said("two", when=1, thread=0, mention=True))
    async with asyncio.timeout(5):
        while reply.waiting != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await elsewhere.inbox.request_stop(TEAM, running.turn.turn_id, BEN)
    async with asyncio.timeout(5):
        await running.stop.event.wait()
    await shift.worker.close()

    assert running.stop.stopped_by == BEN


async def test_a_hint_spares_the_wait(database: Database) -> None:
    shift = await working(database)
    elsewhere = Queue(database)
    await elsewhere.add(said("one", mention=True))
    shift.worker.hear(Ready())
    await shift.until(lambda: len(shift.begun) == 1)
    (running,) = shift.worker._running.values()
    lease = running.turn.lease
    await elsewhere.inbox.request_stop(TEAM, lease.turn_id, BEN)
    shift.worker.hear(Changed(lease.conversation_id + 1))
    shift.worker.hear(Changed(lease.conversation_id))
    async with asyncio.timeout(5):
        await running.stop.event.wait()

    await elsewhere.add(said("two", when=2, mention=True))
    shift.worker.hear(Missed())
    await shift.until(lambda: len(shift.begun) == 2)
    await shift.worker.close()


async def test_ten_thousand_who_wait_for_a_place_cost_a_hundred_tasks(
    shift: Shift,
) -> None:
    await shift.ask(*range(3))
    await shift.until(lambda: len(shift.begun) == 3)
    before = len(asyncio.all_tasks())
    for number in range(10_000):
        shift.worker.message_added(number, shift.begun[0].thread)

    assert len(asyncio.all_tasks()) - before <= 100
