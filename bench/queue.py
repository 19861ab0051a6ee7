"""The queue: turns per second in order, from event to start, and the cost of a claim.

Ours and procrastinate work on the same Postgres, in the same run, one after the other,
with the same messages, threads and processes; a message is a turn in both, and their
handlers do nothing. Both keep the order within each thread, on disk, with fsync.

What each does for a message. Ours: an inbox row that takes a message once however
often it is delivered; the claim of all turns that there is room for, with fencing
tokens; the message written into the thread's history, and the turn's end, in one
fenced transaction each. procrastinate: a job with the thread as its lock; one job
fetched after another; its end. Its settings are its defaults but for how many run at
once.
"""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from app.storage.migrate import migrate
from bench import queue_claims
from bench.queue_children import OURS, PEER, Child, drained, run as run_child
from bench.queue_journal import Note, broken
from bench.queue_ours import AT_ONCE
from bench.report import Check, judged
from bench.table import percentile, show
from tests.postgres import postgres_server

LEAST_RATIO = 3.0
MOST_RATIO_P50 = 2.0

# Threads, and messages in them.
_BACKLOGS = ((200, 3_000), (5_000, 5_000))
_USED_THREADS, _USED, _FIRST_USED = 500, 600, 1_000_000
_PROCESSES = 2
_LONGEST = 8.0

_PACED_THREADS, _PACED, _PACE = 200, 250, 0.04
# Connections, statements and code have been used once by then.
_WARM_UP = 50

_HEAD = ("database", "queue", "threads", "turns", "turns/s", "ratio", "out of order")
_START_HEAD = ("database", "queue", "p50 ms", "ratio", "p99 ms")

NewDatabase = Callable[[], str]
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the messages of one measurement."""

    threads: int
    notes: Sequence[Note]

    @property
    def rate(self) -> float:
        """Turns per second."""
        ended = max(each.ended for each in self.notes)
        return len(self.notes) / (ended - min(each.began for each in self.notes))

    def start(self, share: float) -> float:
        """Seconds from the event to the start that `share` of the turns kept."""
        return percentile([each.began - each.sent for each in self.notes], share)

    def row(self, database: str, queue: str, ratio: str) -> Row:
        """What the table of turns per second says."""
        return (
            database,
            queue,
            self.threads,
            len(self.notes),
            f"{self.rate:.0f}",
            ratio,
            broken(self.notes),
        )

    def start_row(self, database: str, queue: str, ratio: str) -> Row:
        """What the table of starts says."""
        p50, p99 = self.start(0.5) * 1000, self.start(0.99) * 1000
        return (database, queue, f"{p50:.1f}", ratio, f"{p99:.1f}")


async def _backlog(
    module: str, url: str, threads: int, count: int, processes: int
) -> Drained:
    """Drain a backlog, or as much of it as the time allows."""
    await _use(module, url, processes)
    await run_child(module, "fill", url, threads, count, 0)
    await _look_over(url)
    workers = await _workers(module, url, processes)
    return Drained(threads, await drained(workers, count, _LONGEST))


async def _workers(module: str, url: str, count: int) -> list[Child]:
    return [await Child.start(module, "work", url) for _ in range(count)]


async def _use(module: str, url: str, processes: int) -> None:
    """Drain some messages of other threads: no queue in use has empty tables.

    For tables that are empty Postgres plans to read the whole, and would keep to that
    for as long as a connection lasts, or until it looks at them by itself.
    """
    await run_child(module, "fill", url, _USED_THREADS, _USED, _FIRST_USED)
    await drained(await _workers(module, url, processes), _USED, _LONGEST)


async def _look_over(url: str) -> None:
    """Let Postgres know its tables, as it would by itself a minute later."""
    if url.startswith("postgresql"):
        connection = await asyncpg.connect(url)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()


async def _paced(module: str, url: str) -> Drained:
    """Let events come one by one, from one process to another."""
    worker = await Child.start(module, "work", url)
    await run_child(module, "produce", url, _PACED_THREADS, _PACED, _PACE)
    return _warm(await drained([worker], _PACED, _LONGEST))


async def _alone(url: str) -> Drained:
    """Let events come one by one to the process that answers them."""
    child = await Child.start(OURS, "alone", url, _PACED_THREADS, _PACED, _PACE)
    return _warm(await drained([child], _PACED, _PACED * _PACE + _LONGEST))


def _warm(notes: Sequence[Note]) -> Drained:
    by_time = sorted(notes, key=lambda each: each.sent)
    return Drained(_PACED_THREADS, by_time[_WARM_UP:])


@dataclass(frozen=True, slots=True)
class Databases:
    """New ones, with the tables of both queues."""

    folder: Path
    new_postgres: NewDatabase

    async def sqlite(self) -> str:
        """Return the address of a file."""
        url = f"sqlite:///{self.folder / f'{len(list(self.folder.iterdir()))}.db'}"
        await migrate(url)
        return url

    async def postgres(self) -> str:
        """Return the address of a database on the one server."""
        url = self.new_postgres()
        await migrate(url)
        await run_child(PEER, "set_up", url)
        return url


async def _throughput(databases: Databases) -> list[Check]:
    rows: list[Row] = []
    checks: list[Check] = []
    for threads, count in _BACKLOGS:
        alone = await _backlog(OURS, await databases.sqlite(), threads, count, 1)
        url = await databases.postgres()
        ours = await _backlog(OURS, url, threads, count, _PROCESSES)
        peer = await _backlog(PEER, url, threads, count, _PROCESSES)
        ratio = ours.rate / peer.rate
        rows.append(alone.row("sqlite", "ours, 1 process", ""))
        rows.append(ours.row("postgres", "ours", f"{ratio:.1f}"))
        rows.append(peer.row("postgres", "procrastinate", "1"))
        out_of_order = broken(alone.notes) + broken(ours.notes)
        checks += [
            Check(
                what=f"{threads:,} threads: turns/s, of procrastinate's",
                was=ratio,
                must=LEAST_RATIO,
                unit=" x",
                is_least=True,
            ),
            Check(what=f"{threads:,} threads: out of order", was=out_of_order, must=0),
        ]
    show(
        f"queue: a backlog, {_PROCESSES} processes with {AT_ONCE} turns at once, at "
        f"most {_LONGEST:.0f} s (must: ratio ≥ {LEAST_RATIO:.0f}, none out of order)",
        _HEAD,
        rows,
    )
    return checks


async def _starts(databases: Databases) -> Check:
    alone = await _alone(await databases.sqlite())
    url = await databases.postgres()
    ours, peer = await _paced(OURS, url), await _paced(PEER, url)
    ratio = ours.start(0.5) / peer.start(0.5)
    show(
        f"queue: event → start, {1 / _PACE:.0f} events/s in {_PACED_THREADS} threads, "
        f"one process to another (must: ratio of p50 ≤ {MOST_RATIO_P50:.0f})",
        _START_HEAD,
        [
            alone.start_row("sqlite", "ours, 1 process", ""),
            ours.start_row("postgres", "ours", f"{ratio:.1f}"),
            peer.start_row("postgres", "procrastinate", "1"),
        ],
    )
    return Check(
        what="event → start p50, of procrastinate's",
        was=ratio,
        must=MOST_RATIO_P50,
        unit=" x",
    )


async def _measure(databases: Databases) -> bool:
    checks = [*await _throughput(databases), await _starts(databases)]
    checks += await queue_claims.measure(
        {"sqlite": await databases.sqlite(), "postgres": await databases.postgres()}
    )
    return judged(checks)


def run() -> bool:
    """Print the tables; false when a target is missed."""
    with (
        tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder,
        postgres_server(durable=True) as new_postgres,
    ):
        return asyncio.run(_measure(Databases(Path(folder), new_postgres)))
