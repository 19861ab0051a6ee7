"""What has just happened, for everybody who waits or watches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

from app.sandbox.records import Json

T = TypeVar("T")

_QUEUE_LIMIT = 2000
# A condition may also depend on time (a status that expires) or on the app itself.
_LOOK_AGAIN = 0.05


class Feed:
    """Tells watchers of each happening, in order; never waits for a slow one."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[Json | None]] = set()
        self._wakers: set[asyncio.Event] = set()

    def publish(self, kind: str, tell: Callable[[], Json]) -> None:
        """Tell everybody; `tell` is asked only if somebody watches.

        A watcher who has fallen far behind is dropped.
        """
        for waker in self._wakers:
            waker.set()
        if not self._watchers:
            return
        happening = {"kind": kind, **tell()}
        for queue in tuple(self._watchers):
            if queue.qsize() >= _QUEUE_LIMIT:
                self._watchers.discard(queue)
                queue.put_nowait(None)
            else:
                queue.put_nowait(happening)

    @contextlib.contextmanager
    def watch(self) -> Iterator[AsyncIterator[Json]]:
        """Open an endless iterator over all that happens from now on."""
        queue: asyncio.Queue[Json | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield self._drain(queue)
        finally:
            self._watchers.discard(queue)

    @staticmethod
    async def _drain(queue: asyncio.Queue[Json | None]) -> AsyncIterator[Json]:
        while (happening := await queue.get()) is not None:
            yield happening

    def close(self) -> None:
        """End every watcher's iterator."""
        for queue in tuple(self._watchers):
            queue.put_nowait(None)

    async def until(self, condition: Callable[[], T | None], timeout: float) -> T:  # noqa: ASYNC109 - the caller's own patience is the point
        """Return the first truthy answer, asked again at every happening.

        Raises TimeoutError after `timeout` seconds.
        """
        waker = asyncio.Event()
        self._wakers.add(waker)
        try:
            async with asyncio.timeout(timeout):
                while not (answer := condition()):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(waker.wait(), _LOOK_AGAIN)
                    waker.clear()
        finally:
            self._wakers.discard(waker)
        return answer
