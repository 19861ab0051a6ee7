"""What no policy can beat: how fresh text can be with so many calls.

With age(t) = the age of the oldest text that is written and not seen, a call that takes
L seconds shows what was there when it was sent. So an answer that is written in D
seconds and seen in k steps has an integral of age of at least D·L + D²/(2k). Over all
answers, with K calls in all, that is least when each has calls in proportion to its D:
the mean age is at least L + S/(2K), where S is the sum of all D.
"""

from collections.abc import Sequence

from app.sandbox.limits import RULES
from bench.streaming.slack import APPEND, LATENCY, START, STOP, UPDATE
from bench.streaming.stream import Stream

_MINUTE = 60.0
EDITS = RULES[UPDATE].per_minute
STREAMED = sum(RULES[method].per_minute for method in (START, APPEND, STOP))


def written_for(streams: Sequence[Stream]) -> float:
    """The seconds in which text was written, all answers together."""
    return sum(each.ends - each.begun for each in streams)


def bound(
    streams: Sequence[Stream], seconds: float, *, scale: float = 1.0, streamed: bool
) -> float:
    """The least mean age in a run of so many seconds; one post for each answer.

    `scale` multiplies the edits a minute; with `streamed`, Slack's streaming is used as
    much as it allows, too.
    """
    per_minute = EDITS * scale + (STREAMED if streamed else 0.0)
    calls = per_minute / _MINUTE * seconds + len(streams)
    return LATENCY + written_for(streams) / (2 * calls)


def fluid(streams: Sequence[Stream], seconds: float, *, scale: float = 1.0) -> float:
    """The same where calls cannot be saved up for when more answers are under way.

    With N(t) answers at a time and B calls a second: L + ∫N²dt/(2·B·S). Nearly a bound,
    while N/B is shorter than an answer.
    """
    rate = EDITS * scale / _MINUTE + len(streams) / seconds
    return LATENCY + _square(streams) / (2 * rate * written_for(streams))


def _square(streams: Sequence[Stream]) -> float:
    """∫N²dt of the answers that are written at the same time."""
    changes = sorted(
        [(each.begun, 1) for each in streams] + [(each.ends, -1) for each in streams]
    )
    area, count, before = 0.0, 0, 0.0
    for moment, change in changes:
        area += count * count * (moment - before)
        count, before = count + change, moment
    return area
