"""From the start of the process to a bot that is ready."""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from app.sandbox.server import Sandbox
from bench.report import Check, judged
from bench.table import free_port, median, show, surroundings

STARTS = 3
MOST_SECONDS = 3.0


async def _measure() -> list[float]:
    sandbox = await Sandbox.start()
    try:
        with tempfile.TemporaryDirectory(prefix="threadline-bench-") as folder:
            return [
                await _start(sandbox, f"sqlite:///{Path(folder) / f'{number}.db'}")
                for number in range(STARTS)
            ]
    finally:
        await sandbox.close()


async def _start(sandbox: Sandbox, url: str) -> float:
    port = free_port()
    environment = {
        **surroundings(),
        "SLACK_BOT_TOKEN": sandbox.bot_token,
        "SLACK_APP_TOKEN": sandbox.app_token,
        "SLACK_API_URL": sandbox.api_url,
        "OPENAI_BASE_URL": sandbox.model_url,
        "DATABASE_URL": url,
        "PORT": str(port),
    }
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "serve", env=environment, stdout=_nowhere()
    )
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            # Asking is the only way to know: another process has no event to wait for.
            while not await _is_ready(session, port):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return time.perf_counter() - began
    finally:
        process.terminate()
        await process.wait()


async def _is_ready(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY)


def run() -> bool:
    """Print the table; false when the target is missed."""
    times = asyncio.run(_measure())
    show(
        f"startup: process → ready, new database (must: ≤ {MOST_SECONDS:.0f} s)",
        ("starts", "median s", "slowest s"),
        [(len(times), f"{median(times):.2f}", f"{max(times):.2f}")],
    )
    slowest = Check(what="slowest", was=max(times), must=MOST_SECONDS, unit=" s")
    return judged([slowest])
