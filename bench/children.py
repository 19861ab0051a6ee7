"""Servers under measurement, each in a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.table import surroundings


@asynccontextmanager
async def child(module: str, *arguments: str) -> AsyncIterator[str]:
    """Run `python -m module arguments`; yields the address that it prints first."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env=surroundings(),
    )
    assert process.stdout is not None  # noqa: S101 - asked for above
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        yield line.decode().strip()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
