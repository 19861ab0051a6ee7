"""Slack's rate limits, in the two shapes that have been seen."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

_MINUTE = 60.0


class Shape(StrEnum):
    """How a limit counts: a bucket that refills, or whole minutes."""

    BUCKET = "bucket"
    WINDOW = "window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How often something may be called; `burst` counts only for a bucket."""

    per_minute: float
    burst: float
    shape: Shape = Shape.BUCKET
    enabled: bool = True


def _tier(per_minute: float) -> Rule:
    return Rule(per_minute=per_minute, burst=max(1.0, per_minute / 5))


_TIER_2, _TIER_3, _TIER_4 = _tier(20), _tier(50), _tier(100)
_SPECIAL = _tier(600)

# Slack: docs.slack.dev/apis/web-api/rate-limits; the "special" figures and bursts are
# unpublished and taken from what client libraries budget.
RULES: Mapping[str, Rule] = {
    "apps.connections.open": Rule(per_minute=10, burst=10),
    "assistant.threads.setStatus": _tier(300),
    "assistant.threads.setSuggestedPrompts": _TIER_3,
    "assistant.threads.setTitle": _TIER_3,
    "agents.sessions.setStatus": _TIER_3,
    "auth.test": _SPECIAL,
    "bots.info": _TIER_3,
    "chat.appendStream": _TIER_4,
    "chat.delete": _TIER_3,
    "chat.getPermalink": _SPECIAL,
    "chat.postEphemeral": _TIER_4,
    "chat.postMessage": _tier(300),
    "chat.startStream": _TIER_2,
    "chat.stopStream": _TIER_2,
    "chat.update": _TIER_3,
    "conversations.history": _TIER_3,
    "conversations.info": _TIER_3,
    "conversations.list": _TIER_2,
    "conversations.members": _TIER_4,
    "conversations.open": _TIER_3,
    "conversations.replies": _TIER_3,
    "reactions.add": _TIER_3,
    "reactions.remove": _TIER_2,
    "team.info": _TIER_3,
    "users.info": _TIER_4,
    "users.list": _TIER_2,
    "views.open": _TIER_4,
    "views.publish": _TIER_4,
    "views.update": _TIER_4,
}
# Slack: one post a second per channel, short bursts tolerated.
PER_CHANNEL = "chat.postMessage:channel"
_PER_CHANNEL_RULE = Rule(per_minute=60, burst=3)


class _Count:
    """How much of one rule is used up."""

    def __init__(self, rule: Rule, now: float) -> None:
        self.rule = rule
        self._left = self._full()
        self._since = now

    def _full(self) -> float:
        is_bucket = self.rule.shape is Shape.BUCKET
        return self.rule.burst if is_bucket else self.rule.per_minute

    def left(self, now: float) -> float:
        """Return how many calls would be admitted at once."""
        if self.rule.shape is Shape.BUCKET:
            refill = max(0.0, now - self._since) * self.rule.per_minute / _MINUTE
            self._left = min(self.rule.burst, self._left + refill)
            self._since = now
        elif now // _MINUTE != self._since // _MINUTE:
            self._left, self._since = self.rule.per_minute, now
        return self._left

    def take(self, now: float) -> float:
        """Use one call and return 0, or return the seconds until one is free."""
        left = self.left(now)
        # Sums of many small refills may fall short of a whole call by rounding alone.
        if left >= 1 - 1e-9:
            self._left = left - 1
            return 0.0
        if self.rule.shape is Shape.WINDOW:
            return _MINUTE - now % _MINUTE
        return (1 - left) * _MINUTE / self.rule.per_minute


class Limiter:
    """Counts calls per workspace and method, on whatever clock it is given."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rules: dict[str, Rule] = {**RULES, PER_CHANNEL: _PER_CHANNEL_RULE}
        self._counts: dict[tuple[str, str, str], _Count] = {}

    def take(self, team_id: str, method: str, place: str = "") -> int:
        """Return 0 when admitted, else the whole seconds of `Retry-After`.

        A refused call uses nothing up.
        """
        rule = self._rules.get(method, _TIER_3)
        if not rule.enabled:
            return 0
        wait = self._count(team_id, method, place, rule).take(self._clock())
        return math.ceil(wait) if wait > 0 else 0

    def left(self, team_id: str, method: str, place: str = "") -> int | None:
        """Return how many calls would be admitted now; None when nothing limits."""
        rule = self._rules.get(method, _TIER_3)
        if not rule.enabled:
            return None
        return int(self._count(team_id, method, place, rule).left(self._clock()))

    def rules(self) -> Mapping[str, Rule]:
        """Return every rule by method; posts per channel are `PER_CHANNEL`."""
        return self._rules

    def limit(
        self,
        method: str,
        *,
        per_minute: float | None = None,
        burst: float | None = None,
        shape: str = "bucket",
        enabled: bool = True,
    ) -> None:
        """Change a method's rule and start its count afresh.

        `*` stands for all of them. `chat.postMessage` is the cap of the workspace and
        `chat.postMessage:channel` that of each channel; switching the former off or
        on does so for both.
        """
        for name in self._named(method, only_switch=per_minute is None):
            rule = self._rules.get(name, _TIER_3)
            changed = replace(rule, shape=Shape(shape), enabled=enabled)
            if per_minute is not None:
                default = max(1.0, per_minute / 5)
                changed = replace(changed, per_minute=per_minute, burst=default)
            if burst is not None:
                changed = replace(changed, burst=burst)
            self._rules[name] = changed
            for key in [key for key in self._counts if key[1] == name]:
                del self._counts[key]

    def _named(self, method: str, *, only_switch: bool) -> list[str]:
        if method == "*":
            return list(self._rules)
        if method == "chat.postMessage" and only_switch:
            return [method, PER_CHANNEL]
        return [method]

    def _count(self, team_id: str, method: str, place: str, rule: Rule) -> _Count:
        key = (team_id, method, place)
        if key not in self._counts:
            self._counts[key] = _Count(rule, self._clock())
        return self._counts[key]
