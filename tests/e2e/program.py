"""`python -m app` as a process, as an operator sees it."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
PATIENCE = 40.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a process has ended, and all that it has said."""

    code: int
    out: str
    err: str


@dataclass(kw_only=True)
class Program:
    """A running process; `said` is what it has printed so far."""

    process: Process
    said: list[str] = field(default_factory=list)

    async def says(self, words: str) -> str:
        """Wait until it prints a line with these words; return the line."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            while line := (await self.process.stdout.readline()).decode():
                self.said.append(line)
                if words in line:
                    return line
        ended = await self.ends()
        raise AssertionError(f"never said {words!r}: {ended}")

    async def ends(self, number: signal.Signals | None = None) -> Ended:
        """Wait until it has ended, after a signal if one is given."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        code = self.process.returncode
        assert code is not None
        return Ended(code=code, out="".join(self.said) + out.decode(), err=err.decode())


@asynccontextmanager
async def running(
    *arguments: str, folder: Path, settings: Mapping[str, str]
) -> AsyncGenerator[Program]:
    """Run the program in an empty folder, with these settings and no others."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "app",
        *arguments,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Program(process=process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def run(*arguments: str, folder: Path, settings: Mapping[str, str]) -> Ended:
    """Run the program to its end."""
    async with running(*arguments, folder=folder, settings=settings) as program:
        return await program.ends()


def settings_for(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """What lets a process serve a sandbox over Socket Mode, at a free port."""
    return {
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_API_URL": sandbox.api_url,
        "OPENAI_BASE_URL": sandbox.model_url,
        "PORT": str(free_port()),
        **more,
    }


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
