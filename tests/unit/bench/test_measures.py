"""How old unseen text is, and the bound on it."""

import pytest

from bench.streaming.bound import bound, fluid
from bench.streaming.measures import ages_of, staleness
from bench.streaming.slack import LATENCY
from bench.streaming.stream import TEXT, TOKEN, Stream, tokens_in


def a_stream(begun: float = 0.0) -> Stream:
    """Ten seconds long."""
    return Stream(number=0, channel="C1", tokens=101, rate=10.0, begun=begun)


def test_text_that_comes_at_once_grows_old_until_it_is_seen() -> None:
    stream = a_stream(begun=5.0)
    stream.show(stream.tokens, 16.0)

    assert staleness(stream, until=99.0) == pytest.approx(11.0**2 / 2)


def test_what_is_never_seen_grows_old_to_the_end() -> None:
    assert staleness(a_stream(), until=20.0) == pytest.approx(20.0**2 / 2)


def test_only_what_is_written_and_not_seen_has_an_age() -> None:
    stream = a_stream()
    for second in range(1, 11):
        stream.show(stream.written(second), second)

    # Ten triangles; the token seen last is a tenth of a second older than the next.
    assert staleness(stream, until=99.0) == pytest.approx((1 + 9 * 0.9**2) / 2)


def test_text_that_goes_back_is_old_again() -> None:
    stream = a_stream()
    stream.show(stream.tokens, 10.0)
    stream.show(51, 12.0)
    stream.show(stream.tokens, 13.0)

    # The token after the 51st came after 5.1 seconds.
    back = ((13.0 - 5.1) ** 2 - (12.0 - 5.1) ** 2) / 2
    assert staleness(stream, until=99.0) == pytest.approx(10.0**2 / 2 + back)


def test_ages_are_those_at_regular_moments() -> None:
    stream = a_stream()
    stream.show(stream.tokens, 1.0)

    assert ages_of(stream, until=99.0) == [0.0, 0.25, 0.5, 0.75]


def test_even_steps_reach_the_bound_but_for_the_latency() -> None:
    stream, steps = a_stream(), 5
    for step in range(1, steps + 1):
        moment = 10.0 * step / steps
        stream.show(stream.written(moment), moment)

    stale = staleness(stream, until=99.0) / 10.0

    # The post is one call, edits are the others: 4.8 seconds at 50 a minute.
    least = bound([stream], (steps - 1) * 60 / 50, streamed=False) - LATENCY
    assert least == pytest.approx(1.0)
    assert stale == pytest.approx(least, rel=0.1)


def test_more_calls_lower_the_bound() -> None:
    streams = [a_stream(), a_stream()]

    edited = bound(streams, 12.0, streamed=False)
    halved = bound(streams, 12.0, scale=0.5, streamed=False)
    streamed = bound(streams, 12.0, streamed=True)

    assert streamed < edited < halved
    assert edited == pytest.approx(LATENCY + 20.0 / (2 * (10 + 2)))


def test_where_calls_cannot_be_saved_answers_at_once_are_dearer() -> None:
    at_once = fluid([a_stream(), a_stream()], 60.0)
    in_turn = fluid([a_stream(), a_stream(begun=10.0)], 60.0)

    assert at_once - LATENCY == pytest.approx(2 * (in_turn - LATENCY))


def test_every_beginning_of_the_text_is_known_by_its_length() -> None:
    for tokens in (1, 12, 60, 61, 800):
        assert tokens_in(TEXT[: tokens * TOKEN].strip()) == tokens


def test_other_text_is_not_taken_for_an_answer() -> None:
    with pytest.raises(AssertionError):
        tokens_in(TEXT[4:40])
