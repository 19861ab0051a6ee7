"""The breaker for an empty purse: what costs nothing can't be asked again and again."""

import logging
import time
from collections.abc import Callable

from app import telemetry
from app.errors import AssistantError, BudgetUsedUp

log = logging.getLogger(__name__)

# Long enough to spare a server that refuses, short enough to notice a top-up.
_PAUSE = 60.0


class BudgetBreaker:
    """Lets nobody ask for a minute once a server has said that the budget is used up.

    After that one request may try; the others still wait for what becomes of it.
    `refusals` counts how often the server has said so.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._refusal: BudgetUsedUp | None = None
        self._closed_until = 0.0
        self.refusals = 0

    def refusal(self) -> BudgetUsedUp | None:
        """Return why nobody may ask now; None lets the caller ask."""
        if self._refusal is None:
            return None
        if self._now() >= self._closed_until:
            self._closed_until = self._now() + _PAUSE
            return None
        telemetry.count("assistant.breaker.refused")
        return self._refusal

    def failed(self, error: AssistantError) -> None:
        """Note how a request failed."""
        if not isinstance(error, BudgetUsedUp):
            return
        if self._refusal is None:
            telemetry.count("assistant.breaker.tripped")
            log.error("budget of the model used up", extra={"code": error.code})
        self._refusal = error
        self.refusals += 1
        self._closed_until = self._now() + _PAUSE

    def succeeded(self, refusals: int) -> None:
        """Note that a request was taken which began when there were so many refusals.

        One of before the last refusal proves no budget.
        """
        if self._refusal is None or refusals != self.refusals:
            return
        log.info("budget of the model is back")
        self._refusal = None
