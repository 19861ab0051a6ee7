"""Posting, editing and deleting in the sandbox, as Slack's own client meets it."""

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import (
    GENERAL,
    RANDOM,
    markdown,
    refusal,
)


async def test_a_post_is_there_for_everybody(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    metadata = {"event_type": "reply", "event_payload": {"key": "k"}}
    answer = await slack.chat_postMessage(
        channel="#general",
        text="fallback",
        blocks=markdown("**hi**"),
        metadata=metadata,
    )
    (posted,) = sandbox.messages("#general")
    assert answer["ts"] == posted.ts
    assert answer["message"]["bot_id"] == sandbox.bot_id
    assert posted.seen == "**hi**"
    assert posted.metadata == metadata


async def test_a_post_needs_a_channel_the_bot_is_in(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    async def post(channel: str) -> str:
        return await refusal(slack.chat_postMessage(channel=channel, text="hi"))

    assert await post(RANDOM) == "not_in_channel"
    assert await post("C0NOWHERE1") == "channel_not_found"
    await sandbox.kick_bot("ana", "#home-team")
    assert await post(sandbox.channel_id("#home-team")) == "channel_not_found"
    await sandbox.archive("#general")
    assert await post(GENERAL) == "is_archived"


async def test_a_user_id_as_channel_means_the_direct_messages_with_them(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    user_id = sandbox.people["ben"].user_id
    answer = await slack.chat_postMessage(channel=user_id, text="hi")
    assert answer["channel"] == sandbox.channel_id("dm:ben")


async def test_an_empty_post_is_refused(slack: AsyncWebClient) -> None:
    empty = slack.api_call("chat.postMessage", json={"channel": GENERAL, "text": " "})
    assert await refusal(empty) == "no_text"


async def test_a_long_text_is_cut_without_a_word(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    await slack.chat_postMessage(channel=GENERAL, text="x" * 40_100)
    (posted,) = sandbox.messages("#general")
    assert len(posted.text) == 40_000


async def test_a_reply_lands_in_its_thread(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    answer = await slack.chat_postMessage(channel=GENERAL, text="hi", thread_ts=ts)
    assert answer["message"]["thread_ts"] == ts
    assert answer["message"]["parent_user_id"] == sandbox.people["ana"].user_id


@pytest.mark.parametrize("has_replies", [False, True])
async def test_a_reply_to_a_deleted_root_lands_in_the_channel_without_an_error(
    sandbox: Sandbox, slack: AsyncWebClient, has_replies: bool
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    if has_replies:
        await sandbox.say("ben", "#general", "hi", thread_ts=ts)
    await sandbox.delete("ana", "#general", ts)
    answer = await slack.chat_postMessage(channel=GENERAL, text="hi", thread_ts=ts)
    assert answer["ok"]
    assert "thread_ts" not in answer["message"]


async def test_a_thread_ts_that_is_none_is_refused(slack: AsyncWebClient) -> None:
    posting = slack.chat_postMessage(channel=GENERAL, text="hi", thread_ts="soon")
    assert await refusal(posting) == "invalid_thread_ts"


async def test_an_ephemeral_message_is_for_one_person_who_is_there(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ana = sandbox.people["ana"].user_id
    await slack.chat_postEphemeral(channel=GENERAL, user=ana, text="psst")
    assert [one.text for one in sandbox.ephemerals("ana")] == ["psst"]
    assert sandbox.ephemerals("ben") == []
    assert sandbox.messages("#general") == []
    chloe = sandbox.people["chloe"].user_id
    outside = slack.chat_postEphemeral(
        channel=sandbox.channel_id("#home-team"), user=chloe, text="psst"
    )
    assert await refusal(outside) == "user_not_in_channel"


async def test_an_edit_with_blocks_shows_no_mark_and_one_with_text_alone_does(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    post = await slack.chat_postMessage(
        channel=GENERAL, text="a", blocks=markdown("a"), attachments=[{"text": "card"}]
    )
    await slack.chat_update(
        channel=GENERAL, ts=post["ts"], text="b", blocks=markdown("b")
    )
    (edited,) = sandbox.messages("#general")
    assert edited.seen == "b\ncard"
    assert edited.edited is None
    await slack.chat_update(channel=GENERAL, ts=post["ts"], text="c")
    (edited,) = sandbox.messages("#general")
    assert edited.blocks == ()
    assert edited.seen == "c\ncard"
    assert edited.edited is not None


async def test_attachments_go_when_an_empty_list_is_sent(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    post = await slack.chat_postMessage(
        channel=GENERAL, text="a", attachments=[{"text": "card"}]
    )
    await slack.chat_update(channel=GENERAL, ts=post["ts"], text="a", attachments=[])
    (edited,) = sandbox.messages("#general")
    assert edited.seen == "a"


async def test_only_a_message_of_ones_own_can_be_edited_or_deleted(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "mine")
    editing = slack.chat_update(channel=GENERAL, ts=ts, text="yours")
    assert await refusal(editing) == "cant_update_message"
    deleting = slack.chat_delete(channel=GENERAL, ts=ts)
    assert await refusal(deleting) == "cant_delete_message"


async def test_a_deleted_message_is_not_found(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    post = await slack.chat_postMessage(channel=GENERAL, text="a")
    await slack.chat_delete(channel=GENERAL, ts=post["ts"])
    editing = slack.chat_update(channel=GENERAL, ts=post["ts"], text="b")
    assert await refusal(editing) == "message_not_found"
    assert sandbox.messages("#general") == []


async def test_an_edit_takes_less_text_than_a_post(slack: AsyncWebClient) -> None:
    post = await slack.chat_postMessage(channel=GENERAL, text="a")
    editing = slack.chat_update(channel=GENERAL, ts=post["ts"], text="x" * 4001)
    assert await refusal(editing) == "msg_too_long"


async def test_an_edit_of_nothing_is_refused(slack: AsyncWebClient) -> None:
    post = await slack.chat_postMessage(channel=GENERAL, text="a")
    nothing = {"channel": GENERAL, "ts": post["ts"]}
    assert await refusal(slack.api_call("chat.update", json=nothing)) == "no_text"


async def test_what_is_bad_in_blocks_is_pointed_at(slack: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as refused:
        await slack.chat_postMessage(channel=GENERAL, text="a", blocks=markdown(""))
    assert refused.value.response["error"] == "invalid_blocks"
    (message,) = refused.value.response["response_metadata"]["messages"]
    assert "/blocks/0/text" in message


async def test_an_edit_notifies_nobody_but_its_live_tokens_are_noted(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    post = await slack.chat_postMessage(channel=GENERAL, text="a")
    await slack.chat_update(channel=GENERAL, ts=post["ts"], text="<!channel>")
    assert sandbox.notifications() == []
    assert [live.token for live in sandbox.live_tokens()] == ["<!channel>"]


async def test_a_reply_tells_those_who_take_part_in_its_thread(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    await sandbox.say("ben", "#general", "ask @chloe", thread_ts=ts)
    assert [one.why for one in sandbox.notifications("chloe")] == ["mention"]
    assert [one.why for one in sandbox.notifications("ana")] == ["thread"]
    await slack.chat_postMessage(channel=GENERAL, text="hi", thread_ts=ts)
    for person in ("ana", "ben", "chloe"):
        assert sandbox.notifications(person)[-1].text == "hi"
    await slack.chat_postMessage(channel=GENERAL, text="elsewhere")
    assert sandbox.notifications()[-1].text == "hi"
