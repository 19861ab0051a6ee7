"""What a run comes to, all answers together."""

import asyncio
from itertools import count

import pytest

from app.sandbox.limits import Shape
from bench.streaming.measures import Measured, mean, measure
from bench.streaming.slack import POST, FakeSlack
from bench.streaming.stream import Stream
from bench.virtual import Clock, virtually

_numbers = count()


def a_stream(*seen: tuple[float, int], is_lost: bool = False) -> Stream:
    """Ten seconds long, and seen like that."""
    stream = Stream(number=next(_numbers), channel="C1", tokens=101, rate=10, begun=0)
    for moment, tokens in seen:
        stream.show(tokens, moment)
    stream.is_lost = is_lost
    return stream


def judged(*streams: Stream) -> Measured:
    async def main(_: Clock) -> Measured:
        slack = FakeSlack(Shape.BUCKET, seed=1)
        await slack.call(POST, "C1")
        return measure(streams, slack, until=100.0, scale=1.0)

    return virtually(main)


def test_a_text_that_becomes_shorter_has_gone_back() -> None:
    found = judged(a_stream((1.0, 5), (2.0, 3), (3.0, 9), (4.0, 8), (11.0, 101)))

    assert found.backwards == 2
    assert found.unfinished == found.lost == 0


def test_an_answer_whose_end_is_overwritten_is_unfinished() -> None:
    found = judged(a_stream((11.0, 101), (12.0, 60)))

    assert found.unfinished == 1
    assert found.lag_max == pytest.approx(90.0)


def test_a_lost_answer_counts_as_lost_alone() -> None:
    good = judged(a_stream((11.0, 101)))

    found = judged(a_stream((11.0, 101)), a_stream((1.0, 1), is_lost=True))

    assert (found.lost, found.unfinished, found.replies) == (1, 0, 2)
    assert found.stale == good.stale
    assert found.lag_max == good.lag_max == pytest.approx(1.0)


def test_the_first_text_is_the_first_that_anybody_can_read() -> None:
    found = judged(a_stream((0.5, 0), (2.0, 7), (11.0, 101)))

    assert found.first_p50 == pytest.approx(2.0)


def test_of_several_seeds_figures_are_means_and_mishaps_sums() -> None:
    once, twice = judged(a_stream((11.0, 101))), judged(a_stream((13.0, 101)))

    found = mean([once, twice])

    assert found.lag_p95 == pytest.approx(2.0)
    assert found.replies == 2


@pytest.mark.parametrize("shape", list(Shape))
def test_it_is_known_how_long_slack_takes_for_many_posts(shape: Shape) -> None:
    async def main(clock: Clock) -> tuple[float, float]:
        slack = FakeSlack(shape, seed=3)
        known, taken = slack.posts_take(700, 0.0), 0
        while taken < 700:
            wait = slack.limits.take("T1", POST)
            taken += not wait
            await asyncio.sleep(wait)
        return known, clock.now()

    known, took = virtually(main)

    assert known > 60
    assert took == pytest.approx(known, abs=1.0)
