"""The events of a run between the one that makes them and the one that reads them."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from app.sandbox.model.events import Event
from app.sandbox.model.pace import HungUp

_LOOK_SECONDS = 0.05


class Feed:
    """What one stretch of a run has to tell; a run does not wait for its reader."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._is_closed = False
        self._has_left = False

    def put(self, event: Event) -> None:
        """Add an event, unless nobody reads."""
        if not self._has_left:
            self._events.append(event)
            self._news.set()

    def close(self) -> None:
        """Say that nothing comes after this."""
        self._is_closed = True
        self._news.set()

    def leave(self) -> None:
        """Read no more."""
        self._has_left = True
        self._events.clear()

    async def take(self, is_gone: Callable[[], bool]) -> list[Event]:
        """All events that are there, waiting for one; none at the end.

        Raises `HungUp` soon after the client has gone.
        """
        while not self._events and not self._is_closed:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            if is_gone():
                raise HungUp
        taken = list(self._events)
        self._events.clear()
        return taken
