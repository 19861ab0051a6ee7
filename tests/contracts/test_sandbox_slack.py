"""The sandbox's Web API, as Slack's own client meets it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox

GENERAL, RANDOM = "C0GENERAL1", "C0RANDOM01"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    running = await Sandbox.start(clock=clock)
    yield running
    await running.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def slack(sandbox: Sandbox, session: aiohttp.ClientSession) -> AsyncWebClient:
    return client(sandbox, session, sandbox.bot_token)


def client(
    sandbox: Sandbox, session: aiohttp.ClientSession, token: str | None
) -> AsyncWebClient:
    return AsyncWebClient(
        token=token, base_url=sandbox.api_url, session=session, retry_handlers=[]
    )


async def refusal(call: Any) -> str:  # noqa: ANN401 - the client returns loosely typed futures
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


def markdown(text: str) -> list[dict[str, Any]]:
    return [{"type": "markdown", "text": text}]


# Tokens, scopes, methods


async def test_auth_test_says_who_the_bot_is_and_what_it_may(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    answer = await slack.auth_test()
    assert answer["user_id"] == sandbox.bot_user_id
    assert answer["bot_id"] == sandbox.bot_id
    assert "chat:write" in answer.headers["x-oauth-scopes"].split(",")
    assert answer.headers["x-slack-req-id"]


async def test_only_the_tokens_of_this_sandbox_open_it(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    foreign = client(sandbox, session, "xoxb-1234-5678-real")
    assert await refusal(foreign.auth_test()) == "invalid_auth"
    nobody = client(sandbox, session, None)
    assert await refusal(nobody.auth_test()) == "not_authed"
    marked = client(sandbox, session, "xoxb-sandbox-guessed")
    assert await refusal(marked.auth_test()) == "invalid_auth"


async def test_each_kind_of_token_is_for_its_own_methods(
    sandbox: Sandbox, session: aiohttp.ClientSession, slack: AsyncWebClient
) -> None:
    app = client(sandbox, session, sandbox.app_token)
    assert await refusal(app.auth_test()) == "not_allowed_token_type"
    opening = slack.apps_connections_open(app_token=sandbox.bot_token)
    assert await refusal(opening) == "not_allowed_token_type"


async def test_a_missing_scope_is_named(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.scopes.discard("chat:write")
    with pytest.raises(SlackApiError) as refused:
        await slack.chat_postMessage(channel=GENERAL, text="hi")
    assert refused.value.response["error"] == "missing_scope"
    assert refused.value.response["needed"] == "chat:write"
    assert "users:read" in refused.value.response["provided"]
    assert sandbox.messages("#general") == []


async def test_a_scope_is_needed_per_kind_of_channel(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.scopes.discard("im:history")
    ts = await sandbox.say("ana", "dm:ana", "hello")
    reading = slack.conversations_replies(channel=sandbox.channel_id("dm:ana"), ts=ts)
    assert await refusal(reading) == "missing_scope"


async def test_an_unknown_method_is_told_before_anything_else(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    nobody = client(sandbox, session, None)
    assert await refusal(nobody.api_call("chat.shout")) == "unknown_method"


# How arguments may come


@pytest.mark.parametrize("way", ["json", "form", "query"])
async def test_arguments_come_as_json_as_a_form_or_in_the_address(
    sandbox: Sandbox, session: aiohttp.ClientSession, way: str
) -> None:
    given = {"channel": GENERAL, "text": "hi", "unfurl_links": "false"}
    sent: dict[str, Any] = {"json": {"json": given}, "form": {"data": given}}.get(
        way, {"params": given}
    )
    headers = {"Authorization": f"Bearer {sandbox.bot_token}"}
    url = f"{sandbox.api_url}chat.postMessage"
    async with session.post(url, headers=headers, **sent) as response:
        answer = await response.json()
    assert answer["ok"]
    assert [message.text for message in sandbox.messages("#general")] == ["hi"]


async def test_a_token_counts_in_a_form_but_not_in_json_or_in_the_address(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    url, token = f"{sandbox.api_url}auth.test", {"token": sandbox.bot_token}
    answers = []
    for sent in ({"data": token}, {"json": token}, {"params": token}):
        async with session.post(url, **sent) as response:  # type: ignore[arg-type]  # three ways to send
            answers.append((await response.json()).get("error"))
    assert answers == [None, "not_authed", "not_authed"]


async def test_methods_that_read_do_not_see_json(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    url = f"{sandbox.api_url}conversations.info"
    headers = {"Authorization": f"Bearer {sandbox.bot_token}"}
    async with session.post(url, headers=headers, json={"channel": GENERAL}) as answer:
        assert (await answer.json())["error"] == "channel_not_found"


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"{", "application/json", "invalid_json"),
        (b"[]", "application/json", "json_not_object"),
        (b"[" * 100_000, "application/json", "invalid_json"),
        (b"hi", "text/plain", "invalid_post_type"),
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(
    sandbox: Sandbox,
    session: aiohttp.ClientSession,
    body: bytes,
    content_type: str,
    error: str,
) -> None:
    headers = {
        "Authorization": f"Bearer {sandbox.bot_token}",
        "Content-Type": content_type,
    }
    url = f"{sandbox.api_url}chat.postMessage"
    async with session.post(url, headers=headers, data=body) as response:
        assert response.status == 200
        assert (await response.json())["error"] == error


# Posting


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


# Editing and deleting


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


# Status


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


# Reading


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
    assert answer["user"]["profile"]["display_name"] == "chloe"


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


# Limits and faults


async def test_too_many_edits_are_answered_with_429_until_the_time_is_over(
    sandbox: Sandbox, slack: AsyncWebClient, clock: Clock
) -> None:
    sandbox.limit("chat.update", per_minute=60, burst=2)
    post = await slack.chat_postMessage(channel=GENERAL, text="a")
    where = {"channel": GENERAL, "ts": post["ts"], "blocks": markdown("b")}
    await slack.chat_update(text="b", **where)
    await slack.chat_update(text="c", **where)
    with pytest.raises(SlackApiError) as refused:
        await slack.chat_update(text="d", **where)
    assert refused.value.response.status_code == 429
    assert refused.value.response["error"] == "ratelimited"
    clock.now += int(refused.value.response.headers["Retry-After"])
    await slack.chat_update(text="e", **where)
    statuses = [call.status for call in sandbox.calls("chat.update")]
    assert statuses == [200, 200, 429, 200]


async def test_posts_in_one_channel_do_not_use_up_those_of_another(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    for _ in range(3):
        await slack.chat_postMessage(channel=GENERAL, text="a")
    limited = slack.chat_postMessage(channel=GENERAL, text="a")
    assert await refusal(limited) == "ratelimited"
    await slack.chat_postMessage(channel=sandbox.channel_id("dm:ana"), text="a")


async def test_a_call_that_is_refused_by_slack_counts_too(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.limit("chat.update", per_minute=1, burst=1)
    for error in ("message_not_found", "ratelimited"):
        missing = slack.chat_update(channel=GENERAL, ts="1.000001", text="a")
        assert await refusal(missing) == error


async def test_a_fault_happens_as_often_as_it_was_planned(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.fault("chat.postMessage", "error", count=2, value="internal_error")
    for _ in range(2):
        failing = slack.chat_postMessage(channel=GENERAL, text="a")
        assert await refusal(failing) == "internal_error"
    await slack.chat_postMessage(channel=GENERAL, text="a")
    assert len(sandbox.messages("#general")) == 1


async def test_a_status_fault_is_no_json_and_429_brings_its_seconds(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.fault("chat.postMessage", "status", value=503)
    with pytest.raises(SlackApiError) as failed:
        await slack.chat_postMessage(channel=GENERAL, text="a")
    assert failed.value.response.status_code == 503
    sandbox.fault("chat.postMessage", "status", value=(429, 30))
    with pytest.raises(SlackApiError) as limited:
        await slack.chat_postMessage(channel=GENERAL, text="a")
    assert limited.value.response.headers["Retry-After"] == "30"


@pytest.mark.parametrize(("kind", "taken"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_lost_connection_leaves_open_whether_the_post_was_taken(
    sandbox: Sandbox, slack: AsyncWebClient, kind: str, taken: int
) -> None:
    sandbox.fault("chat.postMessage", kind)
    with pytest.raises(aiohttp.ClientConnectionError):
        await slack.chat_postMessage(channel=GENERAL, text="a")
    assert len(sandbox.messages("#general")) == taken
    (call,) = sandbox.calls("chat.postMessage")
    assert (call.status, call.fault, call.ok) == (0, kind, bool(taken))


async def test_a_delay_comes_before_the_call_is_taken(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    sandbox.fault("chat.postMessage", "delay", value=30)
    posting = asyncio.ensure_future(slack.chat_postMessage(channel=GENERAL, text="a"))
    await slack.auth_test()
    assert sandbox.messages("#general") == []
    posting.cancel()


async def test_a_fault_that_does_not_fit_is_refused(sandbox: Sandbox) -> None:
    for target, kind in (
        ("chat.update", "never"),
        ("event:message", "status"),
        ("chat.update", "explode"),
    ):
        with pytest.raises(ValueError, match=kind):
            sandbox.fault(target, kind)


async def test_the_journal_holds_every_call_and_no_token(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    form = {"token": sandbox.bot_token, "channel": GENERAL, "text": "a"}
    async with session.post(f"{sandbox.api_url}chat.postMessage", data=form):
        pass
    (call,) = sandbox.calls()
    assert call.arguments == {"channel": GENERAL, "text": "a"}
    assert call.left == 59
    assert sandbox.bot_token not in repr(call)


# Living on one machine


async def test_a_workspace_survives_a_restart(tmp_path: Any) -> None:  # noqa: ANN401 - pytest's path
    first = await Sandbox.start(state_dir=tmp_path)
    ts = await first.say("ana", "#general", "@threadline hello")
    await first.say("ben", "#general", "me too", thread_ts=ts)
    await first.edit("ana", "#general", ts, "@threadline good morning")
    await first.kick_bot("ana", "#general")
    gone = await first.say("ana", "#random", "gone")
    await first.delete("ana", "#random", gone)
    await first.close()
    second = await Sandbox.start(state_dir=tmp_path)
    try:
        assert second.bot_token == first.bot_token
        assert second.messages("#general") == first.messages("#general")
        assert second.messages("#random") == []
        assert not second.core.workspace.is_bot_in(
            second.core.workspace.channel("general")
        )
        assert await second.say("ana", "#random", "new") > gone
    finally:
        await second.close()


async def test_a_taken_port_is_an_error_and_so_is_a_public_address(
    sandbox: Sandbox,
) -> None:
    port = int(sandbox.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(OSError, match=str(port)):
        await Sandbox.start(port=port)
    with pytest.raises(ValueError, match="this machine"):
        await Sandbox.start(host="0.0.0.0")  # noqa: S104 - that is what must not work


@pytest.mark.parametrize("path", ["api/auth.test", "control/workspace", ""])
async def test_a_foreign_host_or_page_is_turned_away(
    sandbox: Sandbox, session: aiohttp.ClientSession, path: str
) -> None:
    for headers in (
        {"Host": "sandbox.evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        async with session.get(sandbox.url + path, headers=headers) as response:
            assert response.status == 403
