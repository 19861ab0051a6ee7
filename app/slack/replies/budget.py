"""Token buckets: how often a method of Slack's may be called."""

from collections.abc import Callable
from dataclasses import dataclass

from app.slack.replies.message import Method

# Sums of many small refills miss a whole token by rounding alone.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second in the long run, and how many may come at once."""

    per_second: float
    burst: float


# Slack: chat.update is Tier 3, 50 a minute for a whole workspace. Ten at once and 40
# more in the same minute stay below that however the minutes are counted.
UPDATES = Rate(40 / 60, 10)
# Slack: one post a second per channel, short bursts tolerated (a card and the text
# after it are one), and for a workspace a number that it does not tell.
POSTS = Rate(4, 10)
POSTS_PER_CHANNEL = Rate(1, 2)
# Slack: "special" for assistant.threads.setStatus; its own budget, not published.
STATUSES = Rate(4, 30)
RATES = {Method.POST: POSTS, Method.UPDATE: UPDATES, Method.STATUS: STATUSES}


def _unheard() -> None:
    pass


class Bucket:
    """A budget of calls; a pause that Slack asks for holds all of it back.

    One whose tokens come from outside calls `on_change` when there are more of them.
    """

    __slots__ = ("_as_of", "_rate", "_tokens", "on_change")

    def __init__(self, rate: Rate, now: float) -> None:
        self.on_change: Callable[[], None] = _unheard
        self._rate = rate
        self._tokens = rate.burst
        self._as_of = now

    @property
    def burst(self) -> float:
        """How many calls may come at once when all is quiet."""
        return self._rate.burst

    def ready_at(self, now: float, need: float = 1.0) -> float:
        """When `need` tokens are there, if nobody takes any before.

        Infinite where nobody knows yet; `on_change` is called then in time.
        """
        self._refill(now)
        missing = need - self._tokens
        if missing <= _ROUNDING and self._as_of <= now:
            return now
        return self._as_of + max(0.0, missing) / self._rate.per_second

    def take(self, now: float) -> None:
        """Use one token."""
        self._refill(now)
        self._tokens -= 1

    def give_back(self) -> None:
        """Return a token that was taken and not used."""
        self._tokens = min(self._rate.burst, self._tokens + 1)

    def succeeded(self, now: float) -> None:
        """Slack has taken a call."""

    def refused(self, now: float, retry_after: float) -> None:
        """Slack wants no call for so many seconds."""
        self.pause(now + retry_after)

    def pause(self, until: float) -> None:
        """Let nothing through before `until`, then one call, then the usual pace."""
        if until > self._as_of:
            self._tokens = min(self._tokens, 1.0)
            self._as_of = until

    def is_full(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this bucket."""
        return self.ready_at(now, self._rate.burst) <= now

    def _refill(self, now: float) -> None:
        if now > self._as_of:
            grown = self._tokens + (now - self._as_of) * self._rate.per_second
            self._tokens = min(self._rate.burst, grown)
            self._as_of = now
