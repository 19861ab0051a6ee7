"""What all passes have in common: tried again where that helps, timed, and logged."""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from openai import AsyncOpenAI

from app import telemetry
from app.assistants import failures
from app.assistants.breaker import BudgetBreaker
from app.assistants.patience import Limits
from app.assistants.sse import ServerEvent
from app.assistants.streaming import hear_out, open_stream
from app.crash import crash
from app.domain import (
    RetryNotice,
    Run,
    RunError,
    RunEvent,
    RunStatus,
    RunUpdate,
    Turn,
)
from app.errors import AssistantError, AssistantUnavailable, StreamEndedEarly

log = logging.getLogger(__name__)

RETRIES = 4

_LONGEST_PAUSE = 60.0
_FIRST_PAUSE = 1.0
_jitter = random.SystemRandom()


class Reader(Protocol):
    """Makes run events of the server events of one pass."""

    @property
    def has_ended(self) -> bool:
        """Whether the pass has told how it ends."""

    def read(self, event: ServerEvent) -> Sequence[RunEvent]:
        """Return what one event means; raises AssistantError when the pass failed."""


class Attempt(Protocol):
    """One try at a pass; after a failure there may be another."""

    @property
    def run(self) -> Run:
        """The run as far as this try has come."""

    @property
    def may_be_repeated(self) -> bool:
        """Whether another try shows nobody a text twice."""

    def events(self, deadline: float) -> AsyncGenerator[RunEvent]:
        """Stream the pass.

        Raises AssistantError, or TimeoutError once the deadline has passed.
        """


class Passes:
    """Streams the passes of turns, each turn's all within one deadline.

    A pass that failed is tried again, at most four times, when that may help. Once the
    budget is used up all passes fail at once, until a request is taken again.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        limits: Limits,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._client = client
        self._limits = limits
        self._sleep = sleep
        self._began: dict[int, float] = {}
        self._breaker = BudgetBreaker()

    def start_clock(self, turn: Turn) -> None:
        """Let the time of the turn's run begin when the turn did."""
        now = asyncio.get_running_loop().time()
        self._began.pop(turn.turn_id, None)
        # Runs end in many ways, not all of them here: old ones go when stale.
        stale = now - 2 * self._limits.run
        while self._began and next(iter(self._began.values())) < stale:
            del self._began[next(iter(self._began))]
        self._began[turn.turn_id] = now - turn.age

    async def stream(
        self, turn: Turn, begin: Callable[[], Attempt]
    ) -> AsyncGenerator[RunEvent]:
        """Stream what the attempts say; the last event tells how the run stands."""
        deadline = self._deadline(turn)
        for retry in range(1, RETRIES + 2):
            attempt, known = begin(), self._breaker.refusals
            if refused := self._breaker.refusal():
                failed: AssistantError = refused
                break
            try:
                async with aclosing(attempt.events(deadline)) as events:
                    async for event in events:
                        yield event
            except TimeoutError:
                yield update(replace(attempt.run, status=RunStatus.EXPIRED))
                return
            except AssistantError as error:
                failed = error
                self._breaker.failed(error)
            else:
                self._breaker.succeeded(known)
                return
            pause = self._pause(failed, retry, deadline)
            if pause is None or not attempt.may_be_repeated:
                break
            yield update(_retrying(attempt.run, retry, pause))
            await self._sleep(pause)
        yield update(_failed(attempt.run, failed))

    async def read(
        self,
        turn: Turn,
        path: str,
        body: Mapping[str, Any],
        reader: Reader,
        *,
        run_id: str,
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[RunEvent]:
        """Post `body` once and yield what the reader makes of the streamed answer."""
        request_name = str(uuid.uuid4())
        facts: dict[str, Any] = {"turn_id": turn.turn_id, "run_id": run_id}
        facts["client_request_id"] = request_name
        try:
            async with (
                open_stream(
                    self._client,
                    path,
                    body,
                    headers={"X-Client-Request-Id": request_name, **(headers or {})},
                    limits=self._limits,
                    deadline=deadline,
                ) as stream,
                aclosing(stream.batches()) as batches,
            ):
                crash("C6")
                facts["request_id"] = stream.request_id
                async for batch in batches:
                    for event in batch:
                        for told in reader.read(event):
                            yield told
                    if reader.has_ended:
                        await hear_out(batches)
                        return
                raise failures.broke_off()
        except AssistantError as error:
            telemetry.count(f"assistant.failures.{type(error).__name__}")
            facts |= failures.log_facts(error)
            error.request_id = error.request_id or facts.get("request_id")
            facts["request_id"] = error.request_id
            log.warning("pass failed", extra=facts)
            raise

    def _deadline(self, turn: Turn) -> float:
        now = asyncio.get_running_loop().time()
        return self._began.get(turn.turn_id, now) + self._limits.run

    def _pause(
        self, error: AssistantError, retry: int, deadline: float
    ) -> float | None:
        """Return the seconds to wait before a retry, None if there is none."""
        match error:
            case AssistantUnavailable(retry_after=float(asked)):
                pause = min(asked, _LONGEST_PAUSE)
            case AssistantUnavailable() | StreamEndedEarly():
                # Many replies fail at the same moment; they should not return together.
                pause = _FIRST_PAUSE * 2 ** (retry - 1) * _jitter.uniform(1, 1.25)
            case _:
                return None
        is_in_time = asyncio.get_running_loop().time() + pause < deadline
        return pause if retry <= RETRIES and is_in_time else None


def update(run: Run) -> RunUpdate:
    """Return the event that tells how the run stands."""
    return RunUpdate(f"thread.run.{run.status}", run)


def _retrying(run: Run, retry: int, pause: float) -> Run:
    notice = RetryNotice(attempt=retry, attempts=RETRIES, seconds=pause)
    return replace(run, status=RunStatus.QUEUED, retry_in=notice)


def _failed(run: Run, error: AssistantError) -> Run:
    told = RunError(code=error.code, message=error.message, request_id=error.request_id)
    return replace(run, status=RunStatus.FAILED, error=told)
