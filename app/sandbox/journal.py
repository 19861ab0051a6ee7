"""The journal of every call to the Web API and of every delivery to the app."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.sandbox.records import Json

KEPT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a Web API method, without its token.

    `status` is the HTTP status, 0 when the answer was never sent; `response` is what
    was answered, or would have been; `at` is on the sandbox's clock.
    """

    seq: int
    at: float
    method: str
    arguments: Mapping[str, Any]
    response: Mapping[str, Any]
    status: int
    fault: str | None = None
    left: int | None = None

    @property
    def ok(self) -> bool:
        """Whether Slack did what was asked, whatever the caller heard of it."""
        return bool(self.response.get("ok"))

    @property
    def error(self) -> str | None:
        """Slack's error code, if any."""
        return self.response.get("error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to hand a payload to the app.

    `kind` is events_api, interactive or slash_commands; `name` the event's type;
    `status` the HTTP status or 200 for an ack, 0 when none came; `via` is socket or
    http.
    """

    seq: int
    at: float
    kind: str
    name: str
    event_id: str
    attempt: int
    status: int
    reason: str
    via: str
    body: Mapping[str, Any]


class Journal:
    """Keeps the latest calls and deliveries and tells of each new one."""

    def __init__(
        self,
        clock: Callable[[], float],
        publish: Callable[[str, Callable[[], Json]], None],
        *,
        kept: int = KEPT,
    ) -> None:
        self._clock = clock
        self._publish = publish
        self._seq = 0
        self.calls: deque[Call] = deque(maxlen=kept)
        self.deliveries: deque[Delivery] = deque(maxlen=kept)

    def call(
        self,
        method: str,
        arguments: Mapping[str, Any],
        response: Mapping[str, Any],
        status: int,
        *,
        fault: str | None = None,
        left: int | None = None,
    ) -> None:
        """Write down one call."""
        entry = Call(
            seq=self._next(),
            at=self._clock(),
            method=method,
            arguments=arguments,
            response=response,
            status=status,
            fault=fault,
            left=left,
        )
        self.calls.append(entry)
        self._publish("call", lambda: {"call": asdict(entry)})

    def delivery(
        self, body: Json, *, kind: str, attempt: int, status: int, reason: str, via: str
    ) -> None:
        """Write down one attempt to deliver."""
        event = body.get("event")
        entry = Delivery(
            seq=self._next(),
            at=self._clock(),
            kind=kind,
            name=str((event or body).get("type", body.get("command", ""))),
            event_id=str(body.get("event_id", "")),
            attempt=attempt,
            status=status,
            reason=reason,
            via=via,
            body=body,
        )
        self.deliveries.append(entry)
        self._publish("delivery", lambda: {"delivery": without_body(entry)})

    def _next(self) -> int:
        self._seq += 1
        return self._seq


def without_body(entry: Delivery) -> Json:
    """Return a delivery without what was delivered."""
    return {name: value for name, value in asdict(entry).items() if name != "body"}
