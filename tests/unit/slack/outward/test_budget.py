"""Budgets against Slack's limits as the sandbox counts them."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings, strategies as st

from app.sandbox.limits import Limiter
from app.slack.replies.budget import UPDATES, Bucket

METHOD = "chat.update"
FLIGHT = 0.1


class Slack:
    """Takes one call after another as soon as the budget allows it."""

    def __init__(self, per_minute: float, shape: str) -> None:
        self.now = 0.0
        self.limiter = Limiter(lambda: self.now)
        self.limiter.limit(METHOD, per_minute=per_minute, shape=shape)
        self.bucket = Bucket(UPDATES, 0.0)

    def call(self, seconds: float, rest: float = 0.0) -> Iterator[bool]:
        """Say of each call whether it was taken; each half minute may have a rest."""
        end = self.now + seconds
        while self.now < end:
            if rest and self.now % 30 >= 30 - rest:
                self.now += rest
            at = self.bucket.ready_at(self.now, min(3.0, self.bucket.burst))
            if at > self.now:
                self.now = at
                continue
            self.bucket.take(self.now)
            self.now += FLIGHT
            if wait := self.limiter.take("T1", METHOD):
                self.bucket.refused(self.now, wait)
            else:
                self.bucket.succeeded(self.now)
            yield not wait


@pytest.mark.parametrize("shape", ["bucket", "window"])
@pytest.mark.parametrize(
    ("limit", "least", "refused"), [(25, 22, 0.03), (50, 45, 0.01), (100, 85, 0.01)]
)
def test_a_limit_half_or_twice_as_high_as_told_is_learnt(
    shape: str, limit: float, least: float, refused: float
) -> None:
    taken = list(Slack(limit, shape).call(900))
    assert sum(taken) / 15 >= least
    assert 1 - sum(taken) / len(taken) <= refused


@pytest.mark.parametrize("shape", ["bucket", "window"])
@pytest.mark.parametrize("rest", [0.0, 10.0, 20.0])
def test_the_first_minute_is_never_refused_when_the_limit_is_as_told(
    shape: str, rest: float
) -> None:
    assert all(Slack(50, shape).call(55, rest))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0, 40)), min_size=4, max_size=10))
def test_no_minute_holds_more_than_the_rate_however_work_and_rest_alternate(
    spans: list[tuple[float, float]],
) -> None:
    bucket, now, calls = Bucket(UPDATES, 0.0), 0.0, list[float]()
    for work, rest in spans:
        end = now + work
        while (at := bucket.ready_at(now)) <= end:
            now = at
            bucket.take(now)
            calls.append(now)
        now = end + rest
    pairs = zip(calls, calls[50:], strict=False)
    assert all(later - sooner > 60 for sooner, later in pairs)


def test_a_limit_that_was_never_reached_is_never_thought_higher() -> None:
    bucket = Bucket(UPDATES, 0.0)
    for second in range(0, 3_000, 3):
        assert bucket.ready_at(second) <= second
        bucket.take(second)
        bucket.succeeded(second + 0.1)
    assert bucket.rate.per_second == UPDATES.per_second


def test_calls_refused_together_are_one_refusal() -> None:
    bucket = Bucket(UPDATES, 0.0)
    for _ in range(5):
        bucket.take(0.0)
    for _ in range(5):
        bucket.refused(0.2, 3)
    assert bucket.rate.per_second == pytest.approx(UPDATES.per_second * 0.7)
    assert bucket.burst == UPDATES.burst / 2
    assert bucket.ready_at(0.2) == pytest.approx(3.2)


def test_what_was_learnt_can_be_given_to_another_and_stays_within_reason() -> None:
    bucket = Bucket(UPDATES, 0.0)
    for per_second, kept in ((1.2, 1.2), (99, 50 / 60 * 4), (0, 50 / 60 / 10)):
        bucket.rate.know(per_second)
        assert bucket.per_second == pytest.approx(kept)
