"""Slack's limits: what they cost, and what they must not."""

import time

import pytest

from app.sandbox.model.stories import LONG, story
from tests.scenarios.shown import (
    POST,
    UPDATE,
    edits,
    posts,
    refused,
    with_postgres,
    with_sqlite,
)
from tests.scenarios.world import World, text_of

LONG_STORY = "@threadline tell me a long story"


class NearTheEndOfAMinute:
    """A clock by which a minute ends two and a half seconds after it is first read."""

    def __init__(self) -> None:
        self._ahead: float | None = None

    def __call__(self) -> float:
        now = time.time()
        if self._ahead is None:
            self._ahead = (57.5 - now) % 60
        return now + self._ahead


async def finished(world: World, places: dict[str, str]) -> None:
    """Wait until the last edit of an answer in each thread has been made."""
    for root, channel in places.items():
        await world.answered(root, channel)


@with_sqlite
async def test_when_edits_come_too_fast_all_of_them_wait_as_long_as_slack_says(
    world: World,
) -> None:
    world.sandbox.model.rate = 250
    first = await world.ask(LONG_STORY)
    second = await world.ask(LONG_STORY, user="ben", channel="dm:ben")
    await world.until(lambda: world.said(first) and world.said(second, "dm:ben"))
    world.sandbox.fault(UPDATE, "status", value=(429, 2))
    world.sandbox.model.rate = 1_000

    assert await world.answered(first) == story(LONG)
    assert await world.answered(second, "dm:ben") == story(LONG)
    (too_fast,) = refused(world)
    # A call that was under way with it has not heard of the pause yet.
    times = [each.at - too_fast.at for each in world.sandbox.calls(UPDATE)]
    assert not [after for after in times if 0.2 < after < 2.0]
    assert max(times) >= 2.0


@with_postgres
async def test_a_post_that_comes_too_fast_is_made_later_and_once(world: World) -> None:
    world.sandbox.fault(POST, "status", value=(429, 1))
    root = await world.ask("@threadline say exactly: hello")

    assert await world.answered(root) == "hello"
    (too_fast,) = refused(world)
    (post,) = posts(world, root)
    assert post.at - too_fast.at >= 1.0
    assert len(world.said(root)) == 1


@with_postgres
async def test_eight_answers_at_once_all_end_whole_and_hardly_ever_too_fast(
    world: World,
) -> None:
    world.sandbox.model.rate = 150
    places: dict[str, str] = {}
    people = [("ana", "#general"), ("ben", "#general"), ("chloe", "dm:chloe")]
    for number in range(8):
        user, channel = people[number % len(people)]
        root = await world.ask(LONG_STORY, user=user, channel=channel)
        places[root] = channel

    await finished(world, places)
    for root, channel in places.items():
        (message,) = world.said(root, channel)
        assert text_of(message) == story(LONG)
    assert len(refused(world)) <= 1


@with_sqlite
@pytest.mark.timeout(120)
@pytest.mark.parametrize("sandbox", [{"clock": NearTheEndOfAMinute()}], indirect=True)
async def test_a_limit_that_counts_whole_minutes_delays_the_end_and_loses_nothing(
    world: World,
) -> None:
    world.sandbox.limit(UPDATE, per_minute=1, shape="window")
    world.sandbox.model.rate = 300
    root = await world.ask(LONG_STORY)

    # A busy machine may miss the end of this minute and wait for that of the next.
    assert await world.answered(root, patience=90) == story(LONG)
    (message,) = world.said(root)
    assert edits(world, message)


@with_postgres
async def test_a_bucket_smaller_than_expected_delays_the_end_and_loses_nothing(
    world: World,
) -> None:
    world.sandbox.limit(UPDATE, per_minute=30, burst=1)
    world.sandbox.model.rate = 600
    first = await world.ask(LONG_STORY)
    second = await world.ask(LONG_STORY, user="ben", channel="dm:ben")

    assert await world.answered(first) == story(LONG)
    assert await world.answered(second, "dm:ben") == story(LONG)
    for too_fast in refused(world, UPDATE):
        later = [
            each.at for each in world.sandbox.calls(UPDATE) if each.at > too_fast.at
        ]
        assert min(later, default=9e9) - too_fast.at >= 1.0
