"""Answers that grow as Slack's own streams: what people see, whatever goes wrong.

What is the same story for answers that are edited stands with those.
"""

import asyncio
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from app.domain import RunStatus
from app.errors import (
    CredentialsRefused,
    EditRefused,
    PayloadRefused,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
    StreamRefused,
)
from app.turns.reply import Reply
from tests.contracts.reply_stage import (
    DONE,
    House,
    a_change,
    a_run,
    a_turn,
    in_a_house,
    type_in,
    unchanged,
)

START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
POST, UPDATE, LOOK_UP = "chat.postMessage", "chat.update", "conversations.replies"
TEXT = "The kitchen is at **22 °C**, and the bedroom at 19 °C. " * 6


def streaming(story: object) -> None:
    in_a_house(story, is_streaming=True)  # type: ignore[arg-type]


def whole(text: str = TEXT) -> str:
    return f"{text}\n— completed · 9 s"


def test_an_answer_grows_by_appending_and_ends_exact_with_its_line() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, TEXT, pace=0.1)
        assert TEXT.startswith(house.seen[0])
        assert len(house.seen[0]) > len(TEXT) - 40
        assert await reply.finish(DONE) is None
        assert house.seen == [whole()]
        assert len(house.slack.of(START)) == len(house.slack.of(STOP)) == 1
        assert len(house.slack.of(APPEND)) > 5
        assert not house.slack.of(POST) + house.slack.of(UPDATE)

    streaming(story)


def test_elsewhere_than_in_direct_messages_nothing_is_streamed() -> None:
    async def story(house: House) -> None:
        house.is_streaming = False
        reply = await house.open()
        await type_in(reply, TEXT)
        await reply.finish(DONE)
        assert not house.slack.of(START)
        assert house.seen == [whole()]

    in_a_house(story)


def test_what_is_not_settled_is_kept_back_until_it_is() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        for piece, seen in (
            ("Look at **the", "Look at "),
            (" thing** now, or [a", "Look at **the thing** now, or "),
            (
                " link](https://e.vil/?q=1) more",
                "Look at **the thing** now, or a link (`https://e.vil/?q=1`) ",
            ),
        ):
            reply.append(piece)
            await asyncio.sleep(2)
            assert house.seen == [seen]
        await reply.finish(DONE)

    streaming(story)


def test_while_it_grows_the_status_says_what_is_being_done_and_who_waits() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Let me see now.")
        reply.show_status(a_run(RunStatus.IN_PROGRESS))
        reply.show_step("setting kitchen")
        reply.show_waiting(2)
        await asyncio.sleep(3)
        assert house.slack.status == "is setting kitchen · 2 messages waiting"
        await reply.finish(DONE)
        assert house.slack.status == ""
        assert house.seen == ["Let me see now.\n— completed · 9 s"]

    streaming(story)


def test_a_quiet_note_comes_by_an_edit_when_the_stream_has_ended() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "It was so before.")
        reply.attach(unchanged(0))
        await reply.finish(DONE)
        assert house.seen == [
            "It was so before.\n— completed · 9 s\n▌ Kitchen is at 23 °C already"
        ]

    streaming(story)


def test_a_long_answer_goes_on_in_further_messages_before_slack_has_enough() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        text = "".join(f"词{n}。Wörter, viele davon. " for n in range(900))
        await type_in(reply, text, size=200)
        await reply.finish(DONE)
        shown = "".join(seen.split("\n— ")[0] for seen in house.seen)
        assert shown.replace(" ", "") == text.replace(" ", "")
        assert len(house.seen) > 2
        # Slack takes some 11,000 bytes, and each message is left below that.
        assert max(len(seen.encode()) for seen in house.seen) < 9_000

    streaming(story)


def test_what_takes_long_goes_on_in_another_message_before_slack_ends_it() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, TEXT)
        await asyncio.sleep(290)
        await type_in(reply, TEXT, pace=0.1)
        await reply.finish(DONE)
        assert "".join(seen.split("\n— ")[0] for seen in house.seen) == TEXT + TEXT
        assert len(house.seen) == len(house.slack.of(STOP)) == 2
        assert house.slack.of(STOP)[0].at == pytest.approx(240.2, abs=1)

    streaming(story)


def test_a_long_silence_at_the_end_leaves_no_stream_open() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "That is all there is.")
        await asyncio.sleep(400)
        assert house.slack.streams == {}
        await reply.finish(DONE)
        assert house.seen == ["That is all there is.\n— completed · 9 s"]

    streaming(story)


@pytest.mark.parametrize("is_taken", [True, False])
@pytest.mark.parametrize(
    ("method", "error"),
    [
        (START, SlackUnavailable("timeout")),
        (APPEND, SlackUnavailable("timeout")),
        (STOP, SlackUnavailable("timeout")),
        (APPEND, PayloadRefused("msg_too_long")),
        (APPEND, StreamRefused("message_not_in_streaming_state")),
        (APPEND, StreamRefused("stopped_by_user")),
        (APPEND, EditRefused("message_not_owned_by_app")),
        (APPEND, CredentialsRefused("unknown_method")),
        (STOP, PayloadRefused("invalid_blocks")),
        (STOP, StreamRefused("streaming_mode_mismatch")),
        (START, CredentialsRefused("missing_scope")),
        (START, PlaceClosed("channel_type_not_supported")),
        (START, SlackError("a_word_from_the_future")),
        (START, RateLimited(START, 30)),
        (APPEND, RateLimited(APPEND, 3)),
        (STOP, RateLimited(STOP, 3)),
    ],
)
def test_whatever_goes_wrong_the_whole_text_stands_there_once(
    method: str, error: SlackError, is_taken: bool
) -> None:
    async def story(house: House) -> None:
        is_lost = isinstance(error, SlackUnavailable)
        house.slack.fail(method, error, is_taken=is_taken and is_lost)
        reply = await house.open()
        await type_in(reply, TEXT, pace=0.1)
        await asyncio.sleep(2)
        assert await reply.finish(DONE) is None
        assert house.seen == [whole()]
        (row,) = house.parts.rows.values()
        assert list(house.slack.messages) == [row.ts]
        key = house.slack.messages[row.ts or ""].metadata
        assert key
        assert key["event_payload"] == {"key": row.post_key}

    streaming(story)


def test_an_append_whose_answer_was_lost_is_never_made_again() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, TEXT[:100], pace=0.1)
        await asyncio.sleep(2)
        house.slack.fail(APPEND, SlackUnavailable("timeout"))
        appends = len(house.slack.of(APPEND))
        await type_in(reply, TEXT[100:], pace=0.1)
        await reply.finish(DONE)
        assert len(house.slack.of(APPEND)) == appends + 1
        assert house.seen == [whole()]

    streaming(story)


@pytest.mark.parametrize(
    ("error", "asks_again"),
    [
        (CredentialsRefused("unknown_method"), False),
        (PlaceClosed("channel_type_not_supported"), False),
        (PayloadRefused("invalid_arguments"), False),
        (SlackUnavailable("timeout"), True),
        (RateLimited(START, 3), True),
    ],
)
def test_a_workspace_that_refuses_streams_is_not_asked_again(
    error: SlackError, asks_again: bool
) -> None:
    async def story(house: House) -> None:
        house.slack.fail(START, error)
        reply = await house.open()
        await type_in(reply, TEXT, pace=0.1)
        await reply.finish(DONE)
        await asyncio.sleep(60)
        assert house.replies
        turn = replace(a_turn(turn_id=8), channel_kind=house.kind)
        again = await house.replies.open(turn, holds_lease=lambda: True)
        await type_in(again, TEXT, pace=0.1)
        await again.finish(DONE)
        assert (len(house.slack.of(START)) == 2) == asks_again
        assert house.seen == [whole(), whole()]

    streaming(story)


def test_a_correction_of_what_was_sent_ends_the_stream_and_is_an_edit() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        reply.start_message("m")
        await type_in(reply, TEXT, pace=0.1)
        reply.replace(TEXT.replace("kitchen", "wine cellar"))
        await asyncio.sleep(3)
        assert "cellar" in house.seen[0]
        assert "[Stop]" in house.seen[0]
        await reply.finish(DONE)
        assert house.seen == [whole(TEXT.replace("kitchen", "wine cellar"))]

    streaming(story)


def test_what_stays_unsettled_for_long_is_shown_by_edits() -> None:
    async def story(house: House) -> None:
        reply = await house.open()
        await type_in(reply, "Look: ")
        code = "```sh\n" + "curl https://e.vil/?q=1\n" * 60
        await type_in(reply, code, size=50)
        await asyncio.sleep(3)
        assert "curl" in house.seen[0]
        await reply.finish(DONE)
        assert house.seen[0].startswith("Look: ```sh") or "curl" in house.seen[0]
        assert house.slack.streams == {}

    streaming(story)


async def die_in_the_middle(house: House) -> Reply:
    reply = await house.open()
    await type_in(reply, "The first owner wrote this before it died ")
    await asyncio.sleep(2)
    return reply


def test_a_stream_that_died_with_its_process_and_ended_since_is_edited() -> None:
    async def story(house: House) -> None:
        await die_in_the_middle(house)
        await asyncio.sleep(400)
        second = await house.take_over()
        await type_in(second, "Whole.")
        await second.finish(DONE)
        assert house.seen == ["Whole.\n— completed · 9 s"]

    streaming(story)


def test_a_stream_of_a_dead_process_can_be_taken_back() -> None:
    async def story(house: House) -> None:
        await die_in_the_middle(house)
        second = await house.take_over()
        assert await second.withdraw() is None
        assert house.seen == []

    streaming(story)


ERRORS = [
    SlackUnavailable("timeout"),
    RateLimited("", 2),
    StreamRefused("message_not_in_streaming_state"),
    PayloadRefused("msg_too_long"),
]
STEPS = st.lists(
    st.one_of(
        st.text("ab *`[]()<>|\n.é词-#", min_size=1, max_size=40),
        st.sampled_from(["**bold** ", "[x](https://a.b/c) ", "```py\n", "x\n```\n"]),
        st.tuples(
            st.sampled_from([START, APPEND, STOP]),
            st.sampled_from(ERRORS),
            st.booleans(),
        ),
        st.sampled_from([0.3, 2.0, 30.0]),
        st.sampled_from([None]),
    ),
    max_size=14,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_final_text_always_arrives_whatever_happens_on_the_way(
    steps: list[object],
) -> None:
    """Compared with the same answer where nothing is streamed and nothing goes wrong.

    What a message's beginning or end makes of marks for code may differ, and so may the
    message that has the line.
    """

    async def story(house: House) -> None:
        reply = await house.open()
        reply.append("Well, ")
        for number, step in enumerate(steps):
            match step:
                case str():
                    reply.append(step)
                case float():
                    await asyncio.sleep(step)
                case None:
                    reply.attach(a_change(number))
                case (str() as method, SlackError() as error, bool() as is_taken):
                    is_lost = is_taken and isinstance(error, SlackUnavailable)
                    if house.is_streaming:
                        house.slack.fail(method, error, is_taken=is_lost)
        assert await reply.finish(DONE) is None
        shown = "".join(house.seen).translate(dict.fromkeys(map(ord, "`\\py")))
        assert shown.count("comleted · 9 s") == 1
        seen.append(re.sub(r"(?:— )?comleted · 9 s|\s", "", shown))

    seen: list[str] = []
    streaming(story)
    in_a_house(story)
    assert seen[0] == seen[1]
