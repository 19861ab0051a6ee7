"""Statuses, channels, people and views of the sandbox, through Slack's own client."""

from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import (
    GENERAL,
    RANDOM,
    Clock,
    markdown,
    refusal,
)


async def test_a_status_stays_two_minutes(
    sandbox: Sandbox, slack: AsyncWebClient, clock: Clock
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    await slack.assistant_threads_setStatus(
        channel_id=GENERAL, thread_ts=ts, status="is thinking"
    )
    clock.now += 119
    assert sandbox.status("#general", ts) == "is thinking"
    clock.now += 2
    assert sandbox.status("#general", ts) == ""


async def test_a_post_in_the_thread_clears_the_status_and_another_does_not(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    await slack.assistant_threads_setStatus(
        channel_id=GENERAL, thread_ts=ts, status="is thinking"
    )
    await slack.chat_postMessage(channel=GENERAL, text="elsewhere")
    assert sandbox.status("#general", ts) == "is thinking"
    await slack.chat_postMessage(channel=GENERAL, text="here", thread_ts=ts)
    assert sandbox.status("#general", ts) == ""


async def test_a_status_needs_a_thread_in_a_channel_of_the_bot(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    nowhere = slack.assistant_threads_setStatus(
        channel_id=GENERAL, thread_ts="1.000001", status="x"
    )
    assert await refusal(nowhere) == "invalid_thread_ts"
    ts = await sandbox.say("ana", "#random", "hello")
    outside = slack.assistant_threads_setStatus(
        channel_id=RANDOM, thread_ts=ts, status="x"
    )
    assert await refusal(outside) == "not_in_channel"


async def test_a_session_has_one_of_four_states(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    await slack.agents_sessions_setStatus(
        channel_id=GENERAL, thread_ts=ts, status="processing"
    )
    assert sandbox.session_state("#general", ts) == "processing"
    odd = slack.agents_sessions_setStatus(
        channel_id=GENERAL, thread_ts=ts, status="busy"
    )
    assert await refusal(odd) == "invalid_arguments"


async def test_a_thread_is_read_page_by_page(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "root")
    for number in range(5):
        await sandbox.say("ben", "#general", f"reply {number}", thread_ts=ts)
    texts: list[str] = []
    cursor: str | None = None
    while cursor != "":
        answer = await slack.conversations_replies(
            channel=GENERAL, ts=ts, limit=4, cursor=cursor
        )
        texts += [message["text"] for message in answer["messages"]]
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor", ""))
    assert texts == ["root", *(f"reply {number}" for number in range(5))]


async def test_metadata_is_read_back_only_when_asked_for(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "root")
    metadata = {"event_type": "reply", "event_payload": {"key": "k"}}
    await slack.chat_postMessage(
        channel=GENERAL, text="a", thread_ts=ts, metadata=metadata
    )
    plain = await slack.conversations_replies(channel=GENERAL, ts=ts)
    full = await slack.conversations_replies(
        channel=GENERAL, ts=ts, include_all_metadata=True
    )
    assert "metadata" not in plain["messages"][1]
    assert full["messages"][1]["metadata"] == metadata


async def test_history_is_the_roots_newest_first(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    first = await sandbox.say("ana", "#general", "first")
    await sandbox.say("ana", "#general", "reply", thread_ts=first)
    await sandbox.say("ana", "#general", "second")
    answer = await slack.conversations_history(channel=GENERAL)
    assert [message["text"] for message in answer["messages"]] == ["second", "first"]
    assert answer["messages"][1]["reply_count"] == 1


async def test_an_app_that_is_sold_reads_one_page_of_fifteen_a_minute(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.limit("conversations.history", per_minute=1)
    for number in range(20):
        await sandbox.say("ana", "#general", str(number))

    answer = await slack.conversations_history(channel=GENERAL, limit=100)

    assert [each["text"] for each in answer["messages"]] == [
        str(number) for number in range(19, 4, -1)
    ]
    assert answer["has_more"]
    again = slack.conversations_history(channel=GENERAL)
    assert await refusal(again) == "ratelimited"


async def test_what_is_not_there_is_not_found(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    missing = slack.conversations_replies(channel=GENERAL, ts="1.000001")
    assert await refusal(missing) == "thread_not_found"
    assert await refusal(slack.users_info(user="U0NOBODY01")) == "user_not_found"
    assert await refusal(slack.bots_info(bot="B0NOBODY01")) == "bot_not_found"
    private = slack.conversations_info(channel=sandbox.channel_id("dm:ana"))
    assert (await private)["channel"]["is_im"]
    outside = slack.conversations_history(channel=RANDOM)
    assert await refusal(outside) == "not_in_channel"


async def test_a_guest_is_told_apart_by_users_info(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    guest = sandbox.change_person("chloe", is_restricted=True)
    answer = await slack.users_info(user=guest.user_id)
    assert answer["user"]["is_restricted"]
    assert answer["user"]["profile"]["display_name"] == "Chloé"


async def test_lists_of_people_members_and_channels(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    people = await slack.users_list()
    assert {"ana", "ben", "chloe"} <= {one["name"] for one in people["members"]}
    members = await slack.conversations_members(channel=GENERAL)
    assert sandbox.bot_user_id in members["members"]
    channels = await slack.conversations_list(types="public_channel,im")
    names = {one.get("name", "im") for one in channels["channels"]}
    assert names == {"general", "random", "im"}


async def test_a_direct_channel_is_opened_once(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    user_id = sandbox.people["ana"].user_id
    answer = await slack.conversations_open(users=user_id)
    assert answer["channel"]["id"] == sandbox.channel_id("dm:ana")


async def test_a_reaction_is_put_once_and_taken_once(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    where = {"channel": GENERAL, "timestamp": ts, "name": "eyes"}
    await slack.reactions_add(**where)
    assert sandbox.messages("#general")[0].reactions == {"eyes": (sandbox.bot_user_id,)}
    assert await refusal(slack.reactions_add(**where)) == "already_reacted"
    await slack.reactions_remove(**where)
    assert await refusal(slack.reactions_remove(**where)) == "no_reaction"
    where["name"] = "Not A Name"
    assert await refusal(slack.reactions_add(**where)) == "invalid_name"


async def test_a_home_tab_is_published_and_guarded_by_its_hash(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    view = {"type": "home", "blocks": markdown("welcome")}
    user_id = sandbox.people["ana"].user_id
    first = await slack.views_publish(user_id=user_id, view=view)
    known = first["view"]["hash"]
    await slack.views_publish(user_id=user_id, view=view, hash=known)
    stale = slack.views_publish(user_id=user_id, view=view, hash=known)
    assert await refusal(stale) == "hash_conflict"


async def test_a_modal_needs_a_fresh_trigger(
    sandbox: Sandbox, slack: AsyncWebClient, clock: Clock
) -> None:
    title = {"type": "plain_text", "text": "Rooms"}
    view = {"type": "modal", "title": title, "blocks": markdown("x")}
    made_up = slack.views_open(trigger_id="1.abc", view=view)
    assert await refusal(made_up) == "invalid_trigger_id"
    trigger = sandbox.core.views.new_trigger(sandbox.people["ana"].user_id)
    await slack.views_open(trigger_id=trigger, view=view)
    again = slack.views_open(trigger_id=trigger, view=view)
    assert await refusal(again) == "exchanged_trigger_id"
    late = sandbox.core.views.new_trigger(sandbox.people["ana"].user_id)
    clock.now += 3.5
    assert await refusal(slack.views_open(trigger_id=late, view=view)) == (
        "expired_trigger_id"
    )
