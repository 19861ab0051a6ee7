"""What people are asked when only they can decide, and what becomes of it."""

import asyncio
from dataclasses import replace

import pytest

from app.domain import Doubt, Ending, RunError, RunStatus
from app.errors import AccessLost, PlaceClosed
from app.slack.blocks import Action
from tests.contracts.reply_stage import House, a_turn, in_a_house, type_in

DOUBT = Doubt(1, "I can't tell whether milk was ordered.")
FAILED = Ending(
    status=RunStatus.FAILED,
    seconds=9,
    error=RunError(code="outcome_unknown", message=DOUBT.text),
)


def buttons(house: House) -> list[str]:
    """The ids of all buttons that people can press."""
    rows = [
        block["elements"]
        for payload in house.slack.messages.values()
        for block in payload.blocks
        if block["type"] == "actions"
    ]
    return [each["action_id"] for row in rows for each in row]


def test_an_end_is_told_where_the_question_was_not_taken() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll order milk.")
        await asyncio.sleep(1)
        house.slack.fail("chat.postMessage", PlaceClosed("thread_locked"))

        assert not await reply.ask(DOUBT)

        assert await reply.finish(FAILED) is None
        (seen,) = house.seen
        assert "failed" in seen
        assert "decide" not in seen
        assert buttons(house) == [Action.RETRY]

    in_a_house(story)


def test_a_question_waits_for_a_token_that_slack_takes() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll order milk.")
        await asyncio.sleep(1)
        house.slack.fail("chat.postMessage", AccessLost("token_revoked"))

        with pytest.raises(AccessLost):
            await reply.ask(DOUBT)

    in_a_house(story)


def test_a_question_that_a_dead_process_asked_can_still_be_decided() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll order milk.")
        assert await reply.ask(DOUBT)
        asked = house.seen[1]

        house.owner += 1
        second = await house.open(replace(a_turn(), doubt=DOUBT))
        await asyncio.sleep(5)
        assert await second.ask(DOUBT)

        assert house.seen[1] == asked
        assert Action.CHECK in buttons(house)

    in_a_house(story)
