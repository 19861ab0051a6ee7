"""How much is lost where several processes share one budget through the database."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from app.sandbox.limits import Shape
from app.storage.migrate import migrate
from bench.options import Options
from bench.report import Check, Report
from bench.staleness import never_checks
from bench.streaming.figures import HEAD, row, short
from bench.streaming.load import Town
from bench.streaming.measures import Measured, mean, measure
from bench.streaming.ours import process
from bench.streaming.peers import Answer
from bench.streaming.runs import PATIENCE, SECONDS
from bench.streaming.shared import sharing
from bench.streaming.slack import FakeSlack
from bench.virtual import Clock, virtually
from tests.postgres import postgres_server

# Which part of the questions each process gets; none is one that shares with nobody.
Loads = tuple[int, ...]
ALONE: Loads = ()
ONE: Loads = (1,)
EVEN: Loads = (1, 1, 1, 1)
UNEVEN: Loads = (7, 1, 1, 1)
ALL = (ALONE, ONE, (1, 1), (7, 3), EVEN, UNEVEN)
# What is simulated if nobody asks for numbers of people; then it is all of them.
SOME = {
    (Shape.BUCKET, 5): (ALONE, ONE, EVEN, UNEVEN),
    (Shape.BUCKET, 20): (ALONE, EVEN),
    (Shape.WINDOW, 5): (ALONE, UNEVEN),
    (Shape.WINDOW, 20): (ALONE, EVEN),
}
PEOPLE = (5, 20)
# Mean staleness over that of one process alone.
_MUST, _GOAL = 1.15, 1.08
_MOST_REFUSED = 1.0
_NOTES = """\
The same questions as above, answered by one process with all of the budget or by
several that borrow the tokens for edits and posts from rows of a real Postgres, which
takes the simulation's clock for its own. *parts* is who gets how much of the questions,
*x one* the mean staleness over that of one process alone. `--n 5,20` simulates more
such parts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    loads: Loads
    people: int
    shape: Shape
    seed: int
    url: str

    @property
    def parts(self) -> str:
        """Who gets how much."""
        total = sum(self.loads)
        shares = "/".join(f"{100 * each // total}" for each in self.loads)
        return f"{len(self.loads)} share: {shares}" if self.loads else "1 alone"


def _answers(case: _Case, slack: FakeSlack) -> AbstractAsyncContextManager[Answer]:
    if not case.loads:
        return process(native_streams=False)(slack)
    run = f"{case.parts} {case.people} {case.shape} {case.seed}"
    return sharing(slack, case.url, run, case.loads)


def _simulate(case: _Case) -> Measured:
    async def main(_: Clock) -> Measured:
        slack = FakeSlack(case.shape, seed=case.seed)
        town = Town(slack=slack, seed=case.seed)
        async with _answers(case, slack) as answer:
            until = await town.keep_asking(answer, case.people, SECONDS, PATIENCE)
        return measure(town.streams, slack, until, 1.0)

    return virtually(main)


def _simulate_all(
    cases: Sequence[_Case], seeds: Sequence[int]
) -> list[tuple[_Case, Measured]]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(_simulate, cases))
    each = len(seeds)
    return [
        (case, mean(runs[at : at + each]))
        for at, case in enumerate(cases)
        if at % each == 0
    ]


def run(options: Options) -> Report:
    """Simulate all cases that are asked for, on one database of their own."""
    with postgres_server() as new_database:
        url = new_database()
        asyncio.run(migrate(url))
        found = _simulate_all(
            [
                _Case(loads=loads, people=people, shape=shape, seed=seed, url=url)
                for shape in options.shapes
                for people in options.people or PEOPLE
                for loads in (ALL if options.people else SOME[shape, people])
                for seed in options.seeds
            ],
            options.seeds,
        )
    alone = {(case.shape, case.people): each for case, each in found if not case.loads}
    ratios = [each.stale / alone[case.shape, case.people].stale for case, each in found]
    return Report(
        name="replicas",
        title="what several processes lose that share one budget",
        notes=_NOTES,
        head=("limiter", "people", "parts", "x one", *HEAD),
        rows=[
            (case.shape, str(case.people), case.parts, short(ratio), *row(each))
            for (case, each), ratio in zip(found, ratios, strict=True)
        ],
        checks=_checks(found, ratios),
        figures=[
            {
                "shape": case.shape,
                "people": case.people,
                "parts": case.parts,
                "ratio": ratio,
                "stale": each.stale,
                "refused": each.refused,
            }
            for (case, each), ratio in zip(found, ratios, strict=True)
        ],
    )


def _checks(
    found: Sequence[tuple[_Case, Measured]], ratios: Sequence[float]
) -> list[Check]:
    shared = [
        (case, each, ratio)
        for (case, each), ratio in zip(found, ratios, strict=True)
        if case.loads
    ]
    checks = [
        Check(
            what=f"{case.shape}: {case.people}, {case.parts}",
            was=ratio,
            must=_MUST,
            goal=_GOAL,
            unit=" x",
        )
        for case, _, ratio in shared
    ]
    refused = max(each.refused for _, each, _ in shared) * 100
    what = "refused calls"
    return [
        *checks,
        Check(what=what, was=refused, must=_MOST_REFUSED, unit=" %"),
        *never_checks([each for _, each, _ in shared], "shared"),
    ]
