"""The program as a process of its own, and what it takes of the machine."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from app.sandbox.server import Sandbox
from bench.table import free_port, surroundings

_READY = b"/invite"
_BEGINS_WITHIN = 60.0
_KIB = 1024


class Program:
    """A running process; where nobody tells of processes, all its figures are 0."""

    def __init__(self, process: Process) -> None:
        self._about = Path(f"/proc/{process.pid}")

    def busy(self) -> float:
        """CPU seconds until now."""
        stat = self._about / "stat"
        if not stat.exists():
            return 0.0
        # What stands before the last bracket is the name, with anything in it.
        fields = stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """The most memory that it has held, in bytes."""
        status = self._about / "status"
        lines = status.read_text().splitlines() if status.exists() else []
        peaks = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
        return sum(peaks) * _KIB


@asynccontextmanager
async def serving(sandbox: Sandbox, model: str, folder: Path) -> AsyncIterator[Program]:
    """Run `python -m app serve` for the sandbox's workspace; yields it once ready.

    Raises RuntimeError when it ends before, with what it said.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        "serve",
        env={**surroundings(), **_settings(sandbox, model, folder)},
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=(folder / "log").open("wb"),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_BEGINS_WITHIN):
            await _until_ready(process, folder)
        reading = asyncio.ensure_future(_read_on(process))
        yield Program(process)
        reading.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _until_ready(process: Process, folder: Path) -> None:
    assert process.stdout is not None  # noqa: S101 - asked for above
    while line := await process.stdout.readline():
        if _READY in line:
            return
    said = (folder / "log").read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"the program has ended: {said[-2000:]}")


async def _read_on(process: Process) -> None:
    if process.stdout:
        await process.stdout.read()


def _settings(sandbox: Sandbox, model: str, folder: Path) -> Mapping[str, str]:
    return {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_API_URL": sandbox.api_url,
        "OPENAI_BASE_URL": f"{model}/v1",
        "DATABASE_URL": f"sqlite:///{folder / 'threadline.db'}",
        "PORT": str(free_port()),
        "TURNS_PER_PERSON_PER_HOUR": "0",
    }
