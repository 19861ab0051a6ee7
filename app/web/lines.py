"""The lines of the protocol, and the queue in which they wait for a slow reader.

A line is `<code>:<json>`. The protocol is that of the `useAssistant` hook: 0 is a piece
of text, 3 an error, 4 a message of the assistant, 5 says which thread and message this
is about, 6 is a data message.
"""

import asyncio
import json
from collections import deque
from enum import StrEnum
from typing import Any

MOST_WAITING = 4 * 1024 * 1024


class Code(StrEnum):
    """What a line is."""

    TEXT = "0"
    ERROR = "3"
    MESSAGE = "4"
    CONTROL = "5"
    DATA = "6"


class Lines:
    """Lines on their way to one reader; putting one never waits.

    Text that waits is joined to the text before it, so that a slow reader gets fewer
    and longer lines. Once more than `most_waiting` characters wait, or the reader has
    left, `is_broken` and nothing is kept any more.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._waiting: deque[tuple[Code, list[str]]] = deque()
        self._size = 0
        self._most_waiting = most_waiting
        self._changed = asyncio.Event()
        self._is_closed = False
        self.is_broken = False

    def text(self, piece: str) -> None:
        """Put a piece of text."""
        if self._waiting and self._waiting[-1][0] is Code.TEXT:
            if self._takes(piece):
                self._waiting[-1][1].append(piece)
        else:
            self._put(Code.TEXT, piece)

    def put(self, code: Code, value: Any) -> None:  # noqa: ANN401 - whatever JSON holds
        """Put a line of any other kind."""
        self._put(code, _json(value))

    def close(self) -> None:
        """Let nothing follow what was put."""
        self._is_closed = True
        self._changed.set()

    def give_up(self) -> None:
        """Forget what waits: the reader has left."""
        self.is_broken = True
        self._waiting.clear()
        self._changed.set()

    def take(self) -> bytes:
        """Return all that waits, as it is sent; empty when nothing does."""
        lines = []
        while self._waiting:
            code, pieces = self._waiting.popleft()
            whole = "".join(pieces)
            lines.append(f"{code}:{_json(whole) if code is Code.TEXT else whole}\n")
        self._size = 0
        self._changed.clear()
        # Half of a surrogate pair: its escape is what JSON has for it.
        return "".join(lines).encode("utf-8", "backslashreplace")

    @property
    def is_over(self) -> bool:
        """Whether nothing waits and nothing will."""
        return self.is_broken or (self._is_closed and not self._waiting)

    async def wait(self, seconds: float) -> None:
        """Return when something waits or nothing will, or after so many seconds."""
        if self._waiting or self.is_over:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def _put(self, code: Code, piece: str) -> None:
        if self._takes(piece):
            self._waiting.append((code, [piece]))
            self._changed.set()

    def _takes(self, piece: str) -> bool:
        if self._is_closed or self.is_broken:
            return False
        self._size += len(piece)
        if self._size > self._most_waiting:
            self.give_up()
        return not self.is_broken


def _json(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except ValueError:
        # No reader's JSON has infinities or what is no number.
        plain = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
