"""The lease of a process: what keeps it, and what happens once it has lapsed."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from sqlalchemy import select, text

from app.domain import CallState, Turn
from app.errors import DatabaseUnavailable, LeaseLost
from app.storage.database import Database
from app.storage.leases import Leases
from app.storage.turns import TurnStore
from app.tools.tool import ToolContext, tool
from app.tools.toolbox import Toolbox
from app.turns.tenure import Tenure
from app.turns.worker import WorkerLimits
from tests.contracts.queue_words import Queue, said
from tests.contracts.toolbox_stage import at_home, calling
from tests.contracts.worker_stage import LIMITS, working
from tests.half_open import way_to
from tests.postgres import empty

SHORT = replace(LIMITS, lease=0.8, beat=0.05, reap=0.05, sweep=0.05)


class Pausing(Leases):
    """A process that stands still from time to time, or a database that does."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.given_up = 0

    async def beat(self, worker_id: str, version: str, ttl: float) -> None:
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        await super().beat(worker_id, version, ttl)


class SlowClaim(TurnStore):
    """What it claims first comes late."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_claimed, self.goes_on = asyncio.Event(), asyncio.Event()

    async def claim(
        self, worker_id: str, limit: int, full_teams: Sequence[str] = ()
    ) -> list[Turn]:
        claimed = await super().claim(worker_id, limit, full_teams)
        if claimed:
            self.has_claimed.set()
            await self.goes_on.wait()
        return claimed


class Away(Leases):
    """A database that answers no heartbeat after the first."""

    beats = 0

    async def beat(self, worker_id: str, version: str, ttl: float) -> None:
        self.beats += 1
        if self.beats > 1:
            raise DatabaseUnavailable(worker_id)
        await super().beat(worker_id, version, ttl)


class InOutages(Leases):
    """A database that is away at times."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.is_away, self.answered, self.unanswered = False, 0, 0

    async def beat(self, worker_id: str, version: str, ttl: float) -> None:
        if self.is_away:
            self.unanswered += 1
            raise DatabaseUnavailable(worker_id)
        await super().beat(worker_id, version, ttl)
        self.answered += 1


async def test_what_was_held_before_a_lapse_is_not_held_after_it(
    database: Database,
) -> None:
    leases = Pausing(database)
    shift = await working(database, leases=leases, limits=SHORT)
    await shift.ask(0)
    await shift.until(lambda: len(shift.begun) == 1)
    held = shift.worker.holds(shift.begun[0].lease)

    leases.goes_on.clear()
    await shift.worker_is(alive=False)
    leases.goes_on.set()
    await shift.worker_is(alive=True)
    held_again = shift.worker.holds(shift.begun[0].lease)
    await shift.until(lambda: len(shift.begun) == 2)
    await shift.worker.close()

    assert (held, held_again) == (True, False)
    assert shift.begun[1].turn_id == shift.begun[0].turn_id
    assert shift.begun[1].lease.epoch > shift.begun[0].lease.epoch


async def test_what_was_claimed_before_a_lapse_and_came_after_it_is_not_begun(
    database: Database,
) -> None:
    leases, store = Pausing(database), SlowClaim(database)
    shift = await working(database, store, leases, SHORT)
    await shift.ask(0)
    await store.has_claimed.wait()

    leases.goes_on.clear()
    await shift.worker_is(alive=False)
    leases.goes_on.set()
    await shift.worker_is(alive=True)
    store.goes_on.set()
    await shift.until(lambda: len(shift.begun) == 1)
    await shift.worker.close()

    # The first claim made epoch 1; nobody acts on it.
    assert [turn.lease.epoch for turn in shift.begun] == [2]


async def test_a_process_gives_its_first_beat_after_an_absence_the_time_it_takes(
    database: Database,
) -> None:
    leases = Pausing(database)
    tenure = Tenure("worker", leases, lease=0.8, beat=0.05, on_lapse=lambda: None)
    await tenure.begin()
    leases.goes_on.clear()
    keeping = asyncio.create_task(_keep(tenure))
    await _until(lambda: not tenure.is_alive)
    given_up_before = leases.given_up
    lapsed_at = time.monotonic()
    await _until(lambda: time.monotonic() > lapsed_at + 1.5)
    given_up_after = leases.given_up
    leases.goes_on.set()
    await _until(lambda: tenure.is_alive)
    keeping.cancel()
    await tenure.end()

    # Three may have begun just before the lapse.
    assert given_up_after <= given_up_before + 3


async def test_much_that_waited_through_an_absence_keeps_nobody_from_returning(
    migrated_postgres: str,
) -> None:
    empty(migrated_postgres)
    database = await Database.connect(migrated_postgres)
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    await queue.leases.beat("worker", "1", 1.0)

    async with database.write() as transaction:
        await transaction.execute(text("/* time */ UPDATE workers SET expires_at = 1"))
    async with database.write() as transaction:
        await transaction.execute(text("SELECT id FROM conversations FOR UPDATE"))
        beating = asyncio.create_task(queue.leases.beat("worker", "1", 1.0))
        await asyncio.wait([beating], timeout=2.0)
        is_waiting = not beating.done()
    await beating

    assert is_waiting
    await database.close()


async def test_a_process_that_was_not_heard_judges_nobody_for_two_beats(
    database: Database,
) -> None:
    leases, lapsed = Pausing(database), []
    tenure = Tenure(
        "worker", leases, lease=1.0, beat=0.1, on_lapse=lambda: lapsed.append(1)
    )
    await tenure.begin()
    judged = [tenure.may_judge]
    leases.goes_on.clear()
    keeping = asyncio.create_task(_keep(tenure))
    await _until(lambda: bool(lapsed))
    judged.append(tenure.may_judge)
    leases.goes_on.set()
    await _until(lambda: tenure.is_alive)
    judged.append(tenure.may_judge)
    await _until(lambda: tenure.may_judge)
    keeping.cancel()
    await tenure.end()

    assert judged == [True, False, False]
    assert lapsed == [1]


async def test_a_process_falls_silent_before_the_others_think_it_dead(
    database: Database,
) -> None:
    queue, leases = Queue(database), Away(database)
    await queue.leases.beat("another", "1", 60)
    tenure = Tenure("worker", leases, lease=1.0, beat=0.1, on_lapse=lambda: None)
    await tenure.begin()
    await queue.add(said("one", mention=True))
    await queue.store.claim("worker", 1)
    keeping = asyncio.create_task(_keep(tenure))
    await _until(lambda: not tenure.is_alive)
    reaped_then = await queue.leases.reap("another")
    async with asyncio.timeout(5):
        while not await queue.leases.reap("another"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    keeping.cancel()

    assert reaped_then == 0


async def test_the_end_of_each_outage_is_told_once(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    leases = InOutages(database)
    tenure = Tenure("worker", leases, lease=5.0, beat=0.01, on_lapse=lambda: None)
    caplog.set_level(logging.INFO, logger="app")
    await tenure.begin()
    keeping = asyncio.create_task(_keep(tenure))
    for outages in (1, 2):
        leases.is_away = True
        await _until(lambda: leases.unanswered >= 3 * outages)  # noqa: B023
        leases.is_away, before = False, leases.answered
        await _until(lambda: leases.answered >= before + 5)  # noqa: B023
    keeping.cancel()
    await tenure.end()

    # A slow machine may see more outages than were asked for.
    said = [each for each in caplog.messages if "the database" in each]
    ends = [each for each, _ in groupby(said)].count("the database answers again")
    assert said.count("the database answers again") == ends >= 2


async def test_who_is_dead_itself_reaps_nobody(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    await queue.claim_one()
    await queue.leases.retire("worker")
    await queue.leases.beat("another", "1", -1.0)

    assert await queue.leases.reap("another") == 0


async def test_a_tool_does_not_begin_without_the_lease_though_it_was_written_down(
    database: Database,
) -> None:
    lit = []

    @tool(effect="write", label="lighting")
    async def light(context: ToolContext) -> str:
        """Light the lamp."""
        lit.append(1)
        return "It is lit."

    home = await at_home(database)
    home.toolbox = Toolbox([light], home.ledger, lambda _: False)

    with pytest.raises(LeaseLost):
        await home.run(calling("light"))

    assert lit == []
    assert await home.states() == [CallState.STARTED]


async def test_connections_that_go_dead_do_not_cost_the_lease(
    migrated_postgres: str,
) -> None:
    limits = WorkerLimits()
    with tempfile.TemporaryDirectory(prefix="way-") as folder:
        async with way_to(migrated_postgres, Path(folder)) as way:
            database = await Database.connect(way.url)
            lapses: list[int] = []
            tenure = Tenure(
                "worker",
                Leases(database),
                lease=limits.lease,
                beat=limits.beat,
                on_lapse=lambda: lapses.append(1),
            )
            await tenure.begin()
            stuck = [asyncio.create_task(_write_for_ever(database)) for _ in range(30)]
            await database.check()
            way.go_dead()
            dead_since = time.monotonic()
            keeping = asyncio.create_task(_keep(tenure))
            await _until(lambda: time.monotonic() > dead_since + limits.lease)
            is_alive = tenure.is_alive
            keeping.cancel()
            await tenure.end()
        for task in stuck:
            task.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        await database.close()

    assert (is_alive, lapses) == (True, [])


async def _write_for_ever(database: Database) -> None:
    while True:
        async with database.write() as transaction:
            await transaction.execute(select(Database.now))


async def _keep(tenure: Tenure) -> None:
    while True:
        await tenure.keep()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
