"""How many replies one core carries at once, ours against the typed stream's."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass

from bench.children import child
from bench.report import Check, judged
from bench.table import show, surroundings

MOST_LAG_P99 = 0.050
LEAST_PACE = 0.97
LEAST_RATIO = 3.0
MOST_KIB = 90
_GOAL, _GOAL_KIB = 300, 60
_FIRST = {"typed": 50, "ours": 160}
_MOST = 640
_HALVINGS = 1
_TRIES = 2
# A process that has far too much to do must not be waited for.
_LONGEST = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """So many replies at once, and how their process fared."""

    count: int
    p50: float
    p99: float
    pace: float
    busy: float
    resident: float

    @property
    def is_fine(self) -> bool:
        """Whether the loop stayed awake and every reply kept its pace."""
        return self.p99 < MOST_LAG_P99 and self.pace >= LEAST_PACE


async def _try(address: str, which: str, count: int) -> Carried | None:
    """Run one load to its end; None when it is far too much."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.stream_load",
        address,
        which,
        str(count),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=surroundings(),
    )
    try:
        async with asyncio.timeout(_LONGEST):
            told, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return Carried(count=count, **json.loads(told)) if told else None


async def _carries(address: str, which: str, count: int) -> Carried | None:
    """Try once more what has failed: other work on this machine looks the same."""
    for _ in range(_TRIES):
        carried = await _try(address, which, count)
        if carried is None or carried.is_fine:
            return carried
    return None


async def _most(address: str, which: str) -> Carried | None:
    """Find the most replies that go well, by doubling and then halving the gap."""
    best, too_many = None, _MOST + 1
    count = _FIRST[which]
    while count <= _MOST:
        carried = await _carries(address, which, count)
        if carried is None:
            too_many = count
            break
        best, count = carried, count * 2
    for _ in range(_HALVINGS):
        count = ((best.count if best else 0) + too_many) // 2
        carried = await _carries(address, which, count)
        if carried:
            best = carried
        else:
            too_many = count
    return best


async def _measure() -> dict[str, Carried | None]:
    # The last core for the servers, the first for the replies, where we may choose.
    cores = sorted(_cores())
    _keep_to(cores[-1:])
    async with child("bench.model_server") as address:
        _keep_to(cores[:1])
        most = {which: await _most(address, which) for which in _FIRST}
    _keep_to(cores)
    return most


def _cores() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _keep_to(cores: list[int]) -> None:
    """Keep this process, and those that it starts, to these cores."""
    if cores:
        os.sched_setaffinity(0, cores)


def run() -> bool:
    """Print the table; false when a target is missed."""
    most = asyncio.run(_measure())
    ours, typed = most["ours"], most["typed"]
    if ours is None or typed is None:
        print("\nstreams: not measured, this machine has other work to do")
        return False
    ratio = ours.count / typed.count
    kib = ours.resident / 1024
    show(
        "streams: replies at 60 tokens/s on one core, loop lag p99 < "
        f"{MOST_LAG_P99 * 1000:.0f} ms (must: ratio ≥ {LEAST_RATIO:.0f}, "
        f"≤ {MOST_KIB} KiB for each; goal: {_GOAL} replies, {_GOAL_KIB} KiB)",
        ("stream", "replies", "ratio", "p50 ms", "p99 ms", "CPU %", "KiB each"),
        [
            (
                which,
                each.count,
                f"{ratio:.1f}" if which == "ours" else "1",
                f"{each.p50 * 1000:.1f}",
                f"{each.p99 * 1000:.1f}",
                f"{each.busy * 100:.0f}",
                f"{each.resident / 1024:.0f}",
            )
            for which, each in (("typed", typed), ("ours", ours))
        ],
    )
    return judged(
        [
            Check(
                what="replies, of typed",
                was=ratio,
                must=LEAST_RATIO,
                unit=" x",
                is_least=True,
            ),
            Check(what="memory for each", was=kib, must=MOST_KIB, unit=" KiB"),
        ]
    )
