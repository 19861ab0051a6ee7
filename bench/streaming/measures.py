"""What people saw of the answers, in figures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from statistics import fmean

from bench.streaming.bound import bound, fluid, written_for
from bench.streaming.slack import FakeSlack
from bench.streaming.stream import Stream
from bench.table import percentile

_MINUTE = 60.0
# An age is looked at so often.
_GLANCE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run, or the mean of several; times in seconds.

    `stale` is the mean age of the oldest text that is written and not seen, for each
    second of writing. `bound` is the least that edits and posts allow, and Slack's own
    streams where they are used. `first` is from the first delta to the first text in
    view, `lag` from the last one to the whole. `refused` is a share of `chat.*` calls,
    from 0 to 1. `drained` is from the first delta to the last whole answer, `written`
    to the last delta; in `posted` Slack would take one post for each answer. Counts are
    sums.
    """

    stale: float
    bound: float
    fluid: float
    age_p50: float
    age_p95: float
    first_p50: float
    first_p95: float
    lag_p50: float
    lag_p95: float
    lag_max: float
    calls: float
    refused: float
    per_minute: float
    drained: float
    written: float
    posted: float
    replies: int
    unfinished: int
    lost: int
    backwards: int

    @property
    def ratio(self) -> float:
        """How far from the least."""
        return self.stale / self.bound


def mean(runs: Sequence[Measured]) -> Measured:
    """The mean of several seeds; what must not happen at all is summed up."""
    values: dict[str, float] = {}
    for field in fields(Measured):
        each = [getattr(run, field.name) for run in runs]
        is_count = field.type is int or field.type == "int"
        values[field.name] = sum(each) if is_count else fmean(each)
    return Measured(**values)  # type: ignore[arg-type] # counts were summed as int


def measure(
    streams: Sequence[Stream],
    slack: FakeSlack,
    until: float,
    scale: float,
    *,
    streamed: bool = False,
) -> Measured:
    """Judge one run, which was given up at `until` if anything was still to come.

    How late a lost answer is nobody can say, so it counts as lost and nowhere else.
    """
    kept = [each for each in streams if each.is_whole or not each.is_lost]
    whole = [each for each in streams if each.is_whole]
    done = [each.seen[-1][0] if each.is_whole else until for each in kept]
    lags = [at - each.ends for at, each in zip(done, kept, strict=True)]
    firsts = [_first(each, until) - each.begun for each in kept]
    ages = [age for each in kept for age in ages_of(each, until)]
    began = min(each.begun for each in streams)
    seconds = max(done) - began
    chat = [method for method in slack.calls if method.startswith("chat.")]
    calls = sum(slack.calls[method] for method in chat)
    return Measured(
        stale=sum(staleness(each, until) for each in kept) / written_for(kept),
        bound=bound(streams, seconds, scale=scale, streamed=streamed),
        fluid=fluid(streams, seconds, scale=scale),
        age_p50=percentile(ages, 0.5),
        age_p95=percentile(ages, 0.95),
        first_p50=percentile(firsts, 0.5),
        first_p95=percentile(firsts, 0.95),
        lag_p50=percentile(lags, 0.5),
        lag_p95=percentile(lags, 0.95),
        lag_max=max(lags),
        calls=calls / len(streams),
        refused=sum(slack.refused[method] for method in chat) / calls,
        per_minute=len(whole) * _MINUTE / seconds,
        drained=seconds,
        written=max(each.ends for each in streams) - began,
        posted=slack.posts_take(len(streams), began),
        replies=len(streams),
        unfinished=len(kept) - len(whole),
        lost=len(streams) - len(kept),
        backwards=sum(_steps_back(each) for each in streams),
    )


def staleness(stream: Stream, until: float) -> float:
    """The integral of the age of the oldest text that is written and not seen."""
    area = 0.0
    for start, end, oldest in _unseen(stream, until):
        area += ((end - oldest) ** 2 - (start - oldest) ** 2) / 2
    return area


def ages_of(stream: Stream, until: float) -> list[float]:
    """That age at regular moments, from the first token to when all is in view."""
    ages, moment = [], stream.begun
    for start, end, oldest in _unseen(stream, until):
        while moment < end:
            ages.append(max(0.0, moment - oldest) if moment >= start else 0.0)
            moment += _GLANCE
    return ages or [0.0]


def _unseen(stream: Stream, until: float) -> Iterator[tuple[float, float, float]]:
    """Spans with unseen text: from, to, and when the oldest of it was written."""
    steps = [(stream.begun, 0), *stream.seen, (until, stream.in_view)]
    for (start, tokens), (end, _) in pairwise(steps):
        if tokens == stream.tokens:
            continue
        oldest = stream.comes(tokens + 1)
        if end > oldest:
            yield max(start, oldest), end, oldest


def _first(stream: Stream, until: float) -> float:
    return next((moment for moment, tokens in stream.seen if tokens), until)


def _steps_back(stream: Stream) -> int:
    return sum(after < before for (_, before), (_, after) in pairwise(stream.seen))
