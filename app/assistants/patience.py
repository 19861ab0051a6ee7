"""How long a model may take, and one timer that sees to it."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a model may take, in seconds.

    `gap` bounds the silence between two pieces of a stream, of which a comment is one,
    as gateways send them while a model thinks; `run` bounds a whole run with all its
    passes (the Assistants API lets a run expire after 10 minutes).
    """

    connect: float = 5.0
    first_event: float = 120.0
    gap: float = 180.0
    run: float = 600.0


class Silence(Exception):
    """Nothing came for longer than was allowed."""


class Patience:
    """Bounds many waits, one after another, and all of them together by `deadline`.

    It does what `asyncio.timeout` does around each wait, at a fifth of the price: the
    timer is moved only when it rings, and it mostly rings too early.
    """

    def __init__(self, deadline: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._due = deadline
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: asyncio.Task[object] | None = None
        self._has_rung = False

    async def wait_for(self, work: Awaitable[_T], seconds: float) -> _T:
        """Return the result of `work`, given up after `seconds`.

        Raises Silence then, TimeoutError when it is the deadline that has passed.
        """
        self._due = min(self._loop.time() + seconds, self._deadline)
        self._waiting = task = asyncio.current_task()
        if self._timer is None or self._timer.when() > self._due:
            self._set_timer()
        cancels = task.cancelling() if task else 0
        try:
            return await work
        except asyncio.CancelledError:
            # Somebody else's cancel, even at the same moment, is not ours to swallow.
            if not self._has_rung or (task and task.uncancel() > cancels):
                raise
            if self._due >= self._deadline:
                raise TimeoutError from None
            raise Silence from None
        finally:
            self._waiting = None

    def close(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self.close()
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._waiting is None:
            return
        if self._loop.time() < self._due:
            self._set_timer()
            return
        self._has_rung = True
        self._waiting.cancel()
