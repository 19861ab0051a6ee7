"""Tasks that nobody waits for: watched, so that no failure goes unheard."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from app import telemetry

log = logging.getLogger(__name__)

Work = Coroutine[Any, Any, None]

_AFTER_A_FAILURE = 1.0


class SideTasks:
    """Runs work beside the caller; what goes wrong in there is logged and counted."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Work) -> asyncio.Task[None]:
        """Run `work`; whoever waits for its task need not look how it went."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def repeat(self, step: Callable[[], Work]) -> asyncio.Task[None]:
        """Run `step` again and again; after a failure with a pause."""
        return self.start(_forever(step))

    async def settle(self, patience: float) -> None:
        """Wait until all of it has ended by itself, or for so many seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)

    async def cancel(self, patience: float | None = None) -> None:
        """End all of it, and wait until it has ended, or for so many seconds."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=patience)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _tell(error)


async def _forever(step: Callable[[], Work]) -> None:
    while True:
        try:
            await step()
        except Exception as error:  # noqa: BLE001 - the monitor of side tasks
            _tell(error)
            await asyncio.sleep(_AFTER_A_FAILURE)


def _tell(error: BaseException) -> None:
    # Not the error's own words: they may quote a message.
    log.error("task failed", extra=telemetry.fault(error))
    telemetry.count("tasks.failed")
