"""Messages that Slack lets nobody edit any more: the rest comes in a new one."""

import asyncio

import pytest

from app.errors import EditRefused, PlaceClosed, SlackUnavailable
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    in_a_house,
    type_in,
    unchanged,
)

POST, UPDATE = "chat.postMessage", "chat.update"
LOST = SlackUnavailable("timeout", POST)
CLOSED = EditRefused("edit_window_closed", UPDATE)
END = "— completed · 9 s"
FIRST = "The first paragraph, which is whole.\n\n"
SECOND = "The second one, in the middle of which it happens."


def close_the_window(house: House, times: int = 1) -> None:
    for _ in range(times):
        house.slack.fail(UPDATE, CLOSED)


def test_what_a_fixed_message_does_not_show_comes_in_one_new_message() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, FIRST + SECOND[:20])
        await asyncio.sleep(3)
        close_the_window(house)
        await type_in(reply, SECOND[20:])
        await asyncio.sleep(60)
        assert len(house.slack.messages) == 1
        assert await reply.finish(DONE) is None
        old, new = house.seen
        assert old.startswith(FIRST)
        assert new == f"{SECOND}\n{END}"
        assert len(house.slack.of(UPDATE)) < 6

    in_a_house(story)


def test_a_message_without_a_whole_paragraph_is_replaced_by_the_new_one() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, SECOND[:20])
        await asyncio.sleep(3)
        close_the_window(house)
        await type_in(reply, SECOND[20:])
        await asyncio.sleep(3)
        assert await reply.finish(DONE) is None
        assert house.seen == [f"{SECOND}\n{END}"]

    in_a_house(story)


def test_where_it_cannot_be_deleted_either_it_stays() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, SECOND[:20])
        await asyncio.sleep(3)
        close_the_window(house)
        house.slack.fail("chat.delete", PlaceClosed("cant_delete_message"))
        reply.append(SECOND[20:])
        assert await reply.finish(DONE) is None
        assert len(house.seen) == 2
        assert house.seen[1] == f"{SECOND}\n{END}"

    in_a_house(story)


@pytest.mark.parametrize("times", [1, 5])
def test_a_window_that_closes_on_the_last_edit_costs_no_word(times: int) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, FIRST + SECOND)
        await asyncio.sleep(3)
        close_the_window(house, times)
        assert await reply.finish(DONE) is None
        said = "\n".join(house.seen)
        assert FIRST.strip() in said
        assert SECOND in said
        assert house.seen[-1].endswith(END)
        assert len(house.seen) == 2

    in_a_house(story)


def test_a_correction_of_what_must_stay_comes_after_it() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.start_message("one")
        await type_in(reply, FIRST + FIRST + SECOND[:20])
        await asyncio.sleep(3)
        close_the_window(house)
        await type_in(reply, SECOND[20:])
        await asyncio.sleep(3)
        reply.replace(FIRST + "Corrected from here on.\n\n" + SECOND)
        assert await reply.finish(DONE) is None
        assert house.seen[0].startswith(FIRST)
        assert house.seen[1].endswith(f"Corrected from here on.\n\n{SECOND}\n{END}")

    in_a_house(story)


def test_a_fence_that_stays_open_above_is_opened_again_below() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "```python\nx = 1\n\ny =")
        await asyncio.sleep(3)
        close_the_window(house)
        await type_in(reply, " 2\n```\n")
        assert await reply.finish(DONE) is None
        assert house.seen[1] == f"```python\ny = 2\n```\n{END}"

    in_a_house(story)


def test_a_card_that_must_stay_leaves_the_next_change_to_a_new_card() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        house.data.stored = [a_change(0), a_change(1, "bedroom", 19)]
        reply.attach(a_change(0))
        await asyncio.sleep(1.2)
        close_the_window(house)
        reply.attach(a_change(1, "bedroom", 19))
        await asyncio.sleep(5)
        await type_in(reply, "It is set.")
        assert await reply.finish(DONE) is None
        cards = [seen for seen in house.seen if "▌" in seen]
        assert ["Kitchen" in card for card in cards] == [True, False]
        assert ["Bedroom" in card for card in cards] == [False, True]
        assert house.data.part_of == {0: 0, 1: max(house.data.part_of.values())}
        assert any(seen == f"It is set.\n{END}" for seen in house.seen)

    in_a_house(story)


def test_a_card_that_comes_during_the_post_of_another_is_not_lost() -> None:
    async def story(house: House) -> None:
        close_the_window(house, 100)
        reply = await house.open()
        house.data.stored = [a_change(0), a_change(1, "bedroom", 19)]
        reply.attach(a_change(0))
        await asyncio.sleep(0.05)
        reply.attach(a_change(1, "bedroom", 19))
        await asyncio.sleep(5)
        await type_in(reply, "It is set.")
        assert await reply.finish(DONE) is None
        cards = "\n".join(seen for seen in house.seen if "▌" in seen)
        assert (cards.count("Kitchen"), cards.count("Bedroom")) == (1, 1)

    in_a_house(story)


@pytest.mark.parametrize("cards_after", [0, 1])
def test_a_line_below_a_text_that_must_stay_comes_with_the_rest(
    cards_after: int,
) -> None:
    async def story(house: House) -> None:
        close_the_window(house, 100)
        reply = await house.open()
        reply.append(FIRST + SECOND)
        await asyncio.sleep(3)
        house.data.stored = [unchanged(0), a_change(1)]
        for each in house.data.stored[: 1 + cards_after]:
            reply.attach(each)
        await asyncio.sleep(3)
        assert await reply.finish(DONE) is None
        assert "\n".join(house.seen).count("already") == 1

    in_a_house(story)


def test_after_a_post_whose_answer_was_lost_the_rest_comes_and_no_word_twice() -> None:
    async def story(house: House) -> None:
        close_the_window(house, 100)
        house.slack.fail(POST, LOST, is_taken=True)
        reply = await house.open()
        reply.append(FIRST)
        await asyncio.sleep(0.15)
        reply.append(SECOND)
        house.data.stored = [a_change(0)]
        reply.attach(a_change(0))
        await asyncio.sleep(5)
        assert await reply.finish(DONE) is None
        said = "\n".join(house.seen)
        assert (said.count(FIRST.strip()), said.count(SECOND)) == (1, 1)

    in_a_house(story)


def test_a_card_whose_answer_was_lost_is_not_shown_again_with_the_next() -> None:
    async def story(house: House) -> None:
        close_the_window(house, 100)
        house.slack.fail(POST, LOST, is_taken=True)
        reply = await house.open()
        house.data.stored = [a_change(0), a_change(1, "bedroom", 19)]
        reply.attach(a_change(0))
        await asyncio.sleep(0.05)
        reply.attach(a_change(1, "bedroom", 19))
        await asyncio.sleep(5)
        assert await reply.finish(DONE) is None
        cards = "\n".join(seen for seen in house.seen if "▌" in seen)
        assert (cards.count("Kitchen"), cards.count("Bedroom")) == (1, 1)

    in_a_house(story)


def test_who_takes_over_says_the_rest_as_well() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, FIRST + SECOND[:20])
        await asyncio.sleep(3)
        close_the_window(house)
        await type_in(reply, SECOND[20:])
        await asyncio.sleep(3)
        second = await house.take_over()
        close_the_window(house, 3)
        await type_in(second, FIRST + SECOND)
        await asyncio.sleep(5)
        assert await second.finish(DONE) is None
        said = "\n".join(house.seen)
        assert said.count(FIRST.strip()) == 1
        assert said.endswith(f"{SECOND}\n{END}")

    in_a_house(story)
