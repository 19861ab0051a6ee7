"""What Slack takes of one method, as far as calls have shown."""

from dataclasses import dataclass

# Slack documents floors: what it really takes is found by trying.
_LEAST, _MOST = 0.1, 4.0
_FALL = 0.7
# Steeper, a limit counted by the minute would be overrun by many seconds' calls.
_CLIMB = 0.002
# Near the rate that was refused last a step up is worth less than a refusal costs;
# what lies well below was taken before.
_NEAR, _PAST = 0.95, 1.05
_FAST, _SLOW = 4.0, 0.125
_SMALLEST_BURST = 2.0
_BURST_STEPS = 50


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls per second in the long run, and how many may come at once."""

    per_second: float
    burst: float


class LearntRate:
    """The rate that is kept to at present: success raises it, refusals lower it.

    It stays between a tenth and four times of what is documented. `per_second`, set
    by `know`, `burst` and `refused_at` are all there is to keep of it.
    """

    __slots__ = ("_documented", "burst", "per_second", "refused_at")

    def __init__(self, documented: Rate) -> None:
        self._documented = documented
        self.refused_at = 0.0
        self.per_second = documented.per_second
        self.burst = documented.burst

    @property
    def highest(self) -> float:
        """The most that may be true: what is kept to, or what was refused last."""
        return max(self.per_second, self.refused_at)

    def know(self, per_second: float) -> None:
        """Go on with what was learnt before."""
        documented = self._documented.per_second
        bounded = max(_LEAST * documented, per_second)
        self.per_second = min(_MOST * documented, bounded)

    def climb(self) -> None:
        """Slack has taken a call for which others had to wait."""
        share = self.per_second / self.refused_at if self.refused_at else _PAST
        pace = _FAST if share < _NEAR else _SLOW if share < _PAST else 1.0
        self.know(self.per_second * (1 + pace * _CLIMB))
        more = self.burst + self._documented.burst / _BURST_STEPS
        self.burst = min(self._documented.burst, more)

    def fall(self, taken: float) -> None:
        """Slack has refused a call, having `taken` so many a second before."""
        lower = self.per_second * _FALL
        self.refused_at = min(self.per_second, max(lower, taken))
        self.know(lower)
        self.burst = max(_SMALLEST_BURST, self.burst / 2)
