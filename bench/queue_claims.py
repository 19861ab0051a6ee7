"""What a claim costs while more and more conversations are idle."""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import text

from app.storage.database import Database
from app.storage.inbox import Inbox
from app.storage.leases import Leases
from app.storage.policy import AnswerPolicy
from app.storage.turns import TurnStore
from bench.queue_journal import Message
from bench.queue_ours import incoming
from bench.report import Check
from bench.table import median, show
from tests.contracts.statements import plan_of, watched

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOST_GROWTH = 2.0
_CLAIMS = 40
_numbers = itertools.count()
# So many rows are written within the time that a statement may take.
_AT_ONCE = 100_000

_IDLE = """
INSERT INTO conversations (team_id, channel_id, thread_ts, channel_kind, state,
    inbox_seq, wanted_seq, taken_seq, epoch, ready_at, follow, humans)
SELECT 'T0BENCH', 'C' || n % 1000, n || '.000100', 'channel', 'idle',
    1, 1, 1, 1, n, 'automatic', '[]'
"""
_POSTGRES = _IDLE + "FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"
_NUMBERS = """
WITH RECURSIVE numbers(n) AS
    (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
"""
_SQLITE = _NUMBERS + _IDLE + "FROM numbers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Median seconds, with so many idle conversations."""

    size: int
    claim: float
    nothing: float
    reap: float

    def row(self, database: str, first: "Cost") -> tuple[object, ...]:
        """What the table says."""
        times = (self.claim, self.nothing, self.reap)
        return (
            database,
            f"{self.size:,}",
            f"{self.claim / first.claim:.2f}",
            *(f"{each * 1000:.2f}" for each in times),
        )


async def _fill(database: Database, size: int) -> None:
    """Add idle conversations until there are `size`, and see to the statistics."""
    async with database.read() as transaction:
        last = await transaction.execute(text("SELECT count(*) FROM conversations"))
        filled = int(last.scalar_one())
    while filled < size:
        upto = min(size, filled + _AT_ONCE)
        async with database.write() as transaction:
            await transaction.execute(
                text(_SQLITE if database.is_sqlite else _POSTGRES),
                {"first": filled + 1, "last": upto},
            )
        filled = upto
    async with database.write() as transaction:
        await transaction.execute(text("ANALYZE"))


async def _timed(step: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(_CLAIMS):
        began = time.perf_counter()
        await step()
        took.append(time.perf_counter() - began)
    return median(took)


async def _cost(database: Database, size: int) -> Cost:
    await _fill(database, size)
    store, leases = TurnStore(database), Leases(database)
    worker_id, inbox = secrets.token_hex(8), Inbox(database, AnswerPolicy())
    await leases.beat(worker_id, "bench", 600.0)

    async def reap() -> int:
        return await leases.reap("nobody")

    async def claim() -> None:
        if len(await store.claim(worker_id, 1)) != 1:
            raise RuntimeError("nothing was claimed")

    async def claim_nothing() -> None:
        await store.claim(worker_id, 1)

    for _ in range(_CLAIMS):
        await inbox.add(incoming(Message(next(_numbers), 0, 0.0)), None)
    took = await _timed(claim)
    return Cost(
        size=size,
        claim=took,
        nothing=await _timed(claim_nothing),
        reap=await _timed(reap),
    )


async def _plan(database: Database) -> list[str]:
    with watched(database) as seen:
        await TurnStore(database).claim("nobody", 1)
    statement, values = seen[0]
    return await plan_of(database, statement, values)


async def measure(addresses: dict[str, str]) -> list[Check]:
    """Print the table and the plans; the cost of a claim must not grow."""
    rows, checks, plans = [], [], {}
    for kind, url in addresses.items():
        database = await Database.connect(url)
        costs = [await _cost(database, size) for size in SIZES]
        plans[kind] = await _plan(database)
        await database.close()
        rows += [each.row(kind, costs[0]) for each in costs]
        growth = costs[-1].claim / costs[0].claim
        what = f"{kind}: a claim, last / first"
        checks.append(Check(what=what, was=growth, must=MOST_GROWTH, unit=" x"))
    show(
        f"queue: a claim among idle conversations (must: ratio ≤ {MOST_GROWTH:.0f})",
        ("database", "idle", "ratio", "claim ms", "of nothing ms", "reap ms"),
        rows,
    )
    for kind, plan in plans.items():
        print(f"\n  The plan of a claim on {kind}, {SIZES[-1]:,} idle conversations:")
        print("\n".join(f"    {line}" for line in plan))
    return checks
