"""Streams in the sandbox, as Slack's own client meets them and their undocumented ends.

What is refused here and is in no reference was seen by those who probed the real one.
"""

from typing import Any

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import Clock, client, markdown, refusal


class Talk:
    """Ana's talk with the bot, and the streams in it."""

    def __init__(self, sandbox: Sandbox, slack: AsyncWebClient, root: str) -> None:
        self.sandbox = sandbox
        self.slack = slack
        self.channel = sandbox.channel_id("dm:ana")
        self.root = root

    def starting(self, text: str | None = "Once", **more: Any) -> Any:  # noqa: ANN401 - the client's types are loose
        to = {
            "channel": self.channel,
            "thread_ts": self.root,
            "recipient_team_id": self.sandbox.team_id,
            "recipient_user_id": self.sandbox.people["ana"].user_id,
            "markdown_text": text,
        }
        return self.slack.chat_startStream(**{**to, **more})

    async def start(self, text: str | None = "Once", **more: Any) -> str:  # noqa: ANN401 - as above
        return str((await self.starting(text, **more))["ts"])

    def append(self, ts: str, text: str | None, **more: Any) -> Any:  # noqa: ANN401 - as above
        return self.slack.chat_appendStream(
            channel=self.channel, ts=ts, markdown_text=text, **more
        )

    def stop(self, ts: str, **more: Any) -> Any:  # noqa: ANN401 - as above
        return self.slack.chat_stopStream(channel=self.channel, ts=ts, **more)

    def update(self, ts: str, text: str = "other") -> Any:  # noqa: ANN401 - as above
        return self.slack.chat_update(channel=self.channel, ts=ts, text=text)

    @property
    def seen(self) -> list[str]:
        return [each.seen for each in self.sandbox.messages("dm:ana", self.root)[1:]]


@pytest.fixture
async def talk(sandbox: Sandbox, session: aiohttp.ClientSession) -> Talk:
    root = await sandbox.say("ana", "dm:ana", "tell me")
    return Talk(sandbox, client(sandbox, session, sandbox.bot_token), root)


async def test_a_message_grows_and_ends_with_its_blocks_and_its_metadata(
    talk: Talk,
) -> None:
    ts = await talk.start("Once ")
    await talk.append(ts, "upon a time")
    assert talk.seen == ["Once upon a time"]
    metadata = {"event_type": "reply", "event_payload": {"key": "k"}}
    await talk.stop(
        ts, markdown_text=".", blocks=markdown("the end"), metadata=metadata
    )
    assert talk.seen == ["Once upon a time.\nthe end"]
    read = await talk.slack.conversations_replies(
        channel=talk.channel, ts=talk.root, include_all_metadata=True
    )
    (_, streamed) = read["messages"]
    assert streamed["metadata"] == metadata
    assert streamed["streaming_state"] == "completed"


async def test_people_are_told_at_the_end_and_not_at_the_beginning(talk: Talk) -> None:
    ts = await talk.start()
    assert talk.sandbox.notifications("ana") == []
    await talk.stop(ts)
    (told,) = talk.sandbox.notifications("ana")
    assert told.text == "Once"


async def test_an_open_stream_lets_nobody_edit_or_delete_it(talk: Talk) -> None:
    ts = await talk.start()
    assert await refusal(talk.update(ts)) == "streaming_state_conflict"
    gone = talk.slack.chat_delete(channel=talk.channel, ts=ts)
    assert await refusal(gone) == "cant_delete_message"
    await talk.stop(ts)
    await talk.update(ts)
    assert talk.seen == ["other"]


async def test_what_has_ended_takes_no_more_and_says_so_each_time(talk: Talk) -> None:
    ts = await talk.start()
    await talk.stop(ts)
    over = "message_not_in_streaming_state"
    assert await refusal(talk.append(ts, "x")) == over
    assert await refusal(talk.stop(ts)) == over


async def test_five_minutes_end_a_stream_however_busy_it_is(
    talk: Talk, clock: Clock
) -> None:
    ts = await talk.start()
    clock.now += 299
    await talk.append(ts, " x")
    clock.now += 1
    over = "message_not_in_streaming_state"
    assert await refusal(talk.append(ts, "y")) == over
    assert await refusal(talk.stop(ts)) == over
    await talk.update(ts)


async def test_eleven_thousand_bytes_are_all_that_a_stream_takes(talk: Talk) -> None:
    ts = await talk.start("é" * 5_000)
    assert await refusal(talk.append(ts, "é" * 501)) == "msg_too_long"
    await talk.append(ts, "é" * 500)
    assert await refusal(talk.stop(ts, markdown_text="x")) == "msg_too_long"
    await talk.stop(ts)
    assert await refusal(talk.starting("x" * 12_001)) == "msg_too_long"


@pytest.mark.parametrize("name", ["recipient_team_id", "recipient_user_id"])
async def test_a_stream_needs_a_reader_also_in_direct_messages(
    talk: Talk, name: str
) -> None:
    assert await refusal(talk.starting(**{name: None})) == f"missing_{name}"


async def test_a_stream_needs_a_thread(talk: Talk) -> None:
    assert await refusal(talk.starting(thread_ts=None)) == "invalid_arguments"


async def test_a_group_of_people_takes_no_stream(talk: Talk, sandbox: Sandbox) -> None:
    root = await sandbox.say("ana", "mpdm", "tell us")
    group = sandbox.channel_id("mpdm")
    starting = talk.starting(channel=group, thread_ts=root)
    assert await refusal(starting) == "channel_type_not_supported"


async def test_a_stream_keeps_the_shape_in_which_it_began(talk: Talk) -> None:
    chunks = [{"type": "markdown_text", "text": "Once "}]
    ts = await talk.start(None, chunks=chunks)
    assert await refusal(talk.append(ts, "x")) == "streaming_mode_mismatch"
    await talk.append(ts, None, chunks=[{"type": "markdown_text", "text": "more"}])
    assert talk.seen == ["Once more"]
    both = talk.append(ts, "x", chunks=chunks)
    assert await refusal(both) == "cannot_provide_both_markdown_text_and_chunks"
    odd = talk.append(ts, None, chunks=[{"type": "picture"}])
    assert await refusal(odd) == "invalid_chunks"
    assert await refusal(talk.append(ts, None)) == "no_text"


async def test_white_space_at_a_seam_is_lost(talk: Talk) -> None:
    ts = await talk.start("Once")
    await talk.append(ts, "\n\n upon")
    assert talk.seen == ["Onceupon"]


async def test_only_messages_of_the_app_can_be_streamed(talk: Talk) -> None:
    assert await refusal(talk.append(talk.root, "x")) == "message_not_owned_by_app"
    nowhere = talk.append("1.000001", "x")
    assert await refusal(nowhere) == "message_not_found"


async def test_a_message_that_an_admin_has_removed_is_gone(talk: Talk) -> None:
    ts = await talk.start()
    await talk.sandbox.remove("ana", "dm:ana", ts)
    assert await refusal(talk.append(ts, "x")) == "message_not_found"


async def test_slacks_own_stop_ends_the_stream_and_names_it(talk: Talk) -> None:
    ts = await talk.start()
    await talk.sandbox.stop_session("ana", "dm:ana", talk.root)
    assert await refusal(talk.append(ts, "x")) == "stopped_by_user"
    assert await refusal(talk.stop(ts)) == "stopped_by_user"
    await talk.update(ts)


async def test_starts_and_stops_are_rarer_than_appends(talk: Talk) -> None:
    (ts, *_) = [await talk.start() for _ in range(4)]
    assert await refusal(talk.starting()) == "ratelimited"
    for _ in range(20):
        await talk.append(ts, "x")
    assert await refusal(talk.append(ts, "x")) == "ratelimited"


async def test_an_answer_that_is_lost_was_an_append_all_the_same(talk: Talk) -> None:
    ts = await talk.start("Once ")
    talk.sandbox.fault("chat.appendStream", "drop_after")
    with pytest.raises(aiohttp.ClientError):
        await talk.append(ts, "x")
    assert talk.seen == ["Once x"]


async def test_what_would_ping_is_noted_also_when_it_comes_in_two_halves(
    talk: Talk,
) -> None:
    ts = await talk.start("<!chan")
    await talk.append(ts, "nel>")
    assert [each.token for each in talk.sandbox.live_tokens()] == ["<!channel>"]
