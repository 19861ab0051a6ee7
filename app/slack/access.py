"""Whether Slack still knows our token: one answer for the whole process."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from app import telemetry
from app.errors import AccessLost, SlackError

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Access:
    """Notes when the token is refused, and asks now and then whether it still is.

    Meanwhile nobody should be answered: whatever is said would be refused, call by
    call. `probe` makes one harmless call with the token, and raises SlackError.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._probe = probe
        self._now = now
        self._sleep = sleep
        self._refused_by: str | None = None
        self._in_doubt = asyncio.Event()
        self._pause = _FIRST_PAUSE
        self._granted_at = float("-inf")

    @property
    def refused_by(self) -> str | None:
        """Slack's word for why it does not let us in, None while it does."""
        return self._refused_by

    @property
    def is_granted(self) -> bool:
        """Whether Slack lets us in, as far as is known."""
        return self._refused_by is None

    def lost(self, code: str) -> None:
        """Slack has refused the token, with this word."""
        if self._refused_by is None:
            log.error("Slack refuses the token, nobody is answered", extra={"by": code})
            telemetry.count("slack.access_lost")
            # Where it comes and goes, it is not asked ever faster.
            if self._now() - self._granted_at > _LONGEST_PAUSE:
                self._pause = _FIRST_PAUSE
            self._in_doubt.set()
        self._refused_by = code

    def doubt(self) -> None:
        """Somebody says that it is over: see at once whether it is."""
        self._in_doubt.set()

    async def regain(self) -> None:
        """Wait until the token is refused, and then until it is taken again."""
        await self._in_doubt.wait()
        self._in_doubt.clear()
        if self._refused_by is None:
            await self._look()
        while self._refused_by:
            await self._sleep(self._pause)
            self._pause = min(_LONGEST_PAUSE, self._pause * 2)
            await self._look()

    async def _look(self) -> None:
        try:
            await self._probe()
        except AccessLost as error:
            self.lost(error.code)
        except SlackError as error:
            log.info("no word on the token", extra={"error": error.code})
        else:
            if self._refused_by:
                log.warning("Slack takes the token again")
                self._granted_at = self._now()
            self._refused_by = None
