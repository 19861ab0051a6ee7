"""`make chaos` as a process: one line, and nothing left behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.e2e.program import ROOT

PATIENCE = 100.0
PROCESSES = Path("/proc")
pytestmark = pytest.mark.timeout(150)


async def begin(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.chaos",
        "--seed",
        "1",
        "--replicas",
        "1",
        *arguments,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=PIPE,
        stderr=PIPE,
    )


async def end(process: Process) -> tuple[str, str]:
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return out.decode(), err.decode()


def children_of(pid: int) -> list[int]:
    """The processes that a process has begun, as the system counts them."""
    found = []
    for stat in PROCESSES.glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after_name[1]) == pid:
            found.append(int(stat.parent.name))
    return found


async def test_a_short_storm_is_told_in_one_line():
    process = await begin("--duration", "4", "--every", "1")

    out, err = await end(process)

    assert (process.returncode, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert "0 lost, 0 doubled, 0 out of order, 0 written twice" in out


@pytest.mark.skipif(not PROCESSES.exists(), reason="the system does not tell")
async def test_a_storm_that_is_interrupted_leaves_no_process_behind():
    process = await begin("--duration", "60")
    async with asyncio.timeout(PATIENCE):
        # Processes tell nobody that they are there.
        while len(children := children_of(process.pid)) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.1)

    process.send_signal(signal.SIGINT)
    await end(process)

    assert process.returncode == 130
    assert not [pid for pid in children if (PROCESSES / str(pid)).exists()]
