"""One measurement over real sockets; prints what was found as JSON.

This process is Slack with the people in it; the program and the model's server are
processes of their own.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import aiohttp

from app.loop import new_event_loop
from app.sandbox.limits import Shape
from bench.children import child
from bench.model_server import RATE
from bench.sockets.processes import Program, serving
from bench.sockets.town import Asked, Town, slack
from bench.streaming.bound import written_for
from bench.streaming.measures import staleness
from bench.streaming.stream import Stream
from bench.table import percentile

PATIENCE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """So many people, who go on asking for so many seconds, or ask once if it is 0."""

    shape: Shape
    people: int
    seconds: float = 0.0
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What people saw, and what that took of the machine; times in seconds.

    `stale` is the mean age of the oldest text that was written and not seen, `first`
    from the first delta to the first text in view, `lag` from the last delta to the
    whole answer. `calls` are those to `chat.*` for each answer, `refused` their share
    that met a 429. `busy` are CPU seconds of the program for 1,000 deltas, `resident`
    the most bytes that it held.
    """

    stale: float
    first_p50: float
    first_p95: float
    lag_p50: float
    lag_p95: float
    lag_max: float
    calls: float
    refused: float
    per_minute: float
    answers: int
    undone: int
    backwards: int
    busy: float
    resident: int


@dataclass(slots=True, kw_only=True, eq=False)
class Told(Stream):
    """An answer of which each token came when it came."""

    times: list[float]

    def comes(self, count: int) -> float:
        """When the first `count` tokens were there."""
        return self.times[count - 1]


async def measured(case: Case) -> Found:
    """Have people ask, and look at what they saw."""
    sandbox = await slack(case.shape, case.seed)
    town = Town(sandbox, case.seed)
    try:
        with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
            async with (
                child("bench.sockets.model") as model,
                serving(sandbox, model, Path(folder)) as program,
                town.watching(),
            ):
                before = program.busy()
                if case.seconds:
                    await town.keep_asking(case.people, case.seconds, PATIENCE)
                else:
                    await town.ask_at_once(case.people, PATIENCE)
                until = time.time()
                return _judged(town, await _told(model), until, program, before)
    finally:
        await sandbox.close()


async def _told(model: str) -> Mapping[str, list[float]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{model}/told") as answer,
    ):
        told: Mapping[str, list[float]] = await answer.json()
        return told


def _judged(
    town: Town,
    told: Mapping[str, list[float]],
    until: float,
    program: Program,
    before: float,
) -> Found:
    busy, deltas = program.busy() - before, sum(map(len, told.values()))
    streams = [
        _stream(asked, told[str(asked.number)])
        for asked in town.asked
        if told.get(str(asked.number))
    ]
    done = [each.seen[-1][0] if each.is_whole else until for each in streams]
    lags = [at - each.ends for at, each in zip(done, streams, strict=True)]
    firsts = [
        (each.seen[0][0] if each.seen else until) - each.begun for each in streams
    ]
    calls = town.calls.total()
    return Found(
        stale=sum(staleness(each, until) for each in streams) / written_for(streams),
        first_p50=percentile(firsts, 0.5),
        first_p95=percentile(firsts, 0.95),
        lag_p50=percentile(lags, 0.5),
        lag_p95=percentile(lags, 0.95),
        lag_max=max(lags),
        calls=calls / len(town.asked),
        refused=town.refused.total() / calls,
        per_minute=60
        * len(streams)
        / (max(done) - min(each.begun for each in streams)),
        answers=len(town.asked),
        undone=sum(not asked.whole.is_set() for asked in town.asked),
        backwards=sum(
            after < seen
            for each in streams
            for (_, seen), (_, after) in pairwise(each.seen)
        ),
        busy=busy / deltas * 1_000,
        resident=program.peak(),
    )


def _stream(asked: Asked, times: list[float]) -> Told:
    return Told(
        number=asked.number,
        channel="",
        tokens=len(times),
        rate=RATE,
        begun=times[0],
        seen=asked.seen,
        times=times,
    )


async def _run(shape: str, people: str, seconds: str, seed: str) -> None:
    case = Case(
        shape=Shape(shape), people=int(people), seconds=float(seconds), seed=int(seed)
    )
    print(json.dumps(asdict(await measured(case))), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_run(*sys.argv[1:]))
