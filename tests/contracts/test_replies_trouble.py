"""Replies when Slack refuses, forgets or is away, and when the process dies."""

import asyncio
from dataclasses import replace

import pytest

from app.domain import (
    PartKind,
    ReplyPart,
    RunStatus,
)
from app.errors import (
    LeaseLost,
    PayloadRefused,
    PlaceClosed,
    RateLimited,
    SlackUnavailable,
)
from app.turns.reply import Reply
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    a_run,
    a_turn,
    in_a_house,
    in_both_ways,
    type_in,
)
from tests.unit.slack.outward.slack_in_memory import (
    read,
)


def changes(house: House) -> int:
    """How often something that stood there was to become another text."""
    return len(house.slack.of("chat.update") + house.slack.of("chat.appendStream"))


def test_the_final_text_arrives_after_refusals_and_outages() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The answer is coming.")
        await asyncio.sleep(2)
        for error in (
            RateLimited("chat.update", 30),
            SlackUnavailable("timeout"),
            SlackUnavailable("no_answer"),
        ):
            house.slack.fail("chat.update", error)
        reply.append(" Here it is.")
        assert await reply.finish(DONE) is None
        assert house.seen == ["The answer is coming. Here it is.\n— completed · 9 s"]
        assert house.clock.now() > 30

    in_a_house(story)


def test_a_post_whose_answer_was_lost_is_found_and_not_made_again() -> None:
    async def story(house: House) -> None:
        house.slack.fail("chat.postMessage", SlackUnavailable("timeout"), is_taken=True)
        reply = await house.open()
        await type_in(reply, "Only once.")
        await reply.finish(DONE)
        assert house.seen == ["Only once.\n— completed · 9 s"]
        assert house.parts.rows[0].ts is not None

    in_a_house(story)


def test_a_post_that_never_arrived_is_made_again() -> None:
    async def story(house: House) -> None:
        house.slack.fail("chat.postMessage", SlackUnavailable("timeout"))
        reply = await house.open()
        await type_in(reply, "At last.")
        await reply.finish(DONE)
        assert house.seen == ["At last.\n— completed · 9 s"]

    in_a_house(story)


def test_an_outage_without_end_is_told_after_a_quarter_of_an_hour() -> None:
    async def story(house: House) -> None:
        for _ in range(100):
            house.slack.fail("chat.postMessage", SlackUnavailable("http_503"))
        reply = await house.open()
        await type_in(reply, "Nobody will read this.")
        assert await reply.finish(DONE) == "http_503"
        assert 900 <= house.clock.now() < 1_000

    in_a_house(story)


def test_a_place_that_is_closed_is_told_in_slacks_word() -> None:
    async def story(house: House) -> None:
        house.slack.fail("chat.postMessage", PlaceClosed("is_archived"))
        reply = await house.open()
        await type_in(reply, "Nobody will read this.")
        assert await reply.finish(DONE) == "is_archived"
        assert len(house.slack.of("chat.postMessage")) == 1

    in_a_house(story)


@in_both_ways
def test_a_deleted_message_ends_the_painting_quietly(is_streaming: bool) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some text that goes on. ")
        await asyncio.sleep(1)
        house.slack.messages.clear()
        before = changes(house)
        await type_in(reply, "And more of it, for a while. " * 10, pace=0.1)
        assert len(house.stops) == 1
        assert await reply.finish(DONE) == "message_not_found"
        assert house.seen == []
        assert changes(house) == before + 1

    in_a_house(story, is_streaming=is_streaming)


def test_text_that_slack_refuses_as_markdown_is_shown_plain() -> None:
    async def story(house: House) -> None:
        house.slack.fail("chat.postMessage", PayloadRefused("invalid_blocks"))
        reply = await house.open()
        await type_in(reply, "Some **text**.")
        assert await reply.finish(DONE) is None
        assert house.seen == ["Some **text**.\n— completed · 9 s"]

    in_a_house(story)


@in_both_ways
def test_nothing_is_sent_once_the_lease_is_lost(is_streaming: bool) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some text that goes on. ")
        await asyncio.sleep(1)
        house.owner += 1
        calls = len(house.slack.calls)
        await type_in(reply, "And more of it.", pace=0.5)
        with pytest.raises(LeaseLost):
            await reply.finish(DONE)
        assert len(house.slack.calls) == calls

    in_a_house(story, is_streaming=is_streaming)


@in_both_ways
def test_another_process_goes_on_in_the_same_message(is_streaming: bool) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The first owner wrote this before it died ")
        await asyncio.sleep(2)
        second = await house.take_over()
        await type_in(second, "The second")
        second.show_status(a_run(RunStatus.IN_PROGRESS))
        second.show_step("looking around")
        await asyncio.sleep(3)
        assert house.seen[0].startswith("The first owner wrote this before")
        assert house.slack.streams == {}
        await type_in(second, " owner says it all.")
        await second.finish(DONE)
        assert house.seen == ["The second owner says it all.\n— completed · 9 s"]

    in_a_house(story, is_streaming=is_streaming)


def test_an_answer_ends_while_slack_lets_nobody_set_a_status() -> None:
    async def story(house: House) -> None:
        status = "assistant.threads.setStatus"
        reply = await house.open()
        await asyncio.sleep(0.5)
        house.slack.fail(status, RateLimited(status, 60))
        await type_in(reply, "Here it is.")
        await asyncio.sleep(1)
        assert await reply.finish(DONE) is None
        assert house.seen == ["Here it is.\n— completed · 9 s"]
        assert house.clock.now() < 10

    in_a_house(story)


@pytest.mark.parametrize("is_taken_over", [False, True])
def test_a_status_is_taken_away_also_when_nobody_knows_that_it_stands(
    is_taken_over: bool,
) -> None:
    async def story(house: House) -> None:
        lost = SlackUnavailable("timeout")
        house.slack.fail("assistant.threads.setStatus", lost, is_taken=True)
        reply = await house.open()
        await asyncio.sleep(0.2)
        assert house.slack.status == "is working on it"
        if is_taken_over:
            house.slack.fail("assistant.threads.setStatus", lost)
            house.owner += 1
            reply = await house.open(replace(a_turn(), attempt=1))
            await asyncio.sleep(0.2)
        await reply.withdraw()
        assert house.slack.status == ""

    in_a_house(story)


def test_a_status_is_taken_away_also_where_the_post_is_older_than_it() -> None:
    async def story(house: House) -> None:
        lost = SlackUnavailable("timeout")
        house.slack.fail("chat.postMessage", lost, is_taken=True)
        house.slack.fail("conversations.replies", lost)
        await type_in(await house.open(), "It is warm.")
        await asyncio.sleep(0.5)
        house.owner += 1
        second = await house.open(replace(a_turn(), attempt=1))
        await asyncio.sleep(0.2)
        assert house.slack.status == "is working on it"
        await type_in(second, "It is warm.")
        await second.finish(DONE)
        assert (len(house.seen), house.slack.status) == (1, "")

    in_a_house(story)


def test_another_process_says_under_the_old_text_how_the_run_stands() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The first owner wrote this")
        await asyncio.sleep(2)
        second = await house.take_over()
        second.show_status(a_run(RunStatus.IN_PROGRESS))
        await type_in(second, "The second")
        second.show_step("looking around")
        await asyncio.sleep(3)
        assert house.seen == [
            "The first owner wrote this\n— in progress · looking around\n[Stop]"
        ]

    in_a_house(story)


def test_what_nobody_knows_any_more_stays_until_the_pass_is_done() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The first owner wrote this")
        await asyncio.sleep(2)
        before, house.parts.text = house.seen, None
        second = await house.take_over()
        second.show_status(a_run(RunStatus.IN_PROGRESS))
        await type_in(second, "The second")
        await asyncio.sleep(3)
        assert house.seen == before

    in_a_house(story)


def test_a_card_shown_before_a_crash_is_neither_lost_nor_doubled() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll set it.")
        house.data.stored = [a_change(0)]
        reply.attach(a_change(0))
        await asyncio.sleep(3)
        second = await house.take_over()
        second.append("I'll set it.")
        second.start_message("msg_2")
        second.attach(a_change(0))
        await type_in(second, "It is set.")
        await second.finish(DONE)
        assert [seen.split("\n")[0] for seen in house.seen] == [
            "I'll set it.",
            "1 temperature changed",
            "It is set.",
        ]

    in_a_house(story)


@in_both_ways
def test_what_a_dead_process_has_intended_is_looked_for_first(
    is_streaming: bool,
) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Half of the ")
        await asyncio.sleep(1)
        row = house.parts.rows[0]
        house.parts.rows[0] = ReplyPart(
            part_no=0, kind=PartKind.TEXT, post_key=row.post_key
        )
        second = await house.take_over()
        await type_in(second, "Whole.")
        await second.finish(DONE)
        assert house.seen == ["Whole.\n— completed · 9 s"]
        assert row.ts is not None
        assert house.parts.rows[0].ts == row.ts

    in_a_house(story, is_streaming=is_streaming)


@pytest.mark.parametrize("is_noted", [True, False])
def test_a_card_that_a_dead_process_posted_is_not_posted_again(is_noted: bool) -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        house.data.stored = [a_change(0)]
        reply.attach(a_change(0))
        await asyncio.sleep(1)
        house.data.part_of.clear()
        if not is_noted:
            row = house.parts.rows[0]
            house.parts.rows[0] = ReplyPart(
                part_no=0, kind=PartKind.DATA, post_key=row.post_key
            )
        second = await house.take_over()
        second.attach(a_change(0))
        await type_in(second, "It is set.")
        await second.finish(DONE)
        assert [seen.split("\n")[0] for seen in house.seen] == [
            "1 temperature changed",
            "It is set.",
        ]
        assert house.data.part_of == {0: 0}

    in_a_house(story)


def test_model_text_in_a_reply_never_pings_or_links() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(
            reply,
            "<!channel> <@U1> [x](https://evil.example/?q=1) ![](https://e.vil/p?q=1)",
        )
        await reply.finish(DONE)
        (payload,) = house.slack.messages.values()
        assert "<" not in read(payload) + payload.text
        assert "](" not in read(payload)

    in_a_house(story)


@in_both_ways
def test_many_replies_at_once_all_arrive_whole(is_streaming: bool) -> None:
    async def story(house: House) -> None:
        first = await house.open()
        assert house.replies
        turns = [
            replace(a_turn(turn_id=n), channel_kind=house.kind) for n in range(10, 40)
        ]
        others = [
            await house.replies.open(turn, holds_lease=lambda: True) for turn in turns
        ]
        texts = {each: f"Answer {n}. " * 40 for n, each in enumerate([first, *others])}
        await asyncio.gather(*(type_in(each, text) for each, text in texts.items()))
        ends = await asyncio.gather(*(each.finish(DONE) for each in texts))
        assert set(ends) == {None}
        shown = sorted(seen.split("\n— ")[0].strip() for seen in house.seen)
        assert shown == sorted(text.strip() for text in texts.values())
        assert all("completed" in seen for seen in house.seen)
        assert house.slack.streams == {}
        begun = len(house.slack.of("chat.startStream"))
        assert 1 < begun < 10 if is_streaming else begun == 0

    in_a_house(story, is_streaming=is_streaming)


def test_the_reply_keeps_the_protocol_of_all_replies() -> None:
    async def story(house: House) -> None:
        reply: Reply = await house.open()
        await reply.withdraw()

    in_a_house(story)
