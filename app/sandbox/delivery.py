"""Hands payloads to the app as Slack does: late, in any order, and again if need be."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from app.sandbox.faults import FaultKind, Faults
from app.sandbox.journal import Journal
from app.sandbox.records import Json

# Slack: an event that was not accepted comes again at once, after 1 min, after 5 min.
_RETRIES = (0.0, 60.0, 300.0)
# Slack: no answer within 3 s is no answer.
ANSWER_WITHIN = 3.0
# Slack: more events than this in a workspace within an hour are not delivered.
_EVENTS_PER_HOUR = 30_000
_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one attempt; `reason` is Slack's word for a failed one."""

    status: int
    reason: str = ""
    body: Json | None = None
    retry: bool = True

    @property
    def accepted(self) -> bool:
        """Whether Slack counts the payload as delivered."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own bounds


class Transport(Protocol):
    """A way to reach the app."""

    name: str

    async def send(self, kind: str, body: Json, attempt: int, reason: str) -> Answer:
        """Try once; never raises for an app that is away or slow."""
        ...


class Dispatcher:
    """Delivers each payload in a task of its own, so that nothing waits for the app."""

    def __init__(
        self,
        transport: Transport,
        *,
        journal: Journal,
        faults: Faults,
        clock: Callable[[], float],
        retry_scale: float,
        jitter: float,
        seed: int,
    ) -> None:
        self.transport = transport
        self._journal = journal
        self._faults = faults
        self._clock = clock
        self._retry_scale = retry_scale
        self._jitter = jitter
        self._random = random.Random(seed)  # noqa: S311 - order, not secrets
        self._tasks: set[asyncio.Task[None]] = set()
        self._hour = -1
        self._this_hour = 0

    @property
    def pending(self) -> int:
        """How many events are on their way or wait for their next try."""
        return len(self._tasks)

    def event(self, body: Json) -> None:
        """Deliver an event soon; order among events is left to chance."""
        if not self._within_the_hour(body):
            return
        name = str(body["event"]["type"])
        fault = self._faults.take(f"event:{name}", "event:*")
        kind = fault.kind if fault else None
        if kind is FaultKind.NEVER:
            return
        late = fault.seconds if fault and kind is FaultKind.LATE else 0.0
        for _ in range(2 if kind is FaultKind.DUPLICATE else 1):
            wait = late + self._random.uniform(0, self._jitter)
            self._start(self._deliver(body, wait))

    async def interaction(self, kind: str, body: Json) -> Answer:
        """Deliver a click or a command: one attempt, as Slack makes."""
        fault = self._faults.take(f"event:{kind}", "event:*")
        if fault is not None and fault.kind is FaultKind.NEVER:
            return Answer(status=0, reason="never sent")
        if fault is not None and fault.kind is FaultKind.LATE:
            await asyncio.sleep(fault.seconds)
        answer = await self._attempt(kind, body, 0, "")
        if fault is not None and fault.kind is FaultKind.DUPLICATE:
            answer = await self._attempt(kind, body, 0, "")
        return answer

    async def close(self) -> None:
        """Give up on all that is not delivered yet."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, delivery: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, body: Json, wait: float) -> None:
        await asyncio.sleep(wait)
        reason = ""
        for attempt, delay in enumerate((0.0, *_RETRIES)):
            await asyncio.sleep(delay * self._retry_scale)
            answer = await self._attempt("events_api", body, attempt, reason)
            if answer.accepted or not answer.retry:
                return
            reason = answer.reason

    async def _attempt(self, kind: str, body: Json, attempt: int, why: str) -> Answer:
        transport = self.transport
        answer = await transport.send(kind, body, attempt, why)
        self._journal.delivery(
            body,
            kind=kind,
            attempt=attempt,
            status=answer.status,
            reason=answer.reason,
            via=transport.name,
        )
        return answer

    def _within_the_hour(self, body: Json) -> bool:
        """Count an event; the first one too many is replaced by Slack's own notice."""
        hour = int(self._clock()) // _HOUR
        if hour != self._hour:
            self._hour, self._this_hour = hour, 0
        self._this_hour += 1
        if self._this_hour == _EVENTS_PER_HOUR + 1:
            notice = {
                "token": body["token"],
                "type": "app_rate_limited",
                "team_id": body["team_id"],
                "minute_rate_limited": int(self._clock()) // 60 * 60,
                "api_app_id": body["api_app_id"],
            }
            self._start(self._deliver(notice, 0.0))
        return self._this_hour <= _EVENTS_PER_HOUR
