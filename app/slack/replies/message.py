"""One Slack message of ours, as the scheduler sees it."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum, StrEnum

GAP = 1.0
# A last edit need not keep so much.
LAST_GAP = 0.3
# An outage longer than this ends the delivery.
PATIENCE = 900.0

_LONGEST_BACKOFF = 30.0


class Priority(IntEnum):
    """Who goes first when calls are scarce."""

    FINAL = 0
    DATA = 1
    FIRST_PAINT = 2
    TEXT = 3
    STATUS = 4


class Method(StrEnum):
    """What a message is sent with; each method of Slack's has its own budget."""

    POST = "chat.postMessage"
    UPDATE = "chat.update"
    STATUS = "assistant.threads.setStatus"
    START = "chat.startStream"
    APPEND = "chat.appendStream"
    STOP = "chat.stopStream"


Send = Callable[[], Awaitable[bool]]


async def _nothing() -> bool:
    return False


def _always() -> bool:
    return True


class Growth:
    """One reply while it grows, whatever number of messages it has.

    It counts as long as `holds_lease` says that it may be written.
    """

    __slots__ = ("holds_lease", "painted_at", "team_id")

    def __init__(self, team_id: str, holds_lease: Callable[[], bool] = _always) -> None:
        self.team_id = team_id
        self.holds_lease = holds_lease
        self.painted_at = 0.0


class Message:
    """What is still to be sent of one message, and when that may be.

    `send` does the call, and returns False if there was nothing new to send; `method`
    is the one that it will use next; `gap` are the seconds kept between two calls.
    `growth` is the reply whose first words it brings, if it does.
    `follows_post` says whether its channel had a post just before.
    `stamp` moves with every change of place, so that old queue entries are known.
    """

    __slots__ = (
        "_backoff",
        "_failing_since",
        "_not_before",
        "_sent_at",
        "_sent_priority",
        "_settled",
        "channel_id",
        "error",
        "follows_post",
        "gap",
        "growth",
        "in_flight",
        "is_closed",
        "method",
        "priority",
        "send",
        "stamp",
        "team_id",
        "unseen_since",
    )

    def __init__(
        self,
        team_id: str,
        channel_id: str,
        send: Send,
        method: Method = Method.POST,
        growth: Growth | None = None,
    ) -> None:
        self.team_id = team_id
        self.channel_id = channel_id
        self.send = send
        self.method = method
        self.growth = growth
        self.gap = GAP
        self.priority: Priority | None = None
        self.unseen_since = 0.0
        self.stamp = 0
        self.in_flight = False
        self.is_closed = False
        self.follows_post = False
        self.error: BaseException | None = None
        self._sent_priority = Priority.STATUS
        self._not_before = 0.0
        self._sent_at = float("-inf")
        self._failing_since: float | None = None
        self._backoff = 0.0
        self._settled: asyncio.Future[None] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to send."""
        return self.is_closed or (self.priority is None and not self.in_flight)

    def mark(self, priority: Priority, not_before: float, now: float) -> bool:
        """Note that there is something to send; whether its place must be found anew.

        Marked again before it is sent, it keeps the more urgent of both.
        """
        if self.priority is None:
            self.unseen_since = now
            self.priority, self._not_before = priority, not_before
        elif priority >= self.priority and not_before >= self._not_before:
            return False
        else:
            self.priority = min(priority, self.priority)
            self._not_before = min(not_before, self._not_before)
        return not self.in_flight

    def put_off(self, not_before: float) -> bool:
        """Send the first words later than was thought; whether that can be done."""
        if self.priority is not Priority.FIRST_PAINT or self.in_flight:
            return False
        self._not_before = not_before
        return True

    def due_at(self) -> float:
        """The earliest moment for the next call, budgets aside."""
        # An end is not kept waiting by the pace of what comes before it.
        is_last = self.priority is Priority.FINAL
        gap = min(self.gap, LAST_GAP) if is_last else self.gap
        return max(self._not_before, self._sent_at + gap + self._backoff)

    def start(self) -> None:
        """A call begins; what is marked from now on is for the next one."""
        self.stamp += 1
        self.in_flight = True
        if self.priority is not None:
            self._sent_priority, self.priority = self.priority, None

    def sent(self, now: float) -> None:
        """Slack has taken the call."""
        self._sent_at = now
        self._failing_since, self._backoff = None, 0.0

    def refused_for_now(self, now: float, wait: float = 0.0) -> None:
        """Slack wants the call later, this one not before so many seconds."""
        self._sent_at, self._backoff = now, wait
        self._again()

    def failed(self, error: BaseException, now: float) -> None:
        """Nobody answered: try again, with growing pauses, until patience ends."""
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= PATIENCE:
            self.close(error)
            return
        self._sent_at = now
        self._backoff = min(_LONGEST_BACKOFF, self._backoff * 2 or GAP)
        self._again()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more is to be sent."""
        self.is_closed = True
        self.stamp += 1
        # Old queue entries may outlive the reply; they must not keep it.
        self.send = _nothing
        self.error = self.error or error

    async def settled(self) -> None:
        """Wait until all is sent or the message is closed."""
        if self.is_settled:
            return
        if self._settled is None:
            self._settled = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._settled)

    def tell_settled(self) -> None:
        """Let those go on who wait for the message to settle."""
        if self._settled and not self._settled.done():
            self._settled.set_result(None)
        self._settled = None

    def _again(self) -> None:
        newer = self.priority
        older = self._sent_priority
        self.priority = older if newer is None else min(older, newer)
        self._not_before = 0.0
