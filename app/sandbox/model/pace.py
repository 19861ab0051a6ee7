"""When the events of a stream are due."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator

from app.sandbox.model.events import Event

_GROUP_SECONDS = 0.004
_GROUP_EVENTS = 64
_LOOK_SECONDS = 0.05


class HungUp(Exception):
    """The client went away; nobody reads on."""


def is_token(event: Event) -> bool:
    """Whether the event carries one token's worth of the answer."""
    return str(event["type"]).endswith(".delta")


async def paced(
    events: Iterator[Event],
    *,
    rate: Callable[[], float],
    delay: float,
    is_gone: Callable[[], bool],
) -> AsyncIterator[list[Event]]:
    """Yield events in small groups, each when its last token is due.

    `rate` is asked anew for each token (0: all are due at once); `delay` is in
    seconds and comes before the first token. Raises `HungUp` when `is_gone` says so.
    """
    group: list[Event] = []
    due: float | None = None
    for event in events:
        if is_token(event):
            due = next_due(due, rate(), delay)
            if due - time.monotonic() > _GROUP_SECONDS:
                if group:
                    yield group
                    group = []
                await pause(due - time.monotonic(), is_gone)
        group.append(event)
        if len(group) == _GROUP_EVENTS:
            yield group
            group = []
            await pause(0, is_gone)
    if group:
        yield group


def next_due(due: float | None, rate: float, delay: float) -> float:
    """When the token after the one at `due` comes, on the monotonic clock."""
    if due is None:
        return time.monotonic() + delay
    return due + 1 / rate if rate else due


async def pause(seconds: float, is_gone: Callable[[], bool]) -> None:
    """Sleep, but raise `HungUp` soon after the client has gone."""
    end = time.monotonic() + seconds
    while True:
        if is_gone():
            raise HungUp
        left = end - time.monotonic()
        await asyncio.sleep(max(0.0, min(left, _LOOK_SECONDS)))
        if left <= _LOOK_SECONDS:
            return
