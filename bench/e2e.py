"""The program as it is served, over real sockets: what people see, what it takes."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from bench.options import Options
from bench.report import Check, Report
from bench.sockets.case import Case, Found
from bench.table import surroundings

PEOPLE = (1, 5, 20)
# Long enough for a minute to end in it.
SUSTAINED = 45.0
MOST_STALE, MOST_LAG = 6.0, 6.0
MOST_BUSY = 0.4
MOST_MIB = 150
_MANY = 20
_MIB = 1 << 20
_NOTES = """\
`python -m app serve` on SQLite over Socket Mode, a sandbox with Slack's limits and a
model's server, each a process of its own. Answers have 300 to 400 tokens, 60 a second;
a call takes 80 to 150 ms. People ask once, all within two seconds, or go on asking two
to five seconds after each answer, for 45 seconds. What was visible when is from the
sandbox's journal, what was written when from the model's server. *stale* is the mean
age of the oldest text that is written and not yet seen, *first* is from the first delta
to the first text in view, *lag* from the last delta to the whole answer, *CPU* the
program's seconds for 1,000 deltas, *MiB* the most memory that it held."""


def run(options: Options) -> Report:
    """Measure the bursts side by side, then those who go on asking."""
    people = options.people or PEOPLE
    seed = options.seeds[0]
    bursts = [
        Case(shape=shape, people=count, seed=seed)
        for shape in options.shapes
        for count in people
    ]
    lasting = [
        Case(shape=shape, people=max(people), seconds=SUSTAINED, seed=seed)
        for shape in options.shapes
    ]
    found = asyncio.run(_all([bursts, lasting]))
    return Report(
        name="e2e",
        title="the program over real sockets",
        notes=_NOTES,
        head=(
            "limiter",
            "people",
            "ask",
            "stale s",
            "first p50/p95",
            "lag p50/p95/max",
            "calls",
            "429 %",
            "per min",
            "undone",
            "back",
            "CPU",
            "MiB",
        ),
        rows=[_row(case, each) for case, each in found],
        checks=[*_never(found), *(each for pair in found for each in _checks(*pair))],
        figures=[{**asdict(case), **asdict(each)} for case, each in found],
    )


async def _all(stages: Sequence[Sequence[Case]]) -> list[tuple[Case, Found]]:
    return [
        pair
        for cases in stages
        for pair in zip(cases, await asyncio.gather(*map(_found, cases)), strict=True)
    ]


async def _found(case: Case) -> Found:
    """Measure in a process of its own; raises RuntimeError when it ends without."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.sockets.case",
        *map(str, asdict(case).values()),
        stdout=asyncio.subprocess.PIPE,
        env=surroundings(),
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"nothing was measured: {case}")
    return Found(**json.loads(told))


def _row(case: Case, found: Found) -> tuple[str, ...]:
    return (
        case.shape,
        str(case.people),
        "again" if case.seconds else "once",
        f"{found.stale:.2f}",
        f"{found.first_p50:.2f}/{found.first_p95:.2f}",
        f"{found.lag_p50:.2f}/{found.lag_p95:.2f}/{found.lag_max:.2f}",
        f"{found.calls:.1f}",
        f"{found.refused:.1%}".removesuffix("%"),
        f"{found.per_minute:.0f}",
        str(found.undone),
        str(found.backwards),
        f"{found.busy:.2f}",
        f"{found.resident / _MIB:.0f}",
    )


def _never(found: Sequence[tuple[Case, Found]]) -> list[Check]:
    """What must not happen to a single answer."""
    undone = sum(each.undone for _, each in found)
    back = sum(each.backwards for _, each in found)
    return [
        Check(what="undone", was=undone, must=0),
        Check(what="texts that went back", was=back, must=0),
    ]


def _checks(case: Case, found: Found) -> list[Check]:
    if case.people < _MANY or not case.seconds:
        return []
    where = f"{case.shape}, {case.people} again"
    mib = found.resident / _MIB
    return [
        Check(what=f"{where}: stale", was=found.stale, must=MOST_STALE, unit=" s"),
        Check(what=f"{where}: lag p95", was=found.lag_p95, must=MOST_LAG, unit=" s"),
        Check(what=f"{where}: CPU", was=found.busy, must=MOST_BUSY, unit=" s"),
        Check(what=f"{where}: memory", was=mib, must=MOST_MIB, unit=" MiB"),
    ]
