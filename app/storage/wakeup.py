"""The hint that something is ready, within one process."""

import asyncio


class Wakeup:
    """Many wake-ups before a wait count as one; none is lost between two waits."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """End the current wait, or else the next one at once."""
        self._woken.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109
        """Return when woken, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()
