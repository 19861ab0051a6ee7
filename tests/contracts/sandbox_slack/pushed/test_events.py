"""What the sandbox tells an app of what happens in the workspace."""

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import GENERAL, Connect, Listener


async def test_a_mention_comes_twice_with_two_ids_and_either_first(
    sandbox: Sandbox, listener: Listener
) -> None:
    for number in range(20):
        await sandbox.say("ana", "#general", f"@threadline {number}")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 40)
    ids = {envelope["payload"]["event_id"] for envelope in listener.envelopes}
    assert len(ids) == 40
    first: dict[str, str] = {}
    for envelope in listener.envelopes:
        event = envelope["payload"]["event"]
        first.setdefault(event["ts"], event["type"])
    assert set(first.values()) == {"message", "app_mention"}
    twins = listener.events("app_mention")
    assert all(f"<@{sandbox.bot_user_id}>" in twin["text"] for twin in twins)
    assert not any("channel_type" in twin for twin in twins)


async def test_the_bots_own_posts_and_edits_come_back(
    sandbox: Sandbox, slack: AsyncWebClient, listener: Listener
) -> None:
    post = await slack.chat_postMessage(channel=GENERAL, text="a")
    await slack.chat_update(channel=GENERAL, ts=post["ts"], text="b")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 2)
    (posted,) = listener.events("message")
    (changed,) = listener.changes()
    assert posted["bot_id"] == sandbox.bot_id
    assert changed["message"]["text"] == "b"
    assert changed["previous_message"]["text"] == "a"
    assert changed["ts"] != changed["message"]["ts"]


async def test_a_reply_changes_its_root(sandbox: Sandbox, listener: Listener) -> None:
    ts = await sandbox.say("ana", "#general", "root")
    await sandbox.say("ben", "#general", "reply", thread_ts=ts)
    await sandbox.until(lambda: len(sandbox.deliveries()) == 3)
    (changed,) = listener.changes()
    assert changed["message"]["ts"] == ts
    assert changed["message"]["reply_count"] == 1
    assert "reply_count" not in changed["previous_message"]
    assert "edited" not in changed["message"]


async def test_a_link_is_unfolded_as_a_change_of_its_message(
    sandbox: Sandbox, listener: Listener
) -> None:
    ts = await sandbox.say("ana", "#general", "@threadline see https://a.example/b")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 3)
    (changed,) = listener.changes()
    assert changed["message"]["ts"] == ts
    assert changed["message"]["attachments"][0]["from_url"] == "https://a.example/b"
    assert len(listener.events("app_mention")) == 1
    assert [fetch.url for fetch in sandbox.fetches()] == ["https://a.example/b"]


async def test_a_post_that_says_so_is_not_unfolded(
    sandbox: Sandbox, slack: AsyncWebClient, listener: Listener
) -> None:
    await slack.chat_postMessage(
        channel=GENERAL,
        text="https://a.example",
        unfurl_links=False,
        unfurl_media=False,
    )
    await slack.chat_postMessage(channel=GENERAL, text="https://b.example")
    await sandbox.until(listener.changes)
    assert [fetch.url for fetch in sandbox.fetches()] == ["https://b.example"]


async def test_editing_a_mention_mentions_again(
    sandbox: Sandbox, listener: Listener
) -> None:
    ts = await sandbox.say("ana", "#general", "@threadline helo")
    await sandbox.edit("ana", "#general", ts, "@threadline hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    mentions = listener.events("app_mention")
    assert {mention["ts"] for mention in mentions} == {ts}
    assert len(mentions) == 2
    assert [one for one in mentions if "edited" in one]
    (changed,) = listener.changes()
    assert changed["message"]["edited"]["user"] == sandbox.people["ana"].user_id


async def test_a_deleted_message_is_deleted_and_a_deleted_root_a_tombstone(
    sandbox: Sandbox, listener: Listener
) -> None:
    lone = await sandbox.say("ana", "#general", "lone")
    root = await sandbox.say("ana", "#general", "root")
    await sandbox.say("ben", "#general", "reply", thread_ts=root)
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    await sandbox.delete("ana", "#general", lone)
    await sandbox.delete("ana", "#general", root)
    await sandbox.until(lambda: len(sandbox.deliveries()) == 6)
    (deleted,) = listener.events("message", "message_deleted")
    assert deleted["deleted_ts"] == lone
    tombstone = listener.changes()[-1]["message"]
    assert (tombstone["ts"], tombstone["subtype"]) == (root, "tombstone")
    assert listener.changes()[-1]["previous_message"]["text"] == "root"


async def test_nothing_comes_from_where_the_bot_is_not(
    sandbox: Sandbox, listener: Listener
) -> None:
    await sandbox.say("ana", "#random", "@threadline are you here?")
    await sandbox.invite_bot("ana", "#random")
    await sandbox.say("ana", "#random", "hello")
    await sandbox.kick_bot("ana", "#random")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 3)
    assert [event["text"] for event in listener.events("message")] == ["hello"]
    assert listener.events("member_joined_channel")
    assert listener.events("member_left_channel")


async def test_nothing_comes_without_its_scope_or_subscription(
    sandbox: Sandbox, listener: Listener
) -> None:
    sandbox.subscriptions.discard("message.channels")
    sandbox.scopes.discard("im:history")
    await sandbox.say("ana", "dm:ana", "hello")
    await sandbox.say("ana", "#general", "@threadline hello")
    await sandbox.settle()
    assert [one.name for one in sandbox.deliveries()] == ["app_mention"]


async def test_direct_messages_say_their_kind_of_channel(
    sandbox: Sandbox, listener: Listener
) -> None:
    for place in ("dm:ana", "mpdm", "#home-team"):
        await sandbox.say("ana", place, "hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 3)
    kinds = {event["channel_type"] for event in listener.events("message")}
    assert kinds == {"im", "mpim", "group"}


async def test_files_bots_and_strangers_are_told_apart(
    sandbox: Sandbox, listener: Listener
) -> None:
    await sandbox.say("ana", "#general", "", files=["plan.pdf"])
    await sandbox.say("buildbot", "#general", "@threadline build failed")
    sandbox.change_person("chloe", team_id="T0ELSEWHERE", is_stranger=True)
    await sandbox.say("chloe", "#general", "hello from outside")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    (shared,) = listener.events("message", "file_share")
    assert shared["files"][0]["name"] == "plan.pdf"
    by_text = {event["text"]: event for event in listener.events("message")}
    outside = by_text["hello from outside"]
    assert outside["user_team"] == "T0ELSEWHERE"
    assert all(
        envelope["payload"]["is_ext_shared_channel"]
        for envelope in listener.envelopes
        if envelope["payload"]["event"] is outside
    )
    assert listener.events("app_mention")[0]["bot_id"] == "B0BUILD001"


async def test_what_people_type_is_escaped_and_its_names_come_alive(
    sandbox: Sandbox, listener: Listener
) -> None:
    await sandbox.say("ana", "#general", "@ben 1 < 2 & <!here> #random @here a@ben.de")
    await sandbox.until(sandbox.deliveries)
    (event,) = listener.events("message")
    ben = sandbox.people["ben"].user_id
    assert event["text"] == (
        f"<@{ben}> 1 &lt; 2 &amp; &lt;!here&gt; <#C0RANDOM01|random> <!here> a@ben.de"
    )


async def test_a_reaction_is_told_once_however_often_it_is_given(
    sandbox: Sandbox, listener: Listener
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    await sandbox.react("ben", "#general", ts, "eyes")
    await sandbox.react("ben", "#general", ts, "eyes")
    await sandbox.say("ana", "#general", "bye")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 3)
    (reaction,) = listener.events("reaction_added")
    assert reaction["item"] == {"type": "message", "channel": GENERAL, "ts": ts}
    assert reaction["item_user"] == sandbox.people["ana"].user_id


async def test_the_home_tab_and_slacks_own_stop_are_events(
    sandbox: Sandbox, listener: Listener
) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    await sandbox.open_home("ana")
    await sandbox.stop_session("ana", "#general", ts)
    await sandbox.until(lambda: len(sandbox.deliveries()) == 3)
    assert listener.events("app_home_opened")[0]["tab"] == "home"
    assert listener.events("agent_session_stopped")[0]["thread_ts"] == ts


async def test_above_30000_events_an_hour_slack_says_so_and_drops_the_rest(
    sandbox: Sandbox, connect: Connect
) -> None:
    socket = await connect()
    dispatcher = sandbox.core.dispatcher
    dispatcher._this_hour = 30_000
    dispatcher._hour = int(sandbox.core.clock()) // 3600
    await sandbox.say("ana", "#general", "one too many")
    await sandbox.say("ana", "#general", "another")
    assert (await socket.next())["payload"]["type"] == "app_rate_limited"
    with pytest.raises(TimeoutError):
        await socket.socket.receive(timeout=0.1)
