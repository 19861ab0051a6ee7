"""A copy of the program with a tool of one's own, whose every effect is written down.

A copy, so that nobody who works on the program meanwhile changes what is in the storm.
"""

import shutil
from collections import Counter
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_TOOL = """
import asyncio
import os

from app.tools.tool import ToolContext, tool

LEDGER = {ledger!r}


@tool(effect="write", label="writing {{line}}", outcome="{{line}} was written")
async def writeDown(context: ToolContext, line: str) -> str:
    '''Write a line into the ledger.'''
    await asyncio.sleep(0.3)
    ledger = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(ledger, f"{{line}}\\n".encode())
    os.close(ledger)
    await asyncio.sleep(0.3)
    return "Written down."
"""


class Project:
    """The program as it was when the storm began."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "program"
        self._ledger = folder / "ledger"

    def make(self) -> None:
        """Copy the program and add the tool."""
        forgotten = shutil.ignore_patterns("__pycache__")
        for name in ("app", "migrations"):
            shutil.copytree(_ROOT / name, self.folder / name, ignore=forgotten)
        shutil.copy(_ROOT / "pyproject.toml", self.folder)
        tool = self.folder / "app" / "tools" / "own" / "ledger.py"
        tool.write_text(_TOOL.format(ledger=str(self._ledger)))

    def written_twice(self) -> list[str]:
        """The lines that the tool was asked for once and has written more than once."""
        if not self._ledger.exists():
            return []
        lines = Counter(self._ledger.read_text().splitlines())
        return [line for line, times in lines.items() if times > 1]
