"""Every word of Slack's for a post or an edit that it refuses: how the reply ends."""

import asyncio

import pytest

from app.domain import REPLY_DELETED, StopRequest
from app.errors import (
    AccessLost,
    EditRefused,
    MessageGone,
    PayloadRefused,
    RateLimited,
    SlackError,
    SlackUnavailable,
)
from app.slack.refusals import CLASS_OF, refusal
from tests.contracts.reply_stage import DONE, House, a_turn, in_a_house, type_in

POST, UPDATE = "chat.postMessage", "chat.update"
WHOLE = "The answer is whole.\n— completed · 9 s"
OPEN = "streaming_state_conflict"
ALL = sorted([*CLASS_OF, "a_word_from_the_future"])


def refused_with(method: str, code: str, times: int) -> list[SlackError]:
    return [refusal(method, code, 200, {"Retry-After": "3"}) for _ in range(times)]


async def end_of(house: House, method: str, code: str) -> str | None:
    """Let a method be refused for as long as it is tried, if that is no outage."""
    reply = await house.open()
    if method == UPDATE:
        await type_in(reply, "The answer")
        await asyncio.sleep(2)
    # A stream that nobody ends is ended by Slack in a while.
    passes_by = CLASS_OF.get(code) in (RateLimited, SlackUnavailable) or code == OPEN
    for error in refused_with(method, code, 2 if passes_by else 50):
        house.slack.fail(method, error)
    await type_in(reply, " is whole." if method == UPDATE else "The answer is whole.")
    return await reply.finish(DONE)


@pytest.mark.parametrize("code", ALL)
def test_a_refused_post_is_made_later_or_never_and_not_again_and_again(
    code: str,
) -> None:
    async def story(house: House) -> None:
        match CLASS_OF.get(code):
            case error if error in (RateLimited, SlackUnavailable):
                assert await end_of(house, POST, code) is None
                assert house.seen == [WHOLE]
                assert len(house.slack.of(POST)) == 3
            case error if error is AccessLost:
                with pytest.raises(AccessLost):
                    await end_of(house, POST, code)
                assert len(house.slack.of(POST)) == 1
            case error:
                assert await end_of(house, POST, code) == code
                assert house.seen == []
                tries = 2 if error is PayloadRefused else 1
                assert len(house.slack.of(POST)) == tries

    in_a_house(story)


@pytest.mark.parametrize("code", ALL)
def test_a_refused_edit_is_made_later_or_elsewhere_or_never(code: str) -> None:
    async def story(house: House) -> None:
        match CLASS_OF.get(code):
            case error if (
                error in (RateLimited, SlackUnavailable, EditRefused) or code == OPEN
            ):
                assert await end_of(house, UPDATE, code) is None
                assert house.seen == [WHOLE]
            case error if error is AccessLost:
                with pytest.raises(AccessLost):
                    await end_of(house, UPDATE, code)
            case error if error is MessageGone:
                # Which of the two ends it, the edit or the end of the run, is chance.
                assert await end_of(house, UPDATE, code) == "message_not_found"
                stop = StopRequest(turn_id=a_turn().turn_id, stopped_by=REPLY_DELETED)
                assert house.stops in ([], [stop])
            case _:
                assert await end_of(house, UPDATE, code) == code
        assert len(house.slack.of(UPDATE)) <= 4
        assert len(house.slack.of(POST)) <= 2

    in_a_house(story)
