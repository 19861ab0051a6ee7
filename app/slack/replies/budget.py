"""Token buckets: how often a method of Slack's may be called."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.slack.replies.learnt_rate import LearntRate, Rate
from app.slack.replies.message import Method

# Slack: chat.update is Tier 3, 50 a minute or more for a whole workspace.
UPDATES = Rate(50 / 60, 10)
# Slack: one post a second per channel, short bursts tolerated (a card and the text
# after it are one), and for a workspace a number that it does not tell.
POSTS = Rate(4, 10)
POSTS_PER_CHANNEL = Rate(1, 2)
# Slack: "special" for assistant.threads.setStatus; its own budget, not published.
STATUSES = Rate(4, 30)
# Slack: beginning and ending a stream is Tier 2, 20 a minute; appending Tier 4, 100.
STREAMS = Rate(20 / 60, 4)
APPENDS = Rate(100 / 60, 20)
RATES = {
    Method.POST: POSTS,
    Method.UPDATE: UPDATES,
    Method.STATUS: STATUSES,
    Method.START: STREAMS,
    Method.APPEND: APPENDS,
    Method.STOP: STREAMS,
}

# Sums of many small refills miss a whole token by rounding alone.
_ROUNDING = 1e-9
# Slack may count by the minute; calls are on their way for a while, not all as long.
_MINUTE = 60.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """Who wants calls of one method.

    So many messages are `waiting`, of which `urgent` ones should not; `growing` replies
    are in view and will want edits, `writing` ones are not at their end. For the ends
    `reserve` tokens are to be kept.
    """

    urgent: int = 0
    waiting: int = 0
    growing: int = 0
    writing: int = 0
    reserve: float = 0.0


def _unheard() -> None:
    pass


class Bucket:
    """A budget of calls; a pause that Slack asks for holds all of it back.

    However Slack counts, no minute holds more calls than the rate says. One whose
    tokens come from outside calls `on_change` when there are more of them.
    """

    __slots__ = (
        "_as_of",
        "_calls",
        "_is_short",
        "_rich_until",
        "_tokens",
        "on_change",
        "rate",
    )

    def __init__(self, documented: Rate, now: float) -> None:
        self.on_change: Callable[[], None] = _unheard
        self.rate = LearntRate(documented)
        self._tokens = documented.burst
        self._as_of = now
        self._calls: deque[float] = deque()
        self._is_short = False
        self._rich_until = now

    @property
    def burst(self) -> float:
        """How many calls may come at once when all is quiet."""
        return self.rate.burst

    @property
    def per_second(self) -> float:
        """How many calls a second this process may count on."""
        return self.rate.per_second

    @property
    def share(self) -> float:
        """Which part of what all processes may do together is this one's."""
        return 1.0

    def expect(self, now: float, crowd: Crowd) -> None:
        """Be told who waits for tokens, and who soon will."""

    def ready_at(self, now: float, need: float = 1.0) -> float:
        """When `need` tokens are there, if nobody takes any before.

        Infinite where nobody knows yet; `on_change` is called then in time.
        """
        self._refill(now)
        missing = need - self._tokens
        wait = missing / self._pace(now) if missing > _ROUNDING else 0.0
        at = max(now, self._as_of + wait, self._minute_has_room(now))
        self._is_short = self._is_short or at > now
        return at

    def take(self, now: float) -> None:
        """Use one token."""
        self._refill(now)
        if self._tokens > self.burst / 2 + 1:
            self._rich_until = now + _MINUTE
        self._tokens -= 1
        self._calls.append(now)

    def give_back(self) -> None:
        """Return a token that was taken and not used."""
        self._tokens = min(self.burst, self._tokens + 1)
        if self._calls:
            self._calls.pop()

    def succeeded(self, now: float) -> None:  # noqa: ARG002 - leased ones ask for it
        """Slack has taken a call."""
        if self._is_short:
            self._is_short = False
            self.rate.climb()

    def refused(self, now: float, retry_after: float) -> None:
        """Slack wants no call for so many seconds."""
        # Calls that were under way together are refused together.
        if now >= self._as_of:
            since = now + retry_after - 60
            taken = sum(call > since for call in self._calls) - 1
            self.rate.fall(taken / 60)
        self.pause(now + retry_after)

    def pause(self, until: float) -> None:
        """Let nothing through before `until`, then one call, then the usual pace."""
        if until > self._as_of:
            self._tokens = min(self._tokens, 1.0)
            self._as_of = until

    def is_full(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this bucket."""
        self._refill(now)
        return self._as_of <= now and self._tokens >= self.burst - _ROUNDING

    def _pace(self, now: float) -> float:
        """A minute in which savings are spent gets fewer new tokens."""
        saved = self.burst / _MINUTE if now < self._rich_until else 0.0
        return max(self.rate.per_second - saved, self.rate.per_second / 2)

    def _minute_has_room(self, now: float) -> float:
        calls = self._calls
        while calls and calls[0] + _MINUTE <= now:
            calls.popleft()
        over = len(calls) - int(self.rate.highest * 60 + _ROUNDING)
        return calls[over] + _MINUTE if over >= 0 else now

    def _refill(self, now: float) -> None:
        if now > self._as_of:
            grown = self._tokens + (now - self._as_of) * self._pace(now)
            self._tokens = min(self.burst, grown)
            self._as_of = now
