"""Runs of the simulation, spread over the processors."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

from app.sandbox.limits import Shape
from bench.streaming.load import Town
from bench.streaming.measures import Measured, mean, measure
from bench.streaming.ours import process
from bench.streaming.peers import PEERS, Policy
from bench.streaming.slack import FakeSlack
from bench.virtual import Clock, virtually

OURS = "ours"
# Ours in direct messages of a workspace that wants Slack's own streams.
MIXED = "mixed"
POLICIES: dict[str, Policy] = {
    OURS: process(native_streams=False),
    MIXED: process(native_streams=True),
    **PEERS,
}

SECONDS = 300.0
# Whoever has no whole answer so long after the last question has none.
PATIENCE = 300.0
BURST_PATIENCE = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is simulated: `people` who go on asking, or ask once in a `burst`.

    `scale` is the true limit of posts and edits over the documented one.
    """

    policy: str
    people: int
    shape: Shape
    scale: float = 1.0
    burst: bool = False
    seed: int = 1


def simulate(case: Case) -> Measured:
    """Run one case with its own seed."""

    async def main(_: Clock) -> Measured:
        slack = FakeSlack(case.shape, seed=case.seed, scale=case.scale)
        is_mixed = case.policy == MIXED
        town = Town(slack=slack, seed=case.seed, is_direct=is_mixed)
        async with POLICIES[case.policy](slack) as answer:
            if case.burst:
                until = await town.ask_at_once(answer, case.people, BURST_PATIENCE)
            else:
                until = await town.keep_asking(answer, case.people, SECONDS, PATIENCE)
        return measure(town.streams, slack, until, case.scale, streamed=is_mixed)

    return virtually(main)


def simulate_all(
    cases: Iterable[Case], seeds: Sequence[int]
) -> list[tuple[Case, Measured]]:
    """Run each case with each seed; returns the means, in the order of the cases."""
    asked = list(cases)
    jobs = [replace(case, seed=seed) for case in asked for seed in seeds]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        # The largest first, so that no processor is left with one at the end.
        order = sorted(range(len(jobs)), key=lambda at: -jobs[at].people)
        runs = dict(
            zip(order, pool.map(simulate, (jobs[at] for at in order)), strict=True)
        )
    each = len(seeds)
    return [
        (case, mean([runs[at * each + i] for i in range(each)]))
        for at, case in enumerate(asked)
    ]
