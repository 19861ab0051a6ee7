"""The lease of this process: kept by a heartbeat, and by its own clock never longer."""

import asyncio
import logging
import time
from collections.abc import Callable

from app import __version__, telemetry
from app.errors import DatabaseUnavailable
from app.storage.leases import Leases
from app.turns.side_tasks import SideTasks

log = logging.getLogger(__name__)

# A process that can't be sure of its lease falls silent before others think it dead.
_MARGIN = 0.5
# Where one beat gets no answer the next one tries another connection.
_BEATS_AT_ONCE = 3
# Seconds: where nobody lived for long, the first beat may have much to see to.
_TO_RETURN = 60.0


class Tenure:
    """Says whether this process may still write for its turns; times in seconds.

    A tenure that has lapsed, because the database was away, the process was paused or
    its loop was held up, never comes back: what was held in it may be somebody else's
    by now. `on_lapse` is called before a new one begins, and must let go of it all.
    """

    def __init__(
        self,
        worker_id: str,
        leases: Leases,
        *,
        lease: float,
        beat: float,
        on_lapse: Callable[[], None],
    ) -> None:
        self._worker_id = worker_id
        self._leases = leases
        self._lease = lease
        self._beat_every = beat
        self._on_lapse = on_lapse
        self._held_until = 0.0
        self._heard_at = 0.0
        self._judges_from = 0.0
        self._has_lapsed = False
        self._is_unheard = False
        self._lapses = 0
        self._beats = SideTasks()

    @property
    def lapses(self) -> int:
        """How often it has lapsed; what was begun at another count is not held."""
        return self._lapses

    @property
    def is_alive(self) -> bool:
        """Whether the lease holds, by the monotonic clock of this process."""
        return time.monotonic() < self._held_until

    @property
    def may_judge(self) -> bool:
        """Whether a process that gives no sign of life can be told to be dead.

        Where this one was not heard for a while, the others may not have been either:
        they are given the time of two beats.
        """
        return self.is_alive and time.monotonic() >= self._judges_from

    async def begin(self) -> None:
        """Take the lease. Raises DatabaseUnavailable."""
        began = time.monotonic()
        await self._leases.beat(self._worker_id, __version__, self._lease)
        self._heard_at, self._held_until = began, began + self._lease - _MARGIN

    async def keep(self) -> None:
        """Keep the lease until the next beat is due."""
        await asyncio.sleep(self._beat_every)
        self._notice_a_lapse()
        if len(self._beats) < _BEATS_AT_ONCE:
            self._beats.start(self._beat())

    async def end(self) -> None:
        """Give the lease back, so that nobody waits for its end."""
        await self._beats.cancel()
        self._held_until = 0.0
        try:
            await self._leases.retire(self._worker_id)
        except DatabaseUnavailable:
            log.warning(
                "others take over in some seconds, the database does not answer"
            )

    async def _beat(self) -> None:
        began = time.monotonic()
        patience = self._lease / 2 if self.is_alive else _TO_RETURN
        try:
            async with asyncio.timeout(patience):
                await self._leases.beat(self._worker_id, __version__, self._lease)
        except (DatabaseUnavailable, TimeoutError):
            # One that began before another was heard says nothing about now.
            self._is_unheard = self._is_unheard or began >= self._heard_at
            telemetry.count("lease.beats_missed")
            log.warning("no heartbeat, the database does not answer")
            return
        self._notice_a_lapse()
        now = time.monotonic()
        if self._is_unheard:
            self._is_unheard = False
            away = round(now - self._heard_at)
            log.info("the database answers again", extra={"seconds": away})
        if now - self._heard_at > 2 * self._beat_every:
            self._judges_from = now + 2 * self._beat_every
        self._heard_at = now
        self._held_until = max(self._held_until, began + self._lease - _MARGIN)
        self._has_lapsed = not self.is_alive

    def _notice_a_lapse(self) -> None:
        if self.is_alive or self._has_lapsed:
            return
        self._has_lapsed = True
        self._lapses += 1
        telemetry.count("lease.lapsed")
        log.warning("the database was not reached in time, all turns are let go of")
        self._on_lapse()
