"""Messages that are sent to a board, on a virtual clock."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.slack.replies.budget import RATES, UPDATES, Bucket
from app.slack.replies.learnt_rate import Rate
from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.scheduler import EditScheduler
from app.slack.replies.workspaces import BucketOf
from bench.virtual import Clock, virtually


class WatchedBucket(Bucket):
    """Fails as soon as a minute holds more calls than were thought right in it."""

    def __init__(self, documented: Rate, now: float) -> None:
        super().__init__(documented, now)
        self.taken: list[float] = []
        self.highest = 0.0

    def take(self, now: float) -> None:
        super().take(now)
        self.taken.append(now)
        self.highest = max(self.highest, self.rate.highest)
        most = int(self.highest * 60 + 1e-6)
        assert len([at for at in self.taken if at > now - 60]) <= most

    def give_back(self) -> None:
        super().give_back()
        self.taken.pop()


class Board:
    """Where messages are sent to; remembers what was shown and when."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[tuple[float, str, Method, str]] = []
        self.use(lambda _team, method: WatchedBucket(RATES[method], clock.now()))

    def use(self, bucket_of: BucketOf) -> None:
        """Begin anew with other budgets."""
        clock = self.clock
        self.scheduler = EditScheduler(
            now=clock.now, sleep_until=clock.sleep_until, bucket_of=bucket_of
        )

    def all(self, method: Method) -> list[float]:
        return [at for at, _, used, _ in self.calls if used is method]


class LentBucket(Bucket):
    """Its tokens come from elsewhere; remembers what it hears of its calls."""

    def __init__(self) -> None:
        super().__init__(UPDATES, 0)
        self.lent = 0
        self.heard: list[tuple[float, float | None]] = []

    def lend(self, count: int) -> None:
        self.lent += count
        self.on_change()

    def ready_at(self, now: float, need: float = 1.0) -> float:
        at = super().ready_at(now, need)
        return at if self.lent else float("inf")

    def take(self, now: float) -> None:
        super().take(now)
        self.lent -= 1

    def succeeded(self, now: float) -> None:
        self.heard.append((now, None))

    def refused(self, now: float, retry_after: float) -> None:
        super().refused(now, retry_after)
        self.heard.append((now, retry_after))


class Writer:
    """One growing text, sent by a message of its own."""

    def __init__(
        self, board: Board, name: str, channel: str = "C1", team: str = "T1"
    ) -> None:
        self.board = board
        self.name = name
        self.text = ""
        self.shown: list[str] = []
        self.faults: list[BaseException] = []
        self.latency = 0.1
        self.in_flight = 0
        self.growth = Growth(team)
        self.message = Message(team, channel, self._send, growth=self.growth)

    def write(self, text: str, priority: Priority = Priority.TEXT) -> None:
        self.text += text
        self.board.scheduler.mark_dirty(self.message, priority)

    async def finish(self) -> None:
        self.board.scheduler.mark_dirty(self.message, Priority.FINAL)
        await self.message.settled()
        self.board.scheduler.ended(self.growth)

    async def _send(self) -> bool:
        text, method = self.text, self.message.method
        if self.shown and self.shown[-1] == text:
            return False
        self.in_flight += 1
        assert self.in_flight == 1
        self.board.calls.append((self.board.clock.now(), self.name, method, text))
        await asyncio.sleep(self.latency)
        self.in_flight -= 1
        if self.faults:
            raise self.faults.pop(0)
        self.shown.append(text)
        if method is Method.POST:
            self.message.method = Method.UPDATE
            self.board.scheduler.painted(self.growth)
        return True


def on_a_board(story: Callable[[Board], Coroutine[Any, Any, None]]) -> None:
    async def main(clock: Clock) -> None:
        board = Board(clock)
        await story(board)
        await board.scheduler.close()

    virtually(main)


def at_most(times: list[float], count: int, seconds: float) -> bool:
    """Whether no window of so many seconds holds more calls than that."""
    return all(
        times[index + count] - times[index] >= seconds - 1e-6
        for index in range(len(times) - count)
    )
