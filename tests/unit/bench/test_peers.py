"""The peers keep to their own rules, and all get the same load."""

import asyncio
from itertools import pairwise

import pytest

from app.sandbox.limits import Shape
from bench.streaming.load import Town
from bench.streaming.peers import PEERS
from bench.streaming.runs import OURS, POLICIES, Case, simulate
from bench.streaming.slack import APPEND, POST, START, STOP, UPDATE, FakeSlack
from bench.streaming.stream import Stream
from bench.virtual import Clock, virtually


class OpenSlack(FakeSlack):
    """Refuses nothing, and notes when it is called."""

    def __init__(self) -> None:
        super().__init__(Shape.BUCKET, seed=1)
        self.limits.limit("*", enabled=False)
        self.made: list[tuple[str, float]] = []

    async def call(self, method: str, channel: str = "") -> None:
        self.made.append((method, round(self.now(), 3)))
        await super().call(method, channel)


def a_stream(tokens: int = 300, number: int = 0) -> Stream:
    return Stream(number=number, channel="C1", tokens=tokens, rate=60.0, begun=1.0)


def calls_of(name: str, *streams: Stream) -> list[tuple[str, float]]:
    async def main(_: Clock) -> list[tuple[str, float]]:
        slack = OpenSlack()
        async with PEERS[name](slack) as answer:
            await asyncio.gather(*(answer(stream) for stream in streams))
        return slack.made

    made = virtually(main)
    assert all(stream.is_whole and not stream.is_lost for stream in streams)
    return made


def times(calls: list[tuple[str, float]], method: str) -> list[float]:
    return [at for each, at in calls if each == method]


def test_final_only_posts_once_when_all_is_written() -> None:
    stream = a_stream()

    assert calls_of("final_only", stream) == [(POST, round(stream.ends, 3))]


@pytest.mark.parametrize(("name", "seconds"), [("interval_1s", 1), ("interval_3s", 3)])
def test_an_interval_lies_between_edits_but_before_the_last(
    name: str, seconds: int
) -> None:
    stream = a_stream()

    made = calls_of(name, stream)

    assert made[0] == (POST, stream.begun)
    gaps = [after - before for (_, before), (_, after) in pairwise(made)]
    assert gaps[:-1] == pytest.approx([seconds] * (len(gaps) - 1))
    assert made[-1] == (UPDATE, round(stream.ends, 3))


def test_chunks20_edits_with_every_twentieth_token_and_at_the_end() -> None:
    made = calls_of("chunks20", a_stream(tokens=210))

    assert [method for method, _ in made] == [POST] + [UPDATE] * 11


def test_buffer_256_streams_pieces_of_64_tokens() -> None:
    made = calls_of("buffer_256", a_stream(tokens=200))

    assert [method for method, _ in made] == [START, APPEND, APPEND, STOP]


def test_buffer_256_begins_and_ends_a_stream_for_a_short_answer() -> None:
    made = calls_of("buffer_256", a_stream(tokens=50))

    assert [method for method, _ in made] == [START, STOP]


def test_window45_makes_no_more_than_45_edits_in_any_minute() -> None:
    edits = times(
        calls_of("window45", *(a_stream(tokens=800, number=each) for each in range(8))),
        UPDATE,
    )

    assert len(edits) > 45
    minutes = [later - edit for edit, later in zip(edits, edits[45:], strict=False)]
    assert min(minutes) >= 60 - 0.01


@pytest.mark.parametrize("policy", [OURS, "interval_1s", "final_only"])
def test_a_simulation_repeats_itself(policy: str) -> None:
    case = Case(policy=policy, people=3, shape=Shape.WINDOW, burst=True)

    assert simulate(case) == simulate(case)


def test_whatever_the_policy_people_ask_the_same() -> None:
    def asked(policy: str) -> set[tuple[int, float]]:
        async def main(_: Clock) -> set[tuple[int, float]]:
            slack = FakeSlack(Shape.BUCKET, seed=1)
            town = Town(slack=slack, seed=7)
            async with POLICIES[policy](slack) as answer:
                await town.ask_at_once(answer, 6, patience=60.0)
            return {(each.tokens, each.rate) for each in town.streams}

        return virtually(main)

    assert len(asked(OURS)) == 6
    assert asked(OURS) == asked("final_only")


def test_slack_refuses_what_is_beyond_its_limit() -> None:
    async def main(_: Clock) -> tuple[int, int]:
        slack = FakeSlack(Shape.BUCKET, seed=1, scale=0.5)
        await asyncio.gather(
            *(slack.call(UPDATE) for _ in range(8)), return_exceptions=True
        )
        return slack.calls[UPDATE], slack.refused[UPDATE]

    assert virtually(main) == (8, 3)
