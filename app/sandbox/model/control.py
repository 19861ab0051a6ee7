"""How the model server is steered: its pace, its faults, and what it was asked."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

KEPT_REQUESTS = 200
_MOST_FAULTS = 1_000


class FaultKind(StrEnum):
    """What can go wrong with one request, and what `value` means for it."""

    SLOW_FIRST_TOKEN = "slow_first_token"  # noqa: S105 - seconds, default 5
    CUT = "cut"  # the socket is cut after so many events, default 8
    CLEAN_END = "clean_end"  # the stream just ends after so many events, default 8
    HTTP_429 = "http_429"  # Retry-After in seconds, default 1
    QUOTA = "quota"  # 429 that no waiting mends
    HTTP_500 = "http_500"
    LOCKED = "locked"  # the conversation is busy with another response
    ERROR_EVENT = "error_event"  # after so many events, default 2
    ERROR_NESTED = "error_nested"  # the same, its fields inside of "error"
    FAILED = "failed"  # after so many events, default 2
    INCOMPLETE = "incomplete"  # cut by max_output_tokens, default 12
    REFUSAL = "refusal"
    EXPIRED = "expired"  # runs only, after so many events, default 2


_DEFAULTS = {
    FaultKind.SLOW_FIRST_TOKEN: 5.0,
    FaultKind.CUT: 8.0,
    FaultKind.CLEAN_END: 8.0,
    FaultKind.HTTP_429: 1.0,
    FaultKind.ERROR_EVENT: 2.0,
    FaultKind.ERROR_NESTED: 2.0,
    FaultKind.FAILED: 2.0,
    FaultKind.EXPIRED: 2.0,
    FaultKind.INCOMPLETE: 12.0,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that waits for its request."""

    kind: FaultKind
    value: float


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request as the server saw it.

    `ended` is empty while it runs; then "completed", "incomplete", "refused", "hung
    up" (the client went away), the fault's kind, the status in which a run left the
    request, or "answered" where nothing had to be thought about.
    """

    number: int
    what: str = ""
    body: object = None
    status: int = 200
    ended: str = ""
    events: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(slots=True)
class ModelControl:
    """The knobs of the model server; every one may be turned while it runs.

    `rate` is in tokens a second, 0 means as fast as they can be written;
    `first_token_delay` is in seconds. `clock_ahead` moves the clock by which runs
    expire, and a run stays `cancelling` for `cancel_delay`, as a conversation stays
    locked after somebody hung up, both in seconds. The model reads `context_tokens`
    at most (0: any number).
    """

    rate: float = 0.0
    first_token_delay: float = 0.0
    clock_ahead: float = 0.0
    cancel_delay: float = 0.0
    context_tokens: float = 0.0
    requests: deque[RequestRecord] = field(
        default_factory=lambda: deque(maxlen=KEPT_REQUESTS)
    )
    asked: int = 0
    _faults: deque[Fault] = field(default_factory=deque)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def fault(self, kind: str, count: int = 1, value: float | None = None) -> None:
        """Let the next `count` requests meet a fault; ValueError for an unknown one."""
        known = FaultKind(kind)
        number = _DEFAULTS.get(known, 0.0) if value is None else float(value)
        if not 0 < count <= _MOST_FAULTS or number < 0:
            raise ValueError("A fault needs a count from 1 to 1000 and a value from 0.")
        self._faults.extend([Fault(known, number)] * count)

    def clear_faults(self) -> None:
        """Forget the faults that no request has met yet."""
        self._faults.clear()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The faults still waiting, the next one first."""
        return tuple(self._faults)

    def take_fault(self) -> Fault | None:
        """The fault of the request that begins now."""
        return self._faults.popleft() if self._faults else None

    def delay(self, fault: Fault | None) -> float:
        """The seconds before the first token."""
        if fault and fault.kind is FaultKind.SLOW_FIRST_TOKEN:
            return fault.value
        return self.first_token_delay

    def now(self) -> int:
        """The time of the clock by which runs expire, in whole seconds."""
        return int(time.time() + self.clock_ahead)

    def begin(self, what: str) -> RequestRecord:
        """Note that a request has come; `what` is its method and path."""
        self.asked += 1
        record = RequestRecord(number=self.asked, what=what)
        self.requests.append(record)
        return record

    async def tell(self) -> None:
        """Tell those who wait that a request has ended."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_for(self, number: int) -> RequestRecord:
        """Wait until request `number` (the first is 1) has ended, however it did."""
        async with self._changed:
            while True:
                for record in self.requests:
                    if record.number == number and record.ended:
                        return record
                await self._changed.wait()
