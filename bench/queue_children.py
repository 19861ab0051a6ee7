"""The processes that `bench queue` measures: started, listened to, and ended."""

import asyncio
import json
import sys
from collections.abc import Sequence

from bench.queue_journal import Note, now
from bench.table import surroundings

OURS, PEER = "queue_ours", "queue_peer"

_LOOK = 0.05
# All turns of a process are told in one line.
_LONGEST_LINE = 1 << 24


class Child:
    """A process that works on a queue, and tells of its turns."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._heard = asyncio.create_task(self._listen())
        self._begun = asyncio.Event()
        self.turns = 0

    @classmethod
    async def start(cls, module: str, role: str, *arguments: object) -> "Child":
        """Run a role of a module of this folder; returns once it works."""
        child = cls(await _process(module, role, *arguments))
        await child._begun.wait()
        return child

    async def _listen(self) -> list[Note]:
        assert self._process.stdout is not None  # noqa: S101 - asked for below
        line = b"[]"
        while told := await self._process.stdout.readline():
            line = told
            self.turns = self.turns if told.startswith(b"[") else int(told)
            self._begun.set()
        self._begun.set()
        return [Note(*each) for each in json.loads(line)]

    @property
    def is_gone(self) -> bool:
        """Whether it has ended, of itself."""
        return self._heard.done()

    async def end(self) -> list[Note]:
        """End it, and return all of its turns."""
        assert self._process.stdin is not None  # noqa: S101 - asked for below
        self._process.stdin.close()
        notes = await self._heard
        if await self._process.wait():
            raise RuntimeError("a process under measurement has failed")
        return notes


async def run(module: str, role: str, *arguments: object) -> None:
    """Run a role of a module of this folder to its end."""
    process = await _process(module, role, *arguments)
    if await process.wait():
        raise RuntimeError(f"{module} {role} has failed")


async def drained(children: Sequence[Child], count: int, longest: float) -> list[Note]:
    """End them after `count` turns, or `longest` seconds; returns all turns."""
    ends = now() + longest
    # Asking is the only way to know: they are other processes.
    while sum(each.turns for each in children) < count and now() < ends:
        await asyncio.sleep(_LOOK)
        if any(each.is_gone for each in children):
            break
    return [note for each in children for note in await each.end()]


async def _process(
    module: str, role: str, *arguments: object
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.queue_process",
        module,
        role,
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=surroundings(),
        limit=_LONGEST_LINE,
    )
