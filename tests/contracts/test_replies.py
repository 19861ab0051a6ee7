"""What people in Slack see of a reply, whatever is called in whatever order."""

import asyncio
from itertools import pairwise

import pytest

from app.domain import (
    Ending,
    RetryNotice,
    RunError,
    RunStatus,
)
from app.errors import (
    CredentialsRefused,
    PlaceClosed,
    SlackUnavailable,
)
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    a_run,
    a_turn,
    in_a_house,
    in_both_ways,
    type_in,
    unchanged,
)
from tests.unit.slack.outward.slack_in_memory import (
    read,
)


def test_the_first_sign_comes_at_once_and_stays_until_the_end() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await asyncio.sleep(0.2)
        assert house.slack.status == "is working on it"
        assert house.seen == []
        await type_in(reply, "The kitchen is at 22 °C.")
        await asyncio.sleep(2)
        assert len(house.seen) == 1
        assert house.slack.status == "is working on it"
        await reply.finish(DONE)
        assert house.slack.status == ""

    in_a_house(story)


def test_the_text_grows_in_one_message_and_ends_exact_with_its_line() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.show_status(a_run(RunStatus.IN_PROGRESS))
        await type_in(reply, "The kitchen is at **22 °C**. " * 10, pace=0.1)
        assert house.seen[0].endswith("\n— in progress\n[Stop]")
        assert await reply.finish(DONE) is None
        text = ("The kitchen is at **22 °C**. " * 10).strip()
        assert house.seen == [f"{text} \n— completed · 9 s"]
        assert len(house.slack.of("chat.postMessage")) == 1

    in_a_house(story)


def test_the_first_message_comes_a_tenth_of_a_second_after_the_first_words() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await asyncio.sleep(1)
        await type_in(reply, "Hello there, how are you today?")
        (post,) = house.slack.of("chat.postMessage")
        assert post.at == pytest.approx(1.1, abs=0.01)

    in_a_house(story)


def test_a_steady_first_message_waits_for_a_sentence() -> None:
    async def story(house: House) -> None:
        house.first_paint = "steady"
        reply = await house.open()
        await type_in(reply, "Hello there. And more", pace=0.1)
        (post,) = house.slack.of("chat.postMessage")
        assert read(post.payload).startswith("Hello there.")  # type: ignore[arg-type]
        assert post.at < 0.7

    in_a_house(story)


def test_without_any_text_a_message_comes_after_two_seconds() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.show_status(a_run(RunStatus.IN_PROGRESS))
        await asyncio.sleep(2.5)
        assert house.seen == ["in progress\n[Stop]"]
        (payload,) = house.slack.messages.values()
        assert payload.text == "On it: set the kitchen to 23"
        await type_in(reply, "Done.")
        await reply.finish(DONE)
        assert house.seen == ["Done.\n— completed · 9 s"]

    in_a_house(story)


def test_where_a_status_is_refused_the_message_comes_at_once_and_for_ever() -> None:
    async def story(house: House) -> None:
        house.slack.fail(
            "assistant.threads.setStatus", CredentialsRefused("missing_scope")
        )
        reply = await house.open()
        await asyncio.sleep(0.5)
        assert house.seen == ["queued\n[Stop]"]
        await reply.finish(DONE)
        assert house.replies
        turn = a_turn(turn_id=8)
        again = await house.replies.open(turn, holds_lease=lambda: True)
        await asyncio.sleep(1.5)
        assert len(house.seen) == 2
        assert len(house.slack.of("assistant.threads.setStatus")) == 1
        await again.finish(DONE)

    in_a_house(story)


def test_the_status_is_set_again_before_slack_drops_it() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await asyncio.sleep(300)
        times = [call.at for call in house.slack.of("assistant.threads.setStatus")]
        times.append(house.clock.now())
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert max(gaps) < 120
        assert len(times) < 10
        await reply.finish(DONE)

    in_a_house(story)


def test_the_line_says_what_is_being_done_and_who_waits() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Let me see. ")
        reply.show_status(a_run(RunStatus.IN_PROGRESS))
        reply.show_step("setting kitchen, bedroom")
        reply.show_waiting(1)
        await asyncio.sleep(3)
        line = "— in progress · setting kitchen, bedroom · 1 message waiting"
        assert line in house.seen[0]
        assert house.slack.status == "is setting kitchen, bedroom"
        retry = RetryNotice(attempt=2, attempts=4, seconds=1)
        reply.show_status(a_run(RunStatus.QUEUED, retry_in=retry))
        reply.show_waiting(0)
        await asyncio.sleep(3)
        assert "— in progress · model busy, trying again (2 of 4)\n" in house.seen[0]
        await reply.finish(DONE)

    in_a_house(story)


def test_a_card_before_any_text_stands_above_it() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.attach(a_change(0))
        await asyncio.sleep(0.3)
        assert house.seen == [
            "1 temperature changed\n▌ Kitchen  22 → *23 °C*  asked by Ana"
        ]
        await type_in(reply, "The kitchen is at 23 °C now.")
        await reply.finish(DONE)
        assert house.seen[1:] == ["The kitchen is at 23 °C now.\n— completed · 9 s"]
        assert house.data.part_of == {0: 0}

    in_a_house(story)


def test_cards_without_text_between_them_share_one_message() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.attach(a_change(0))
        await asyncio.sleep(0.5)
        reply.attach(a_change(1, "bedroom", 19))
        await type_in(reply, "Both are set.")
        await reply.finish(DONE)
        assert house.seen == [
            (
                "2 temperatures changed\n"
                "▌ Kitchen  22 → *23 °C*  asked by Ana\n"
                "▌ Bedroom  22 → *19 °C*  asked by Ana"
            ),
            "Both are set.\n— completed · 9 s",
        ]
        first, second = next(iter(house.slack.messages.values())).attachments or ()
        assert first["color"] != second["color"]

    in_a_house(story)


def test_more_than_ten_cards_go_on_in_another_message() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        for seq in range(12):
            reply.attach(a_change(seq))
        await reply.finish(DONE)
        counts = [len(each.attachments or ()) for each in house.slack.messages.values()]
        assert counts == [10, 2, 0]

    in_a_house(story)


@in_both_ways
def test_a_card_after_text_starts_a_new_text_part_below_it(is_streaming: bool) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll set it.")
        await asyncio.sleep(1)
        reply.attach(a_change(0))
        reply.start_message("msg_2")
        await type_in(reply, "It is set, as you see.", pace=0.1)
        await reply.finish(DONE)
        assert house.seen == [
            "I'll set it.",
            "1 temperature changed\n▌ Kitchen  22 → *23 °C*  asked by Ana",
            "It is set, as you see.\n— completed · 9 s",
        ]
        assert reply.text == "I'll set it.\n\nIt is set, as you see."
        begun = house.slack.of("chat.startStream")
        assert len(begun) == (2 if is_streaming else 0)
        assert house.slack.streams == {}

    in_a_house(story, is_streaming=is_streaming)


def test_only_the_newest_text_has_the_line_and_the_button() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll set it.")
        await asyncio.sleep(1)
        reply.attach(a_change(0))
        await type_in(reply, "It is being set.")
        await asyncio.sleep(4)
        assert ["[Stop]" in seen for seen in house.seen] == [False, False, True]
        assert house.seen[0] == "I'll set it."
        await reply.finish(DONE)

    in_a_house(story)


def test_half_written_markdown_looks_whole_on_the_way() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "This is **very imp")
        await asyncio.sleep(2)
        assert house.seen[0].startswith("This is **very imp**\n")
        await type_in(reply, "ortant** and `cod")
        await asyncio.sleep(2)
        assert house.seen[0].startswith("This is **very important** and `cod`\n")
        await reply.finish(DONE)

    in_a_house(story)


def test_text_that_was_not_posted_yet_still_stands_above_its_card() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.append("I'll set it.")
        reply.attach(a_change(0))
        reply.append("Set.")
        await reply.finish(DONE)
        assert [seen.split("\n")[0] for seen in house.seen] == [
            "I'll set it.",
            "1 temperature changed",
            "Set.",
        ]

    in_a_house(story)


def test_a_message_that_shows_only_its_line_takes_the_text_above_the_card() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await asyncio.sleep(3)
        reply.attach(a_change(0))
        await asyncio.sleep(1)
        await type_in(reply, "It is set.")
        await reply.finish(DONE)
        assert [seen.split("\n")[0] for seen in house.seen] == [
            "It is set.",
            "1 temperature changed",
        ]

    in_a_house(story)


def test_an_unchanged_value_is_a_grey_line_without_a_post_of_its_own() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.attach(unchanged(0))
        await type_in(reply, "It was so already.")
        await reply.finish(DONE)
        assert house.seen == [
            "It was so already.\n— completed · 9 s\n▌ Kitchen is at 23 °C already"
        ]

    in_a_house(story)


def test_the_same_data_message_is_shown_once() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.attach(a_change(0))
        reply.attach(a_change(0))
        await reply.finish(DONE)
        assert house.seen[0].count("▌") == 1

    in_a_house(story)


@pytest.mark.parametrize(
    ("ending", "line"),
    [
        (
            Ending(
                status=RunStatus.FAILED,
                error=RunError(code="x", message="The model is not answering."),
                error_id="7f3a",
            ),
            "⚠️ failed · The model is not answering. Nothing was changed. · id 7f3a",
        ),
        (
            Ending(status=RunStatus.CANCELLED, seconds=4, stopped_by="Ben"),
            "cancelled · stopped by Ben after 4 s",
        ),
        (DONE, "completed · 9 s"),
    ],
)
def test_a_reply_without_text_shows_its_line_as_the_text(
    ending: Ending, line: str
) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await reply.finish(ending)
        assert house.seen[0].removesuffix("\n[Retry]") == line
        (payload,) = house.slack.messages.values()
        assert payload.text == line

    in_a_house(story)


@in_both_ways
def test_the_text_so_far_stays_when_the_turn_is_stopped(is_streaming: bool) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Once upon a time **there")
        # Slack's own Stop ends the stream as well.
        house.slack.streams.clear()
        stopped = Ending(status=RunStatus.CANCELLED, seconds=4, stopped_by="Ben")
        await reply.finish(stopped)
        assert house.seen == [
            "Once upon a time **there\n— cancelled · stopped by Ben after 4 s\n[Retry]"
        ]

    in_a_house(story, is_streaming=is_streaming)


@pytest.mark.parametrize("is_tried_again", [False, True])
def test_an_old_line_says_that_more_people_are_here_unless_it_is_written_anew(
    is_tried_again: bool,
) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "So far.")
        await reply.finish(Ending(status=RunStatus.FAILED))
        before = list(house.seen)
        house.parts.newest = 2 if is_tried_again else 1
        reply.show_more_people()
        await asyncio.sleep(5)
        assert (house.seen == before) is is_tried_again

    in_a_house(story)


def test_a_reply_taken_back_leaves_no_post_behind_whose_answer_was_lost() -> None:
    async def story(house: House) -> None:
        lost = SlackUnavailable("timeout")
        house.slack.fail("chat.postMessage", lost, is_taken=True)
        house.slack.fail("conversations.replies", lost)
        await house.open()
        await asyncio.sleep(2.5)
        assert house.seen
        second = await house.take_over()
        assert await second.withdraw() is None
        assert house.seen == []

    in_a_house(story)


def test_a_reply_that_cannot_be_taken_back_says_why() -> None:
    async def story(house: House) -> None:
        house.slack.fail("chat.postMessage", PlaceClosed("thread_gone"))
        reply = await house.open()
        await asyncio.sleep(3)
        assert await reply.withdraw() == "thread_gone"

    in_a_house(story)


def test_a_reply_taken_back_leaves_nothing_behind() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await asyncio.sleep(3)
        assert house.seen == ["queued\n[Stop]"]
        await reply.withdraw()
        assert (house.seen, house.slack.status) == ([], "")

    in_a_house(story)
