"""What processes may send: shared through the database, or kept for one alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from math import inf

import pytest

from app.slack.replies.budget import Bucket, Crowd
from app.slack.replies.kept import KeptBudgets
from app.slack.replies.lending import LentBudgets
from app.slack.replies.message import Method
from app.storage.database import Database
from app.storage.rate_budgets import BudgetKey, Learnt, Loan, RateBudgets, Request
from tests.cable import cable_to
from tests.contracts.statements import watched
from tests.postgres import empty

TEAM = "T0TEAM"
KEY = BudgetKey(team_id=TEAM, method=Method.UPDATE.value)


class Heard(RateBudgets):
    """Counts the calls that a process made without an answer, as on a busy host."""

    alone = 0

    async def lend(self, key: BudgetKey, request: Request, start: Learnt) -> Loan:
        self.alone += request.alone
        return await super().lend(key, request, start)


class Process:
    """One process that would send as much as it may."""

    def __init__(self, database: Database, name: str) -> None:
        self.rows = Heard(database)
        self.budgets = LentBudgets(self.rows, name)
        self.changed = asyncio.Event()

    def bucket(self, method: Method = Method.UPDATE) -> Bucket:
        bucket = self.budgets.bucket_of(TEAM, method)
        bucket.on_change = self.changed.set
        return bucket

    async def first_token(self, bucket: Bucket) -> float:
        """Wait until one call may be sent, send it, and tell how long that took."""
        begun = time.monotonic()
        while (at := bucket.ready_at(time.monotonic())) > time.monotonic():
            self.changed.clear()
            wait = at - time.monotonic() if at < inf else None
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.changed.wait(), wait)
        bucket.take(time.monotonic())
        return time.monotonic() - begun

    def send_all(self, bucket: Bucket) -> int:
        """Send what may be sent at this moment."""
        sent = 0
        while bucket.ready_at(time.monotonic()) <= time.monotonic():
            bucket.take(time.monotonic())
            sent += 1
        return sent


@pytest.fixture
async def databases(migrated_postgres: str) -> AsyncIterator[list[Database]]:
    empty(migrated_postgres)
    async with AsyncExitStack() as stack:
        both = []
        for _ in range(2):
            both.append(await Database.connect(migrated_postgres))
            stack.push_async_callback(both[-1].close)
        yield both


async def test_two_processes_share_one_budget(databases: list[Database]) -> None:
    processes = [Process(each, f"p{n}") for n, each in enumerate(databases)]
    begun = time.monotonic()

    async def send(process: Process) -> int:
        bucket, sent = process.bucket(), 0
        for _ in range(2):
            bucket.expect(time.monotonic(), Crowd(waiting=2))
            await process.first_token(bucket)
            sent += 1 + process.send_all(bucket)
        return sent

    sent = await asyncio.gather(*(send(each) for each in processes))
    seconds = time.monotonic() - begun
    for each in processes:
        await each.budgets.close()

    alone = sum(each.rows.alone for each in processes)
    assert min(sent) >= 2
    assert sum(sent) - alone <= 10 + seconds * 50 / 60 + 1e-6


async def test_what_is_left_at_the_end_is_there_for_the_other(
    databases: list[Database],
) -> None:
    one, other = (Process(each, f"p{n}") for n, each in enumerate(databases))
    bucket = one.bucket()
    bucket.expect(time.monotonic(), Crowd(waiting=9))
    await one.first_token(bucket)
    await one.budgets.close()

    bucket = other.bucket()
    bucket.expect(time.monotonic(), Crowd(waiting=9, urgent=9))
    await other.first_token(bucket)
    sent = 1 + other.send_all(bucket)
    await other.budgets.close()

    assert sent == 9


async def test_a_pause_reaches_the_other_with_its_next_request(
    databases: list[Database],
) -> None:
    one, other = (Process(each, f"p{n}") for n, each in enumerate(databases))
    bucket = one.bucket()
    await one.first_token(bucket)
    bucket.refused(time.monotonic(), 30.0)
    await one.budgets.close()

    theirs = other.bucket()
    asked = time.monotonic()
    assert theirs.ready_at(asked) == float("inf")
    await other.changed.wait()
    await other.budgets.close()

    assert theirs.ready_at(asked) == pytest.approx(asked + 30, abs=5)
    assert theirs.rate.per_second == pytest.approx(bucket.rate.per_second)


async def test_a_quiet_workspace_costs_no_statement(databases: list[Database]) -> None:
    process = Process(databases[0], "p")
    with watched(databases[0]) as seen:
        buckets = [
            process.budgets.bucket_of(f"T{n}", method)
            for n in range(100)
            for method in Method
        ]
        assert all(each.is_full(time.monotonic()) for each in buckets)
        await process.budgets.close()

    assert seen == []


async def test_nothing_is_kept_of_a_workspace_that_nobody_writes_in(
    databases: list[Database],
) -> None:
    process = Process(databases[0], "p")
    for n in range(10_000):
        process.budgets.bucket_of(f"T{n}", Method.UPDATE)

    assert len(process.budgets._buckets) <= 1
    await process.budgets.close()


async def test_with_the_database_away_each_goes_on_with_its_share(
    migrated_postgres: str,
) -> None:
    empty(migrated_postgres)
    async with cable_to(migrated_postgres) as cable:
        database = await Database.connect(cable.address)
        process = Process(database, "p")
        cable.freeze()
        bucket = process.bucket(Method.POST)
        away = await process.first_token(bucket)
        process.send_all(bucket)
        cable.thaw()
        back = await process.first_token(bucket)
        await process.budgets.close()
        await database.close()

    assert away < 1
    assert back < 5


async def test_one_process_alone_goes_on_after_a_restart_with_what_it_learnt(
    database: Database,
) -> None:
    first = KeptBudgets(RateBudgets(database))
    bucket = first.bucket_of(TEAM, Method.UPDATE)
    bucket.refused(time.monotonic(), 30.0)
    await first.close()

    second = KeptBudgets(RateBudgets(database))
    again = second.bucket_of(TEAM, Method.UPDATE)
    remembered = asyncio.Event()
    again.on_change = remembered.set
    await remembered.wait()
    await second.close()

    assert again.rate.per_second == pytest.approx(bucket.rate.per_second)
    assert again.burst == bucket.burst
    assert again.ready_at(time.monotonic()) > time.monotonic() + 20


async def test_one_process_alone_writes_nothing_for_calls_that_go_well(
    database: Database,
) -> None:
    budgets = KeptBudgets(RateBudgets(database))
    bucket = budgets.bucket_of(TEAM, Method.UPDATE)
    with watched(database) as seen:
        for _ in range(5):
            bucket.take(time.monotonic())
            bucket.succeeded(time.monotonic())
        await budgets.close()

    assert [statement[:6] for statement, _ in seen if statement[:6] != "SELECT"] == []
