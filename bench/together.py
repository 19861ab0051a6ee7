"""Many benches in one go: some need the machine for themselves, the others share it."""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.options import Options
from bench.table import show, surroundings

# Their figures are times on the wall, which others would spoil.
_ALONE = frozenset({"ingest", "first_sign", "queue", "startup", "streams"})
# It mostly waits; the others give way to it.
_PATIENT = "e2e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one bench went, in a process of its own."""

    name: str
    is_met: bool
    seconds: float
    figures: dict[str, Any]


def run(names: Sequence[str], options: Options) -> list[Ran]:
    """Run these, print the table of each as it comes, and how long each took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
        ran = asyncio.run(_all(names, options, Path(folder)))
    took = time.monotonic() - began
    show(
        f"together: {took:.0f} s",
        ("bench", "s", ""),
        [
            (each.name, f"{each.seconds:.0f}", "met" if each.is_met else "MISSED")
            for each in ran
        ],
    )
    return ran


async def _all(names: Sequence[str], options: Options, folder: Path) -> list[Ran]:
    async def ran(some: Sequence[str], *before: str) -> list[Ran]:
        return [await _run(name, options, folder, *before) for name in some]

    alone = [name for name in names if name in _ALONE]
    patient = [name for name in names if name == _PATIENT]
    sharing = [name for name in names if name not in (*_ALONE, _PATIENT)]
    first = await ran(alone)
    both = await asyncio.gather(ran(sharing, *_giving_way()), ran(patient))
    return [*first, *both[0], *both[1]]


def _giving_way() -> list[str]:
    return ["nice", "-n", "10"] if shutil.which("nice") else []


async def _run(name: str, options: Options, folder: Path, *before: str) -> Ran:
    began = time.monotonic()
    figures = folder / f"{name}.json"
    process = await asyncio.create_subprocess_exec(
        *before,
        sys.executable,
        "-m",
        "bench",
        name,
        *replace(options, json=figures).words(),
        stdout=asyncio.subprocess.PIPE,
        env=surroundings(),
    )
    told, _ = await process.communicate()
    print(told.decode(), end="", flush=True)
    return Ran(
        name=name,
        is_met=process.returncode == 0,
        seconds=time.monotonic() - began,
        figures=json.loads(figures.read_text("utf-8")) if figures.exists() else {},
    )
