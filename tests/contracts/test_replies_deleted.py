"""A message of an answer that somebody has removed: enough, nothing comes again."""

import asyncio

from app.domain import REPLY_DELETED, Ending, RunStatus, StopRequest
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    a_turn,
    in_a_house,
    type_in,
)

UNWANTED = Ending(status=RunStatus.CANCELLED, reply_deleted=True)
STOP = StopRequest(turn_id=a_turn().turn_id, stopped_by=REPLY_DELETED)
PAGE = "A paragraph of some length, as they are. " * 100 + "\n\n"


def test_a_removed_answer_asks_for_its_end_and_is_not_posted_again() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The answer")
        await asyncio.sleep(2)
        house.slack.messages.clear()
        await type_in(reply, " goes on and on")
        await asyncio.sleep(3)
        assert house.stops == [STOP]
        reply.attach(a_change(0))
        reply.append(PAGE)
        assert await reply.finish(UNWANTED) == "message_not_found"
        assert house.seen == []
        assert house.slack.status == ""

    in_a_house(story)


def test_an_answer_that_is_known_to_be_removed_posts_nothing_more() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The answer")
        await asyncio.sleep(2)
        house.slack.messages.clear()
        reply.append(PAGE * 5)
        assert await reply.finish(UNWANTED) == "message_not_found"
        assert house.seen == []
        assert len(house.slack.of("chat.postMessage")) == 1

    in_a_house(story)


def test_an_answer_removed_before_it_was_begun_says_nothing() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.append("The answer")
        assert await reply.finish(UNWANTED) == "message_not_found"
        assert house.seen == []

    in_a_house(story)


def test_of_a_long_answer_the_rest_is_brought_to_its_end() -> None:
    async def story(house: House) -> None:
        house.notify_after = 1
        reply = await house.open()
        await type_in(reply, PAGE * 5, size=200)
        await asyncio.sleep(10)
        *standing, removed = house.slack.messages
        del house.slack.messages[removed]
        await type_in(reply, "More of it.")
        await asyncio.sleep(10)
        assert house.stops == [STOP]
        assert await reply.finish(UNWANTED) == "message_not_found"
        assert list(house.slack.messages) == standing
        assert not any("[" in seen for seen in house.seen)
        assert house.seen[-1].endswith("— cancelled · answer deleted")

    in_a_house(story)


def test_an_answer_that_is_removed_when_it_is_complete_stays_away() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The answer")
        await asyncio.sleep(2)
        house.slack.messages.clear()
        reply.append(" is complete.")
        assert await reply.finish(DONE) == "message_not_found"
        assert house.seen == []
        assert house.stops == []

    in_a_house(story)


def test_a_removed_card_is_gone_and_the_answer_goes_on() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        house.data.stored = [a_change(0), a_change(1, "bedroom", 19)]
        reply.attach(a_change(0))
        await asyncio.sleep(2)
        house.slack.messages.clear()
        reply.attach(a_change(1, "bedroom", 19))
        await asyncio.sleep(5)
        await type_in(reply, "It is set.")
        assert await reply.finish(DONE) is None
        card, text = sorted(house.seen)
        assert "Bedroom" in card
        assert "Kitchen" not in card
        assert text == "It is set.\n— completed · 9 s"
        assert house.stops == []

    in_a_house(story)


def test_who_takes_over_a_removed_answer_posts_it_no_more_either() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The answer")
        await asyncio.sleep(2)
        house.slack.messages.clear()
        second = await house.take_over()
        await type_in(second, "The answer once more")
        await asyncio.sleep(3)
        assert house.stops == [STOP]
        assert await second.finish(UNWANTED) == "message_not_found"
        assert house.seen == []

    in_a_house(story)
