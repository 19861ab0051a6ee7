"""Replies while many others are written: some grow in view, the rest come whole."""

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from app.domain import Doubt, Ending, RunStatus, SlackThread, Turn
from app.errors import CredentialsRefused
from app.slack.replies.edited import EditedReply
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    a_run,
    a_turn,
    in_a_house,
    type_in,
)
from tests.unit.slack.outward.slack_in_memory import read

STATUS = "assistant.threads.setStatus"
# More than grow in view when nothing is known yet.
MANY = 6


def elsewhere(number: int) -> Turn:
    thread = SlackThread(team_id="T1", channel_id=f"C{number}", thread_ts="1.1")
    return replace(a_turn(turn_id=number), thread=thread)


async def others(house: House) -> list[EditedReply]:
    """Have others be written, which take all places."""
    assert house.replies
    replies, owner = [], house.owner
    for number in range(100, 100 + MANY):
        reply = await house.replies.open(
            elsewhere(number), holds_lease=lambda: house.owner == owner
        )
        reply.append(f"Answer {number}. ")
        replies.append(reply)
    await asyncio.sleep(6)
    return replies


def seen(house: House, turn: Turn | None = None) -> list[str]:
    """What stands in the thread of the turn."""
    thread = (turn or a_turn()).thread
    posts = [call for call in house.slack.calls if call.thread == thread]
    return [
        read(house.slack.messages[call.ts])
        for call in posts
        if call.method == "chat.postMessage" and call.ts in house.slack.messages
    ]


async def the_waiting_reply(house: House) -> EditedReply:
    """The same, where the places were taken before it came."""
    first = await house.open(elsewhere(99))
    first.append("Answer 99. ")
    await others(house)
    assert house.replies
    owner = house.owner
    reply = await house.replies.open(a_turn(), holds_lease=lambda: house.owner == owner)
    await type_in(reply, "The kitchen is at 22 °C. ", pace=0.2)
    await asyncio.sleep(5)
    assert seen(house) == []
    assert house.slack.statuses
    return reply


def test_what_has_no_place_shows_its_status_and_comes_whole_in_one_post() -> None:
    async def story(house: House) -> None:
        reply = await the_waiting_reply(house)
        reply.append("And warm.")
        assert await reply.finish(DONE) is None
        assert seen(house) == ["The kitchen is at 22 °C. And warm.\n— completed · 9 s"]
        calls = [call for call in house.slack.calls if call.thread == a_turn().thread]
        assert [each.method for each in calls if each.method != STATUS] == [
            "chat.postMessage"
        ]

    in_a_house(story)


def test_its_status_is_set_again_before_slack_drops_it() -> None:
    async def story(house: House) -> None:
        await the_waiting_reply(house)
        began = house.clock.now()
        await asyncio.sleep(400)
        times = [
            call.at for call in house.slack.of(STATUS) if call.thread == a_turn().thread
        ]
        gaps = [after - before for before, after in pairwise([*times, began + 400])]
        assert max(gaps) < 120
        assert seen(house) == []

    in_a_house(story)


def test_it_grows_in_view_as_soon_as_another_has_ended() -> None:
    async def story(house: House) -> None:
        first = await house.open(elsewhere(99))
        first.append("Answer 99. ")
        written = await others(house)
        assert house.replies
        reply = await house.replies.open(a_turn(), holds_lease=lambda: True)
        reply.append("The kitchen is at 22 °C. ")
        await asyncio.sleep(10)
        assert seen(house) == []
        await asyncio.gather(
            first.finish(DONE), *(each.finish(DONE) for each in written[:3])
        )
        await asyncio.sleep(1)
        assert seen(house)[0].startswith("The kitchen is at 22 °C.")

    in_a_house(story)


def test_replies_that_another_process_has_taken_over_keep_no_place() -> None:
    async def story(house: House) -> None:
        first = await house.open(elsewhere(99))
        first.append("Answer 99. ")
        await others(house)
        assert house.replies
        waiting = await house.replies.open(a_turn(), holds_lease=lambda: True)
        waiting.append("The kitchen is at 22 °C. ")
        ending = await house.replies.open(elsewhere(98), holds_lease=lambda: True)
        house.owner += 1
        await asyncio.sleep(5)
        await ending.finish(DONE)
        await asyncio.sleep(5)
        assert seen(house)[0].startswith("The kitchen is at 22 °C.")

    in_a_house(story)


def test_a_card_is_shown_all_the_same_with_the_text_above_it() -> None:
    async def story(house: House) -> None:
        reply = await the_waiting_reply(house)
        reply.attach(a_change(0))
        await asyncio.sleep(3)
        text, card = seen(house)
        assert text.startswith("The kitchen is at 22 °C.")
        assert card.startswith("1 temperature changed")

    in_a_house(story)


def test_people_are_asked_all_the_same() -> None:
    async def story(house: House) -> None:
        reply = await the_waiting_reply(house)
        doubt = Doubt(number=1, text="I can't tell whether the kitchen was set.")
        assert await reply.ask(doubt)
        assert [each.split("\n")[0] for each in seen(house)] == [
            "The kitchen is at 22 °C. ",
            "<@U1> I can't tell whether the kitchen was set.",
        ]

    in_a_house(story)


def test_stopped_it_shows_what_was_written() -> None:
    async def story(house: House) -> None:
        reply = await the_waiting_reply(house)
        stopped = Ending(status=RunStatus.CANCELLED, seconds=4, stopped_by="Ben")
        await reply.finish(stopped)
        assert seen(house) == [
            "The kitchen is at 22 °C. \n— cancelled · stopped by Ben after 4 s\n[Retry]"
        ]

    in_a_house(story)


def test_what_its_line_would_have_said_is_said_when_it_comes_into_view() -> None:
    async def story(house: House) -> None:
        reply = await the_waiting_reply(house)
        reply.show_status(a_run(RunStatus.IN_PROGRESS))
        reply.show_waiting(2)
        reply.show_more_people()
        reply.attach(a_change(0))
        reply.append("It is set.")
        await asyncio.sleep(20)
        shown = "\n".join(seen(house))
        assert "— in progress · 2 messages waiting" in shown
        assert "more people here" in shown
        await reply.finish(DONE)
        assert "more people here" in seen(house)[-1]

    in_a_house(story)


def test_a_text_that_is_replaced_before_it_was_seen_comes_in_its_last_form() -> None:
    async def story(house: House) -> None:
        reply = await the_waiting_reply(house)
        reply.replace("It is cold.")
        await asyncio.sleep(5)
        await reply.finish(DONE)
        assert seen(house) == ["It is cold.\n— completed · 9 s"]

    in_a_house(story)


def test_another_process_goes_on_where_nothing_was_shown() -> None:
    async def story(house: House) -> None:
        await the_waiting_reply(house)
        second = await house.take_over()
        await type_in(second, "It is at 22 °C.")
        await second.finish(DONE)
        assert seen(house) == ["It is at 22 °C.\n— completed · 9 s"]

    in_a_house(story)


def test_a_message_taken_over_has_one_of_the_places() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The kitchen")
        await asyncio.sleep(1)
        second = await house.take_over()
        await others(house)
        await type_in(second, " is at 22 °C.")
        await asyncio.sleep(20)
        shown = [seen(house, elsewhere(100 + number)) for number in range(MANY)]
        assert [bool(each) for each in shown] == [True] * 3 + [False] * 3

    in_a_house(story)


def test_more_have_a_place_where_the_rest_could_show_no_status() -> None:
    async def story(house: House) -> None:
        house.slack.fail(STATUS, CredentialsRefused("missing_scope"))
        await house.open(elsewhere(99))
        await others(house)
        shown = [seen(house, elsewhere(100 + number)) for number in range(MANY)]
        assert [bool(each) for each in shown] == [True] * 5 + [False]

    in_a_house(story)


@pytest.mark.parametrize("first_paint", ["snappy", "steady"])
def test_the_first_words_come_later_the_more_is_written(first_paint: str) -> None:
    async def story(house: House) -> None:
        house.first_paint = first_paint
        reply = await house.open()
        reply.append("One. ")
        await asyncio.sleep(0.5)
        assert len(seen(house)) == 1
        assert house.replies
        written = [
            await house.replies.open(elsewhere(number), holds_lease=lambda: True)
            for number in range(2, 6)
        ]
        for each in written:
            each.append("Some. ")
        await asyncio.sleep(1.5)
        shown = [seen(house, elsewhere(number)) for number in range(2, 6)]
        assert shown[0] != []
        assert shown[-1] == []

    in_a_house(story)
