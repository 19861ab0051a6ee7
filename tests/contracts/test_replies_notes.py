"""The extra posts that call people: each once, whatever happens on the way."""

import asyncio

import pytest

from app.domain import Ending, PartKind, ReplyPart, RunStatus
from app.errors import LeaseLost, PlaceClosed, SlackError, SlackUnavailable
from tests.contracts.reply_stage import House, a_change, a_turn, in_a_house, type_in

LONG = Ending(status=RunStatus.COMPLETED, seconds=185)
NEWS = "<@U1> My answer is ready, after 3 min 5 s."
ANSWER = "It is done.\n— completed · 3 min 5 s"


def test_an_answer_that_took_long_is_told_after_its_end() -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        reply = await house.open()
        await type_in(reply, "It is done.")
        await asyncio.sleep(1)
        assert await reply.finish(LONG) is None
        assert house.seen == [ANSWER, NEWS]
        sent = [call.method for call in house.slack.calls if call.payload]
        assert sent == ["chat.postMessage", "chat.update", "chat.postMessage"]

    in_a_house(story)


def test_where_only_programs_have_asked_nobody_is_called() -> None:
    async def story(house: House) -> None:
        house.notify_after, house.bots = 120, frozenset({"U1"})
        reply = await house.open()
        await type_in(reply, "It is done.")
        await reply.finish(LONG)
        assert house.seen == [ANSWER]

    in_a_house(story)


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_note_whose_answer_was_lost_stands_there_once(is_taken: bool) -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        reply = await house.open()
        await type_in(reply, "It is done.")
        await asyncio.sleep(1)
        house.slack.fail(
            "chat.postMessage", SlackUnavailable("timeout"), is_taken=is_taken
        )
        assert await reply.finish(LONG) is None
        assert house.seen == [ANSWER, NEWS]

    in_a_house(story)


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_note_that_a_dead_process_posted_is_not_posted_again(is_noted: bool) -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        reply = await house.open()
        await type_in(reply, "It is done.")
        await reply.finish(LONG)
        (note,) = [row for row in house.parts.rows.values() if row.part_no < 0]
        assert note.kind is PartKind.NOTE
        if not is_noted:
            house.parts.rows[note.part_no] = ReplyPart(
                part_no=note.part_no, kind=PartKind.NOTE, post_key=note.post_key
            )
        second = await house.take_over()
        second.append("It is done.")
        await second.finish(LONG)
        assert house.seen == [ANSWER, NEWS]
        assert house.parts.rows[note.part_no] == note

    in_a_house(story)


def test_a_note_is_no_part_of_the_answer_for_who_goes_on() -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        reply = await house.open()
        await type_in(reply, "It is done.")
        await reply.finish(LONG)
        second = await house.take_over()
        second.append("It is done.")
        house.data.stored = [a_change(0)]
        second.attach(a_change(0))
        await second.finish(LONG)
        assert list(house.parts.rows) == [0, -1, 1]
        assert "It is done." in house.seen[0]
        assert house.seen[1] == NEWS
        assert house.seen[2].startswith("1 temperature changed")

    in_a_house(story)


def test_a_place_that_takes_no_note_has_its_answer_all_the_same() -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        reply = await house.open()
        await type_in(reply, "It is done.")
        await asyncio.sleep(1)
        house.slack.fail("chat.postMessage", PlaceClosed("thread_locked"))
        assert await reply.finish(LONG) is None
        assert house.seen == [ANSWER]

    in_a_house(story)


def test_nobody_is_called_to_an_answer_that_slack_did_not_take() -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        house.slack.fail("chat.postMessage", SlackError("is_archived"))
        reply = await house.open()
        await type_in(reply, "It is done.")
        assert await reply.finish(LONG) == "is_archived"
        assert house.seen == []

    in_a_house(story)


def test_who_has_lost_the_turn_calls_nobody() -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        reply = await house.open()
        await type_in(reply, "It is done.")
        await asyncio.sleep(3)
        ending = asyncio.create_task(reply.finish(LONG))
        await asyncio.sleep(0.15)
        assert house.seen == [ANSWER]
        house.owner += 1
        with pytest.raises(LeaseLost):
            await ending
        assert house.seen == [ANSWER]

    in_a_house(story)


def test_a_question_of_another_turn_gets_a_note_of_its_own() -> None:
    async def story(house: House) -> None:
        house.notify_after = 120
        for turn_id in (7, 8):
            reply = await house.open(a_turn(turn_id=turn_id))
            await type_in(reply, "It is done.")
            await reply.finish(LONG)
        assert house.seen == [ANSWER, NEWS, ANSWER, NEWS]

    in_a_house(story)
