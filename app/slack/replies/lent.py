"""A bucket whose tokens are lent by one that all processes share."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

from app.slack.replies.budget import RATES, Bucket, Crowd
from app.slack.replies.learnt_rate import Rate
from app.slack.replies.message import Method
from app.storage.rate_budgets import BudgetKey, Learnt, Loan, Request

# Seconds from one request to the next while tokens are wanted, in the long run. A few
# may come sooner, the last of them only for what can't wait.
PACE = 2.0
_SOONER = 3.0
# Seconds for which tokens are lent. The one that is kept for the next sign of a quiet
# workspace is kept longer, where not much of a burst is kept in that way.
_KEEP, _KEEP_ONE = 6.0, 600.0
_ONES = 0.25
# A growing message may be edited so often until tokens are asked for again, if no
# other process writes any.
_EDITS = 3
_NOBODY = Crowd()
_LEAST_DEMAND = 0.01


@dataclass(slots=True)
class _News:
    """What the other processes have not heard yet."""

    calls: list[float] = field(default_factory=list)
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
        "_crowd",
        "_documented",
        "_foreseen",
        "_held",
        "_holder",
        "_is_alone",
        "_is_waited_for",
        "_news",
        "_not_before",
        "_patience",
        "_promised",
        "_quiet_until",
        "_replicas",
        "_theirs",
        "_until",
        "_urgent",
        "_void",
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
        self._theirs = 0.0
        self._holder = holder
        self._replicas = replicas
        self._held, self._void, self._until = 0, 0, -inf
        self._promised: list[float] = []
        self._crowd, self._urgent = _NOBODY, 0
        self._active_at, self._asked_at = -inf, -inf
        self._quiet_until, self._not_before, self._foreseen = -inf, -inf, 0
        self._patience = _SOONER
        self._asked: Request | None = None
        self._news = _News()
        self._calls_lately = 0
        self._alone: Bucket | None = None
        self._is_alone, self._is_waited_for = False, False

    @property
    def per_second(self) -> float:
        """The calls a second that are this process's part."""
        return self.rate.per_second * self.share

    @property
    def has_heard(self) -> bool:
        """Whether the lender has ever answered."""
        return self._until > -inf

    @property
    def share(self) -> float:
        """Which part of what all processes may do together is this one's."""
        mine = max(1, self._crowd.writing)
        return mine / (mine + self._theirs)

    def expect(self, now: float, crowd: Crowd) -> None:
        """Be told who waits for tokens, and who soon will."""
        self._crowd, self._urgent = crowd, crowd.urgent
        self._is_waited_for = False
        if crowd.waiting or crowd.writing:
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
        promised = self._promised[0] if self._promised else inf
        if self._alone and self._is_alone:
            return min(promised, self._alone.ready_at(now))
        return promised

    def take(self, now: float) -> None:
        """Use one token."""
        if self._has_token(now):
            self._held -= 1
            self._foreseen = max(0, self._foreseen - 1)
            self._news.calls.append(now)
        elif self._alone:
            self._alone.take(now)
            self._news.alone += 1
        self._active_at = now
        self.wake(self)

    def give_back(self) -> None:
        """Return a token that was taken and not used."""
        # What the others have heard of is gone.
        if self._news.calls:
            self._news.calls.pop()
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
            self._void += self._held + len(self._promised)
            self._held = self._foreseen = 0
            self._promised.clear()

    def is_full(self, now: float) -> bool:
        """Whether nothing would be lost by forgetting this bucket."""
        return self.due_at(now) == inf and now >= self._quiet_until

    def due_at(self, now: float) -> float:
        """When to ask the lender; infinite if there is no need."""
        if self._asked:
            return inf
        if self._news.pause_until > now:
            return self._may_ask_at(now)
        has_token = self._has_token(now)
        if self._urgent > self._foreseen and not has_token:
            return max(self._may_ask_at(now), self._quiet_until)
        if self._held + len(self._promised) < self._least:
            return max(self._may_ask_at(now, 1.0), self._quiet_until, self._not_before)
        if self._has_surplus(now) or self._news != _News():
            return max(self._active_at, self._asked_at) + PACE
        return inf

    def request(self, now: float) -> Request:
        """Ask; nothing else is due from now on until it has `got` an answer."""
        is_idle = not self._least and now - self._active_at >= PACE
        self._has_token(now)
        wanted = self._kept(now) if is_idle else self._wanted()
        self._patience = self._patience_at(now) - 1
        self._asked_at = now
        surplus = max(0, self._held - wanted)
        returned = surplus + len(self._promised) + self._void
        self._void = 0
        self._held -= surplus
        self._promised.clear()
        news, self._news = self._news, _News()
        self._asked = Request(
            holder=self._holder,
            held=self._held,
            returned=returned,
            sent=tuple(now - at for at in news.calls),
            alone=news.alone,
            wanted=wanted,
            soon=PACE,
            lasting=0 if is_idle else self._least,
            must=0 if is_idle else min(self._urgent, wanted),
            demand=_LEAST_DEMAND if is_idle else max(1, self._crowd.writing),
            reserve=0.0 if is_idle else self._crowd.reserve,
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
        has_any = self._held or self._promised
        if self._is_alone or (not has_any and self._news == _News()):
            return None
        request = self.request(now)
        returned = request.returned + request.held
        return replace(request, held=0, returned=returned, wanted=0, must=0, keep=0.0)

    def got(self, now: float, loan: Loan) -> None:
        """Hear what was lent, and what the others have learnt."""
        asked, self._asked = self._asked, None
        if asked is None:
            return
        self._is_alone = False
        self._held = max(0, self._held + loan.held - asked.held)
        self._promised = [now + each for each in loan.promised]
        self._foreseen = asked.must
        # Who was told that there is nothing hears the same if it asks again at once.
        is_short = self._held + len(self._promised) < asked.lasting
        self._not_before = now + PACE if is_short else -inf
        self._until = self._asked_at + asked.keep
        self._theirs = loan.others
        self._replicas = loan.replicas
        self._calls_lately = loan.calls
        self._learn(loan.learnt)
        if loan.learnt.blocked_for:
            self.pause(now + loan.learnt.blocked_for)
            self.on_change()
        if self._has_token(now):
            self._is_waited_for, self._urgent = False, 0
        if self._held or self._promised:
            self.on_change()

    def got_nothing(self, now: float) -> None:
        """Hear that nobody answers: what has to be told is told the next time."""
        asked, self._asked = self._asked, None
        if asked is None:
            return
        news = self._news
        self._news = _News(
            calls=[*(self._asked_at - each for each in asked.sent), *news.calls],
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

    def _wanted(self) -> int:
        """How many tokens to have, if they are there soon."""
        crowd, are_others = self._crowd, self._theirs >= 1
        usual = max(crowd.growing, crowd.waiting - crowd.urgent)
        edits = usual if are_others else _EDITS * usual
        # Of a large burst some are at hand before anybody asks.
        stock = int(self.burst * _ONES / self._replicas)
        lately = len(self._news.calls)
        return min(self._urgent + max(1, stock, edits, lately), int(self.burst))

    @property
    def _least(self) -> int:
        """For how many calls somebody waits, or soon will."""
        crowd = self._crowd
        return max(crowd.waiting, crowd.growing, int(self._is_waited_for))

    def _has_surplus(self, now: float) -> bool:
        return self._held + len(self._promised) > max(self._least, self._kept(now))

    def _kept(self, now: float) -> int:
        many = self._replicas > self._documented.burst * _ONES
        return 0 if many or not self._has_token(now) else 1

    def _has_token(self, now: float) -> bool:
        if self._until <= now:
            self._held = self._void = self._foreseen = 0
            self._promised.clear()
        there = bisect_right(self._promised, now)
        self._held += there
        del self._promised[:there]
        return self._held > 0

    def _patience_at(self, now: float) -> float:
        return min(_SOONER, self._patience + (now - self._asked_at) / PACE)

    def _may_ask_at(self, now: float, kept: float = 0.0) -> float:
        return now + max(0.0, 1.0 + kept - self._patience_at(now)) * PACE
