"""A bucket whose tokens are lent by one that all processes share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from app.slack.replies.budget import RATES, Bucket
from app.slack.replies.learnt_rate import Rate
from app.slack.replies.message import Method
from app.storage.rate_budgets import BudgetKey, Learnt, Loan, Request

# Seconds from one request to the next while tokens are wanted. For what can't wait a
# few may come sooner, one more in each so many seconds.
PACE = 2.0
_SOONER, _AGAIN = 3.0, 4.0
# Seconds for which tokens are lent. The one that is kept for the next sign of a quiet
# workspace is kept longer, where not much of a burst is kept in that way.
_KEEP, _KEEP_ONE = 6.0, 600.0
_ONES = 0.25
# A growing message may be edited so often until tokens are asked for again.
_EDITS = 2
_SOONEST = 0.25
_LEAST_DEMAND = 0.01
_ROUNDING = 1e-9


@dataclass(slots=True)
class _News:
    """What the other processes have not heard yet."""

    sent: int = 0
    alone: int = 0
    cut_rate: float | None = None
    cut_burst: float | None = None
    refused_at: float | None = None
    rate_up: float = 0.0
    burst_up: float = 0.0
    pause_until: float = 0.0


class LentBucket(Bucket):
    """Has the tokens that were lent; while the lender is silent, a share of its own.

    It never waits: `wake` is called when there may be something to ask for; whoever
    lends asks when it is `due_at`, sends the `request`, and tells what it `got`.
    """

    __slots__ = (
        "__weakref__",
        "_active_at",
        "_alone",
        "_asked",
        "_asked_at",
        "_calls_lately",
        "_documented",
        "_held",
        "_holder",
        "_is_alone",
        "_is_waited_for",
        "_news",
        "_not_before",
        "_patience",
        "_quiet_until",
        "_replicas",
        "_reserve",
        "_share",
        "_until",
        "_urgent",
        "_usual",
        "key",
        "wake",
    )

    def __init__(
        self,
        key: BudgetKey,
        *,
        holder: str,
        replicas: int,
        wake: Callable[["LentBucket"], None],
    ) -> None:
        self._documented = RATES[Method(key.method)]
        super().__init__(self._documented, 0.0)
        self.key = key
        self.wake = wake
        self._share = 1.0
        self._holder = holder
        self._replicas = replicas
        self._held, self._until = 0.0, -inf
        self._urgent, self._usual, self._reserve = 0, 0, 0.0
        self._active_at, self._asked_at = -inf, -inf
        self._quiet_until, self._not_before = -inf, -inf
        self._patience = _SOONER
        self._asked: Request | None = None
        self._news = _News()
        self._calls_lately = 0
        self._alone: Bucket | None = None
        self._is_alone, self._is_waited_for = False, False

    @property
    def per_second(self) -> float:
        """The calls a second that are this process's part."""
        return self.rate.per_second * self._share

    @property
    def share(self) -> float:
        """Which part of what all processes may do together is this one's."""
        return self._share

    def expect(self, now: float, urgent: int, usual: int, reserve: float) -> None:
        """Be told how many calls can't wait, how many may follow, what to reserve."""
        self._urgent, self._usual, self._reserve = urgent, usual, reserve
        if urgent or usual:
            self._active_at = now
            self.wake(self)

    def ready_at(self, now: float, need: float = 1.0) -> float:
        """When there is a token; infinite until the lender has spoken."""
        self._active_at = now
        if now < self._quiet_until:
            return self._quiet_until
        if self._has_token(now):
            return now
        self._is_short = True
        self._is_waited_for = True
        if need <= 1.0:
            self._urgent = max(self._urgent, 1)
        self.wake(self)
        if self._alone and self._is_alone:
            return self._alone.ready_at(now)
        return inf

    def take(self, now: float) -> None:
        """Use one token."""
        if self._has_token(now):
            self._held -= 1
            self._news.sent += 1
        elif self._alone:
            self._alone.take(now)
            self._news.alone += 1
        self._active_at = now
        self.wake(self)

    def give_back(self) -> None:
        """Return a token that was taken and not used."""
        # What the others have heard of is gone.
        if self._news.sent:
            self._news.sent -= 1
            self._held += 1

    def succeeded(self, now: float) -> None:
        """Slack has taken a call."""
        rate, burst = self.rate.per_second, self.rate.burst
        super().succeeded(now)
        self._news.rate_up += self.rate.per_second - rate
        self._news.burst_up += self.rate.burst - burst

    def refused(self, now: float, retry_after: float) -> None:
        """Slack wants no call for so many seconds, from nobody."""
        # Calls that were under way together are refused together.
        if now >= self._quiet_until:
            self.rate.fall(self._calls_lately / 60)
            self._news.cut_rate = self.rate.per_second
            self._news.cut_burst = self.rate.burst
            self._news.refused_at = self.rate.refused_at
            self._news.rate_up = self._news.burst_up = 0.0
        self._news.pause_until = max(self._news.pause_until, now + retry_after)
        if self._alone:
            self._alone.refused(now, retry_after)
        self.pause(now + retry_after)
        self.wake(self)

    def pause(self, until: float) -> None:
        """Let nothing through before `until`; what was lent is void then."""
        if until > self._quiet_until:
            self._quiet_until = until
            self._held = 0.0

    def is_full(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this bucket."""
        return self.due_at(now) == inf and now >= self._quiet_until

    def due_at(self, now: float) -> float:
        """When to ask the lender; infinite if there is no need."""
        if self._asked:
            return inf
        if self._news.pause_until > now:
            return self._may_ask_soon_at(now)
        if not self._has_token(now) and self._is_wanted:
            soon = self._may_ask_soon_at(now) if self._urgent else self._asked_at + PACE
            return max(soon, self._quiet_until, self._not_before)
        if self._held > self._kept(now) or self._news != _News():
            return max(self._active_at, self._asked_at) + PACE
        return inf

    def request(self, now: float) -> Request:
        """Ask; nothing else is due from now on until it has `got` an answer."""
        is_idle = not self._is_wanted and now - self._active_at >= PACE
        wanted, must = (self._kept(now), 0.0) if is_idle else self._wanted(now)
        is_soon = now < self._asked_at + PACE
        self._patience = self._patience_at(now) - is_soon
        self._asked_at = now
        returned = max(0.0, self._held - wanted)
        self._held -= returned
        news, self._news = self._news, _News()
        crowd = max(1, self._urgent + self._usual)
        self._asked = Request(
            holder=self._holder,
            held=self._held,
            returned=returned,
            sent=news.sent,
            alone=news.alone,
            wanted=wanted,
            must=must,
            demand=_LEAST_DEMAND if is_idle else crowd,
            reserve=0.0 if is_idle else self._reserve,
            keep=_KEEP_ONE if is_idle else _KEEP,
            pause=max(0.0, news.pause_until - now),
            cut_rate=news.cut_rate,
            cut_burst=news.cut_burst,
            refused_at=news.refused_at,
            rate_up=news.rate_up,
            burst_up=news.burst_up,
        )
        return self._asked

    def farewell(self, now: float) -> Request | None:
        """Give everything back; None if there is nothing to say, or nobody hears it."""
        if self._is_alone or (not self._held and self._news == _News()):
            return None
        self._active_at = -inf
        request = self.request(now)
        returned = request.returned + request.held
        return replace(request, held=0.0, returned=returned, wanted=0.0, keep=0.0)

    def got(self, now: float, loan: Loan) -> None:
        """Hear what was lent, and what the others have learnt."""
        asked, self._asked = self._asked, None
        if asked is None:
            return
        self._is_alone = False
        self._held = max(0.0, self._held + loan.held - asked.held)
        self._until = self._asked_at + asked.keep
        # Who is idle is given next to nothing; who begins again hears how things are.
        self._share = 1.0 if asked.demand < 1 else loan.share
        self._replicas = loan.replicas
        self._calls_lately = loan.calls
        self._learn(loan.learnt)
        if loan.learnt.blocked_for:
            self.pause(now + loan.learnt.blocked_for)
            self.on_change()
        if self._has_token(now):
            self._is_waited_for, self._urgent = False, 0
            self.on_change()
            return
        missing = (1.0 - self._held - loan.left) / self.rate.per_second
        self._not_before = now + min(max(missing, _SOONEST), PACE)

    def got_nothing(self, now: float) -> None:
        """Hear that nobody answers: what has to be told is told the next time."""
        asked, self._asked = self._asked, None
        if asked is None:
            return
        news = self._news
        self._news = _News(
            sent=news.sent + asked.sent,
            alone=news.alone + asked.alone,
            cut_rate=news.cut_rate or asked.cut_rate,
            cut_burst=news.cut_burst or asked.cut_burst,
            refused_at=news.refused_at or asked.refused_at,
            rate_up=news.rate_up + asked.rate_up,
            burst_up=news.burst_up + asked.burst_up,
            pause_until=max(news.pause_until, now + asked.pause if asked.pause else 0),
        )
        self.go_alone(now)

    def go_alone(self, now: float) -> None:
        """Wait for the lender no longer, and use this process's share of all."""
        if self._alone is None:
            its, rate = self._documented, self.rate.per_second
            share = Rate(its.per_second / self._replicas, its.burst / self._replicas)
            self._alone = Bucket(share, now)
            self._alone.rate.know(rate / self._replicas)
        self._is_alone = True
        self.on_change()

    def _learn(self, learnt: Learnt) -> None:
        # What was heard of Slack meanwhile is news to the others.
        if self._news.cut_rate is None:
            self.rate.know(learnt.rate + self._news.rate_up)
            self.rate.refused_at = learnt.refused_at
            self.rate.burst = learnt.burst + self._news.burst_up

    def _wanted(self, now: float) -> tuple[float, float]:
        """How many tokens to have, and how many of them can't wait."""
        crowd = 1 + self._urgent + _EDITS * self._usual
        wanted = min(float(crowd), self.burst)
        return wanted, 0.0 if self._has_token(now) else min(self._urgent, wanted)

    @property
    def _is_wanted(self) -> bool:
        """Whether somebody waits, or is likely to come."""
        return self._is_waited_for or self._usual > 0

    def _kept(self, now: float) -> float:
        many = self._replicas > self._documented.burst * _ONES
        return 0.0 if many or not self._has_token(now) else 1.0

    def _has_token(self, now: float) -> bool:
        if self._held and self._until <= now:
            self._held = 0.0
        return self._held >= 1 - _ROUNDING

    def _patience_at(self, now: float) -> float:
        return min(_SOONER, self._patience + (now - self._asked_at) / _AGAIN)

    def _may_ask_soon_at(self, now: float) -> float:
        soon = now + max(0.0, 1.0 - self._patience_at(now)) * _AGAIN
        return min(soon, self._asked_at + PACE)
