"""What people in Slack see of a reply, whatever is called in whatever order."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from app.domain import (
    ChannelKind,
    DataMessage,
    Ending,
    Lease,
    PartKind,
    ReplyPart,
    RetryNotice,
    Run,
    RunError,
    RunStatus,
    SlackThread,
    StoredDataMessage,
    Turn,
    TurnMessage,
)
from app.errors import (
    CredentialsRefused,
    LeaseLost,
    PayloadRefused,
    PlaceClosed,
    RateLimited,
    SlackUnavailable,
)
from app.slack.replies.edited import EditedReply
from app.slack.replies.replies import Replies
from app.turns.reply import Reply
from tests.fakes_clock import Clock, virtually
from tests.unit.slack.outward.slack_in_memory import (
    DataInMemory,
    PartsInMemory,
    SlackInMemory,
    read,
)

THREAD = SlackThread(team_id="T1", channel_id="C1", thread_ts="100.1")
NAMES = {"U1": "Ana", "U2": "Ben"}
DONE = Ending(status=RunStatus.COMPLETED, seconds=9.2)


def a_turn(text: str = "set the kitchen to 23", turn_id: int = 7) -> Turn:
    message = TurnMessage(
        seq=1,
        ts="100.1",
        author_id="U1",
        author_team_id=None,
        text=text,
        files=(),
        mentioned=True,
        wanted=True,
    )
    return Turn(
        lease=Lease(team_id="T1", conversation_id=1, turn_id=turn_id, epoch=1),
        thread=THREAD,
        assistant_thread_id=1,
        messages=(message,),
        channel_kind=ChannelKind.CHANNEL,
        is_first_turn=True,
    )


def a_run(status: RunStatus, retry_in: RetryNotice | None = None) -> Run:
    return Run(run_id="run_1", status=status, retry_in=retry_in)


def a_change(seq: int, room: str = "kitchen", new: float = 23) -> StoredDataMessage:
    return StoredDataMessage(
        seq=seq,
        message=DataMessage(
            type="temperature_change",
            data={"room": room, "old": 22.0, "new": new, "unit": "°C"},
            caused_by="U1",
        ),
    )


def unchanged(seq: int) -> StoredDataMessage:
    return StoredDataMessage(
        seq=seq,
        message=DataMessage(
            type="temperature_unchanged",
            data={"room": "kitchen", "old": 23.0, "new": 23.0, "unit": "°C"},
        ),
    )


@dataclass
class House:
    """A workspace with one turn being answered in it."""

    clock: Clock
    slack: SlackInMemory
    parts: PartsInMemory = field(default_factory=PartsInMemory)
    data: DataInMemory = field(default_factory=DataInMemory)
    first_paint: str = "snappy"
    owner: int = 1
    replies: Replies | None = None

    async def open(self, turn: Turn | None = None) -> EditedReply:
        self.replies = Replies(
            outbound=self.slack,
            parts=self.parts,
            data_messages=self.data,
            name_of=_name_of,
            first_paint=self.first_paint,
            now=self.clock.now,
            sleep_until=self.clock.sleep_until,
        )
        owner = self.owner
        return await self.replies.open(
            turn or a_turn(), holds_lease=lambda: self.owner == owner
        )

    async def take_over(self) -> EditedReply:
        """The process that answers dies, and another one goes on."""
        self.owner += 1
        return await self.open()

    @property
    def seen(self) -> list[str]:
        """What a reader sees, message by message."""
        return [read(payload) for payload in self.slack.messages.values()]


async def _name_of(_team_id: str, user_id: str) -> str:
    return NAMES.get(user_id, user_id)


def in_a_house(story: Callable[[House], Coroutine[Any, Any, None]]) -> None:
    async def main(clock: Clock) -> None:
        await story(House(clock, SlackInMemory(clock)))

    virtually(main)


async def type_in(reply: Reply, text: str, pace: float = 0.02, size: int = 5) -> None:
    for start in range(0, len(text), size):
        reply.append(text[start : start + size])
        await asyncio.sleep(pace)


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


def test_a_card_after_text_starts_a_new_text_part_below_it() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "I'll set it.")
        await asyncio.sleep(0.5)
        reply.attach(a_change(0))
        reply.start_message("msg_2")
        await type_in(reply, "It is set.")
        await reply.finish(DONE)
        assert house.seen == [
            "I'll set it.",
            "1 temperature changed\n▌ Kitchen  22 → *23 °C*  asked by Ana",
            "It is set.\n— completed · 9 s",
        ]
        assert reply.text == "I'll set it.\n\nIt is set."

    in_a_house(story)


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


def test_a_long_text_goes_on_in_more_messages_and_nothing_is_lost() -> None:
    async def story(house: House) -> None:
        words = [f"word{number}" for number in range(4_000)]
        reply = await house.open()
        await type_in(reply, " ".join(words), pace=0.02, size=300)
        await reply.finish(DONE)
        bodies = [seen.split("\n— ")[0] for seen in house.seen]
        assert " ".join(bodies).split() == words
        assert all(len(body) <= 8_000 for body in bodies)
        assert [("completed" in seen) for seen in house.seen] == [False] * 4 + [True]
        assert not any("[Stop]" in seen for seen in house.seen)

    in_a_house(story)


def test_a_fence_is_closed_and_opened_again_where_a_message_is_full() -> None:
    async def story(house: House) -> None:
        code = "".join(f"line_{number} = {number}\n" for number in range(900))
        reply = await house.open()
        reply.append(f"Here:\n\n```python\n{code}```\nThat is all.")
        await reply.finish(DONE)
        first, second = (seen.split("\n— ")[0] for seen in house.seen[:2])
        assert first.endswith("\n```")
        assert second.startswith("```python\nline_")

    in_a_house(story)


def test_each_message_has_one_table_at_most() -> None:
    async def story(house: House) -> None:
        table = "| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        reply = await house.open()
        reply.append(f"One:\n\n{table}Two:\n\n{table}")
        await reply.finish(DONE)
        assert [seen.count("|---|") for seen in house.seen] == [1, 1]

    in_a_house(story)


def test_a_long_message_is_edited_every_three_seconds_at_most() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some words. " * 660, pace=0.1, size=30)
        long = [
            call.at
            for call in house.slack.of("chat.update")
            if call.payload and len(read(call.payload)) > 4_200
        ]
        gaps = [later - earlier for earlier, later in pairwise(long)]
        assert len(gaps) > 2
        assert min(gaps) >= 3
        await reply.finish(DONE)

    in_a_house(story)


def test_a_shorter_replacement_is_shown_only_when_its_pass_is_done() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "A rather long text, which is wrong in parts.")
        await asyncio.sleep(2)
        reply.replace("Short.")
        await asyncio.sleep(2)
        assert house.seen[0].startswith("A rather long text")
        reply.show_status(a_run(RunStatus.COMPLETED))
        await asyncio.sleep(2)
        assert house.seen[0].startswith("Short.")
        await reply.finish(DONE)
        assert house.seen == ["Short.\n— completed · 9 s"]

    in_a_house(story)


def test_a_replacement_that_is_as_long_is_shown_in_one_edit() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Sixteen signs xx")
        await asyncio.sleep(2)
        edits = len(house.slack.of("chat.update"))
        reply.replace("Others")
        reply.append(" that grow on")
        await asyncio.sleep(2)
        assert house.seen[0].startswith("Others that grow on")
        assert len(house.slack.of("chat.update")) == edits + 1
        await reply.finish(DONE)

    in_a_house(story)


def test_a_message_too_many_after_a_replacement_is_removed() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some words. " * 1_500, size=600)
        await asyncio.sleep(5)
        assert len(house.seen) == 3
        reply.replace("Short.")
        await reply.finish(DONE)
        assert house.seen == ["Short.\n— completed · 9 s"]
        assert list(house.parts.rows) == [0]

    in_a_house(story)


def test_a_long_replacement_is_cut_anew_without_a_word_twice() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some words. " * 1_500, size=600)
        await asyncio.sleep(5)
        words = [f"word{number}." for number in range(2_500)]
        reply.replace(" ".join(words))
        await reply.finish(DONE)
        bodies = [seen.split("\n— ")[0] for seen in house.seen]
        assert " ".join(bodies).split() == words
        assert len(house.slack.of("chat.postMessage")) == len(bodies) == 3

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
        assert house.seen == [line]
        (payload,) = house.slack.messages.values()
        assert payload.text == line

    in_a_house(story)


def test_the_text_so_far_stays_when_the_turn_is_stopped() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Once upon a time **there")
        stopped = Ending(status=RunStatus.CANCELLED, seconds=4, stopped_by="Ben")
        await reply.finish(stopped)
        assert house.seen == [
            "Once upon a time **there\n— cancelled · stopped by Ben after 4 s"
        ]

    in_a_house(story)


def test_a_reply_taken_back_leaves_nothing_behind() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await asyncio.sleep(3)
        assert house.seen == ["queued\n[Stop]"]
        await reply.withdraw()
        assert (house.seen, house.slack.status) == ([], "")

    in_a_house(story)


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


def test_a_deleted_message_ends_the_painting_quietly() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some text.")
        await asyncio.sleep(1)
        house.slack.messages.clear()
        await type_in(reply, " And more of it, for a while." * 10, pace=0.1)
        calls = len(house.slack.of("chat.update"))
        assert await reply.finish(DONE) == "message_not_found"
        assert (calls, house.seen) == (1, [])
        assert len(house.slack.of("chat.update")) == 1

    in_a_house(story)


def test_text_that_slack_refuses_as_markdown_is_shown_plain() -> None:
    async def story(house: House) -> None:
        house.slack.fail("chat.postMessage", PayloadRefused("invalid_blocks"))
        reply = await house.open()
        await type_in(reply, "Some **text**.")
        assert await reply.finish(DONE) is None
        assert house.seen == ["Some **text**.\n— completed · 9 s"]

    in_a_house(story)


def test_nothing_is_sent_once_the_lease_is_lost() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Some text.")
        await asyncio.sleep(1)
        house.owner += 1
        calls = len(house.slack.calls)
        await type_in(reply, " And more of it.", pace=0.5)
        with pytest.raises(LeaseLost):
            await reply.finish(DONE)
        assert len(house.slack.calls) == calls

    in_a_house(story)


def test_another_process_goes_on_in_the_same_message() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "The first owner wrote this before it died")
        await asyncio.sleep(2)
        second = await house.take_over()
        await type_in(second, "The second")
        second.show_status(a_run(RunStatus.IN_PROGRESS))
        second.show_step("looking around")
        await asyncio.sleep(3)
        assert house.seen[0].startswith("The first owner wrote this before it died")
        await type_in(second, " owner says it all.")
        await second.finish(DONE)
        assert house.seen == ["The second owner says it all.\n— completed · 9 s"]

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


def test_a_post_that_a_dead_process_intended_is_looked_for_first() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Half")
        await asyncio.sleep(1)
        row = house.parts.rows[0]
        house.parts.rows[0] = ReplyPart(
            part_no=0, kind=PartKind.TEXT, post_key=row.post_key
        )
        second = await house.take_over()
        await type_in(second, "Whole.")
        await second.finish(DONE)
        assert house.seen == ["Whole.\n— completed · 9 s"]
        assert house.parts.rows[0].ts == row.ts

    in_a_house(story)


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


def test_many_replies_at_once_all_arrive_whole() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        assert house.replies
        others = [
            await house.replies.open(a_turn(turn_id=n), holds_lease=lambda: True)
            for n in range(10, 40)
        ]
        texts = {each: f"Answer {n}. " * 40 for n, each in enumerate([reply, *others])}
        await asyncio.gather(*(type_in(each, text) for each, text in texts.items()))
        ends = await asyncio.gather(*(each.finish(DONE) for each in texts))
        assert set(ends) == {None}
        shown = sorted(seen.split("\n— ")[0].strip() for seen in house.seen)
        assert shown == sorted(text.strip() for text in texts.values())
        assert all("completed" in seen for seen in house.seen)

    in_a_house(story)


def test_the_reply_keeps_the_protocol_of_all_replies() -> None:
    async def story(house: House) -> None:
        reply: Reply = await house.open()
        await reply.withdraw()

    in_a_house(story)
