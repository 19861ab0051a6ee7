"""What waiting turns cost the process that will answer them, in tasks and memory."""

import asyncio
import gc
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from sqlalchemy import text

from app.domain import SlackThread, Turn
from app.storage.database import Database
from app.storage.leases import Leases
from app.storage.migrate import migrate
from app.storage.turns import TurnStore
from app.storage.wakeup import Wakeup
from app.turns.answer import Answerer, TurnStop
from app.turns.reply import Reply
from app.turns.worker import Worker, WorkerLimits
from bench.queue_children import OURS, run as run_child
from bench.report import Check, judged
from bench.stream_load import resident
from bench.table import databases, median, show

RUNNING, WAITING, SUSPENDED = 50, 10_000, 500
MOST_MIB = 50.0
_LOOKS = 20
# People are told after a second that they wait.
_LOOKED_AFTER = 2.5
_MIB = 1 << 20

_SUSPEND = """
UPDATE conversations SET state = 'suspended', turn_id = id
WHERE id IN (SELECT id FROM conversations WHERE state = 'ready'
             ORDER BY id LIMIT :most)
"""
_READY = "SELECT id, channel_id, thread_ts FROM conversations WHERE state = 'ready'"


@dataclass(frozen=True, slots=True)
class NeverDone:
    """Holds each turn that it is given."""

    begun: list[int] = field(default_factory=list)

    async def answer(
        self, turn: Turn, stop: TurnStop, _on_open: Callable[[Reply], None]
    ) -> bool:
        """Wait for a stop that nobody asks for."""
        self.begun.append(turn.turn_id)
        return await stop.event.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What came on top for the waiting turns, and what a look at them takes."""

    waiting: int
    suspended: int
    tasks: int
    mib: float
    look: float


async def _show_queued(*_: object) -> None:
    """Nobody looks."""


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        # Asking is the only way to know: no turn tells that it has begun.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _worker(database: Database) -> Worker:
    """Start a process's worker, and let it take all that it may."""
    worker = Worker(
        secrets.token_hex(8),
        store=TurnStore(database),
        leases=Leases(database),
        wakeup=Wakeup(),
        limits=WorkerLimits(turns=4 * RUNNING, turns_per_team=RUNNING),
        show_queued=_show_queued,
    )
    held = NeverDone()
    # Of an answerer a worker asks for nothing else.
    await worker.start(cast(Answerer, held))
    await _until(lambda: len(held.begun) == RUNNING)
    return worker


async def _tell_of_all(database: Database, worker: Worker) -> int:
    """Tell the worker of each waiting message, as intake does; how many wait."""
    async with database.read() as transaction:
        rows = (await transaction.execute(text(_READY))).all()
    for row in rows:
        thread = SlackThread(
            team_id="T0BENCH", channel_id=row.channel_id, thread_ts=row.thread_ts
        )
        worker.message_added(row.id, thread)
    return len(rows)


async def _look(database: Database) -> float:
    """Median seconds of a claim that finds the team's places all taken."""
    took = []
    for _ in range(_LOOKS):
        began = time.perf_counter()
        await TurnStore(database).claim("nobody", 10, ["T0BENCH"])
        took.append(time.perf_counter() - began)
    return median(took)


async def _more_tasks(than: int) -> int:
    """Count the tasks that stay, once those who only look whether a turn waits went."""
    await asyncio.sleep(_LOOKED_AFTER)
    return len(asyncio.all_tasks()) - than


def _settled() -> float:
    gc.collect()
    return resident()


async def _measure(url: str) -> Held:
    await migrate(url)
    await run_child(OURS, "ask", url, 0, RUNNING)
    database = await Database.connect(url)
    worker = await _worker(database)
    tasks, memory = len(asyncio.all_tasks()), _settled()
    await run_child(OURS, "ask", url, RUNNING, RUNNING + WAITING + SUSPENDED)
    async with database.write() as transaction:
        await transaction.execute(text(_SUSPEND), {"most": SUSPENDED})
    waiting = await _tell_of_all(database, worker)
    held = Held(
        waiting=waiting,
        suspended=SUSPENDED,
        tasks=await _more_tasks(tasks),
        mib=(_settled() - memory) / _MIB,
        look=await _look(database),
    )
    await worker.close()
    await database.close()
    return held


def run() -> bool:
    """Print the table; false when a target is missed."""
    rows, checks = [], []
    with databases() as addresses:
        for kind, url in addresses.items():
            held = asyncio.run(_measure(url))
            checks += [
                Check(what=f"{kind}: tasks", was=held.tasks, must=0),
                Check(what=f"{kind}: memory", was=held.mib, must=MOST_MIB, unit=" MiB"),
            ]
            rows.append(
                (
                    kind,
                    held.waiting,
                    held.suspended,
                    held.tasks,
                    f"{held.mib:.1f}",
                    f"{held.look * 1000:.1f}",
                )
            )
    show(
        f"waiting: what waits beside {RUNNING} turns that fill their team's places "
        f"(must: no task, ≤ {MOST_MIB:.0f} MiB)",
        ("database", "waiting", "suspended", "tasks", "MiB", "a look, ms"),
        rows,
    )
    return judged(checks)
