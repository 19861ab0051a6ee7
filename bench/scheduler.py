"""CPU that the edit scheduler takes for each piece of text, however many replies."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.scheduler import EditScheduler
from bench.report import Check, judged
from bench.table import show
from bench.virtual import Clock, virtually

_COUNTS = (10, 100, 1_000)
_MANY = 1_000
_ROUNDS = 3
# Deltas of each reply a second, as a model at work sends them.
_RATE, _SECONDS = 50, 8
_LATENCY = 0.1
_PER_TEAM = 20
_MOST_MICROSECONDS = 2.0

Mark = Callable[[Message], None]


@dataclass(frozen=True, slots=True)
class _Found:
    """Microseconds for each delta, and how many calls to Slack came of all."""

    each: float
    calls: int


def run() -> bool:
    """Print the table; false when a delta costs more than it may."""
    rows, found = [], {}
    for count in _COUNTS:
        for teams in (1, max(1, count // _PER_TEAM)):
            found[count, teams] = _measured(count, teams)
    for (count, teams), each in found.items():
        rows.append((count, teams, f"{each.each:.2f}", each.calls))
    show("scheduler: CPU for each delta", _HEAD, rows)
    worst = max(each.each for (count, _), each in found.items() if count == _MANY)
    what = f"each delta, with {_MANY:,} replies"
    return judged([Check(what=what, was=worst, must=_MOST_MICROSECONDS, unit=" µs")])


_HEAD = ("replies", "workspaces", "µs for a delta", "calls")


def _measured(count: int, teams: int) -> _Found:
    """The best of some rounds: others are at work on this machine, too."""
    rounds = [
        virtually(lambda clock: _round(clock, count, teams)) for _ in range(_ROUNDS)
    ]
    return min(rounds, key=lambda each: each.each)


async def _round(clock: Clock, count: int, teams: int) -> _Found:
    """What marking and sending take, without what the loop takes by itself."""
    slack = _Slack(clock)
    messages = [slack.message(f"T{number % teams}") for number in range(count)]
    idle = await _written(messages, lambda _: None)
    busy = await _written(messages, slack.mark)
    await slack.scheduler.close()
    deltas = count * _RATE * _SECONDS
    return _Found((busy - idle) / deltas / 1e3, slack.calls)


async def _written(messages: list[Message], mark: Mark) -> int:
    """Nanoseconds of CPU while each message gets its deltas."""
    began = time.process_time_ns()
    for _ in range(_RATE * _SECONDS):
        for message in messages:
            mark(message)
        await asyncio.sleep(1 / _RATE)
    return time.process_time_ns() - began


class _Slack:
    """Takes every call, and shows nothing to anybody."""

    def __init__(self, clock: Clock) -> None:
        self.calls = 0
        self.scheduler = EditScheduler(now=clock.now, sleep_until=clock.sleep_until)

    def message(self, team_id: str) -> Message:
        """One that is in view already, and grows."""
        growth = Growth(team_id)
        self.scheduler.began(growth)
        self.scheduler.painted(growth)
        return Message(team_id, "C1", self._send, Method.UPDATE, growth)

    def mark(self, message: Message) -> None:
        """There is something new in `message`."""
        self.scheduler.mark_dirty(message, Priority.TEXT)

    async def _send(self) -> bool:
        self.calls += 1
        await asyncio.sleep(_LATENCY)
        return True
