"""A post whose answer was lost: looked for within limits, and never made on a guess."""

import asyncio
from itertools import pairwise

import pytest

from app.errors import (
    CredentialsRefused,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
)
from tests.contracts.reply_stage import DONE, House, a_turn, in_a_house, type_in

POST = "chat.postMessage"
LOOK_UP = "conversations.replies"
LOST = (
    "<@U1> My answer may be missing here: Slack did not tell whether it took it.\n"
    "[Retry]"
)


def lose_a_post(house: House) -> None:
    house.slack.fail(POST, SlackUnavailable("timeout"), is_taken=True)


def test_a_look_up_that_is_limited_waits_as_long_as_it_is_told_to() -> None:
    async def story(house: House) -> None:
        lose_a_post(house)
        for _ in range(3):
            house.slack.fail(LOOK_UP, RateLimited(LOOK_UP, 60))
        reply = await house.open()
        await type_in(reply, "Only once.")
        assert await reply.finish(DONE) is None
        assert house.seen == ["Only once.\n— completed · 9 s"]
        times = [call.at for call in house.slack.of(LOOK_UP)]
        assert len(times) == 4
        assert all(later - earlier >= 60 for earlier, later in pairwise(times))

    in_a_house(story)


def test_a_look_up_that_waits_holds_no_other_post_back() -> None:
    async def story(house: House) -> None:
        lose_a_post(house)
        house.slack.fail(LOOK_UP, RateLimited(LOOK_UP, 60))
        reply = await house.open()
        await type_in(reply, "Only once.")
        await asyncio.sleep(3)
        other = await house.open(a_turn(turn_id=8))
        await type_in(other, "Meanwhile.")
        assert await other.finish(DONE) is None
        assert house.clock.now() < 20
        assert await reply.finish(DONE) is None
        assert len(house.seen) == 2

    in_a_house(story)


@pytest.mark.parametrize(
    ("error", "most"),
    [
        (CredentialsRefused("missing_scope", LOOK_UP), 30),
        (PlaceClosed("method_not_supported_for_channel_type", LOOK_UP), 30),
        (SlackError("a_word_from_the_future", LOOK_UP), 30),
        (RateLimited(LOOK_UP, 60), 500),
        (SlackUnavailable("timeout", LOOK_UP), 500),
    ],
)
def test_what_nobody_can_find_out_is_said_and_not_posted_again(
    error: SlackError, most: float
) -> None:
    async def story(house: House) -> None:
        lose_a_post(house)
        for _ in range(100):
            house.slack.fail(LOOK_UP, error)
        reply = await house.open()
        await type_in(reply, "Is it there?")
        assert await reply.finish(DONE) == "post_unconfirmed"
        assert house.seen[1:] == [LOST]
        assert house.seen[0].startswith("Is it there?")
        assert house.clock.now() < most
        again = await house.take_over()
        assert await again.finish(DONE) == "post_unconfirmed"
        assert house.seen[1:] == [LOST]

    in_a_house(story)


def test_where_even_that_is_lost_nothing_is_said_twice() -> None:
    async def story(house: House) -> None:
        lose_a_post(house)
        lose_a_post(house)
        for _ in range(100):
            house.slack.fail(LOOK_UP, CredentialsRefused("missing_scope", LOOK_UP))
        reply = await house.open()
        await type_in(reply, "Is it there?")
        assert await reply.finish(DONE) == "post_unconfirmed"
        assert len(house.slack.of(POST)) == 2

    in_a_house(story)
