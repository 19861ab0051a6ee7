"""`python -m bench.chaos`: a storm of so many seconds, and what it has come to."""

import argparse
import asyncio
import pickle
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from app.loop import new_event_loop
from app.storage.migrate import migrate
from bench.chaos.project import Project
from bench.chaos.replicas import Replica, Town
from bench.chaos.verdict import Verdict, told
from bench.chaos.watch import Watch
from bench.chaos.weather import Storm
from tests.invariants import (
    Broken,
    ModelHistory,
    SlackHistory,
    check_invariants,
    is_at_rest,
)
from tests.invariants.reading import stored
from tests.postgres import postgres_server

_COMES_TO_REST_WITHIN = 150.0
_LOOKS_EVERY = 1.0


def main() -> None:
    """Exit 1 when an invariant is broken, and tell the history that broke it."""
    given = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="threadline-chaos-"))
    with (
        _database(given.replicas, folder) as url,
        asyncio.Runner(loop_factory=new_event_loop) as runner,
    ):
        runner.run(migrate(url))
        verdict = runner.run(_until_interrupted(_storm(given, url, folder)))
    if verdict is None:
        shutil.rmtree(folder)
        sys.exit(130)
    print(verdict.line)
    if not verdict.broken:
        shutil.rmtree(folder)
        return
    print(told(verdict.broken), file=sys.stderr)
    print(f"What the replicas said: {folder}", file=sys.stderr)
    again = f"DURATION={given.duration:g} SEED={given.seed} REPLICAS={given.replicas}"
    print(f"The same storm again: make chaos {again}", file=sys.stderr)
    sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos")
    add = parser.add_argument
    add("--duration", type=float, default=60, help="seconds, 60")
    add("--seed", type=int, default=random.randrange(10_000), help="any number")  # noqa: S311
    add("--replicas", type=_some, default=3, help="3 on Postgres; 1 is on SQLite")
    add("--pace", type=float, default=0.8, help="seconds between acts of people, 0.8")
    add("--every", type=float, default=0.8, help="seconds between faults, 0.8")
    return parser.parse_args()


def _some(words: str) -> int:
    if not words.isdecimal() or int(words) < 1:
        raise argparse.ArgumentTypeError("has to be 1 or more")
    return int(words)


@contextmanager
def _database(replicas: int, folder: Path) -> Iterator[str]:
    if replicas == 1:
        yield f"sqlite:///{folder / 'threadline.db'}"
        return
    with postgres_server() as new_database:
        yield new_database()


async def _until_interrupted(
    work: Coroutine[Any, Any, Verdict],
) -> Verdict | None:
    """Let the first Ctrl-C end everything that was started."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()


async def _storm(given: argparse.Namespace, url: str, folder: Path) -> Verdict:
    async with AsyncExitStack() as stack:
        town = await Town.begin(given.seed, given.pace)
        stack.push_async_callback(town.end)
        project = Project(folder)
        project.make()
        replicas = [
            Replica(project.folder, town.addresses, url, folder, number)
            for number in range(given.replicas)
        ]
        for replica in replicas:
            stack.push_async_callback(replica.end)
            await replica.start()
        for replica in replicas:
            await replica.until_ready()
        watch = Watch(url)
        storm = Storm(replicas, seed=given.seed, every=given.every)
        async with _beside(watch.look()):
            async with _beside(storm.rage()):
                await asyncio.sleep(given.duration)
            for replica in replicas:
                replica.calm()
            people = await town.ask("calm")
            await _rest(town, url)
        slack, model = await _history(town, folder / "history")
        db = await stored(url)
        (folder / "rows").write_bytes(pickle.dumps(db.tables))
        deaths = [death for replica in replicas for death in replica.deaths]
        return Verdict(
            db=db,
            slack=slack,
            broken=[
                *check_invariants(db, slack, model),
                *(
                    Broken(rule="I6", says=f"{line!r} was written down twice")
                    for line in project.written_twice()
                ),
            ],
            kills=len(deaths),
            faults=storm.counts["faults"] + people.get("faults", 0),
            takeovers=watch.takeovers(deaths),
        )


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncGenerator[None]:
    """Do some work until the block is left; what it fails with is raised there."""
    task = asyncio.create_task(work)
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _rest(town: Town, url: str) -> None:
    """Wait until nothing is under way, or for as long as anybody would."""
    until = time.monotonic() + _COMES_TO_REST_WITHIN
    while time.monotonic() < until:
        pending = await town.ask("rest")
        quiet = SlackHistory(bot_user_id="", pending=pending)
        if is_at_rest(await stored(url), quiet):
            return
        await asyncio.sleep(_LOOKS_EVERY)


async def _history(town: Town, path: Path) -> tuple[SlackHistory, ModelHistory]:
    await town.ask("history", str(path))
    return _read(path)


def _read(path: Path) -> tuple[SlackHistory, ModelHistory]:
    slack, model = pickle.loads(path.read_bytes())  # noqa: S301 - our own child's
    return slack, model


if __name__ == "__main__":
    main()
