"""An event loop on a clock of its own: waiting takes no time, and is exact."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Says at once that a wait is over, and moves the clock by what it would take."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        # Nothing can come but from other threads, for which only idle loops look.
        has_files = len(self.get_map()) > 1
        if (has_files or timeout is None) and (ready := super().select(0)):
            return ready
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will ever happen")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds pass only while everybody waits."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._virtual.now


class Clock:
    """The virtual loop's clock, as parts of the program want to be given it."""

    def now(self) -> float:
        """Seconds since the loop began."""
        return asyncio.get_running_loop().time()

    async def sleep_until(self, moment: float) -> None:
        """Wait for `moment`, not at all if it is past."""
        await asyncio.sleep(max(0.0, moment - self.now()))


def virtually(main: Callable[[Clock], Coroutine[Any, Any, T]]) -> T:
    """Run `main` to its end on a virtual clock that starts at 0."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main(Clock()))
    finally:
        _cancel_all(loop)
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks))
