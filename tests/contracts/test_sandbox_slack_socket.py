"""The sandbox's Socket Mode and its events, as Slack's own client meets them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox

GENERAL = "C0GENERAL1"
Json = dict[str, Any]


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    running = await Sandbox.start(retry_scale=0.001, answer_within=0.4)
    running.limit("*", enabled=False)
    yield running
    await running.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def slack(sandbox: Sandbox, session: aiohttp.ClientSession) -> AsyncWebClient:
    return AsyncWebClient(
        token=sandbox.bot_token,
        base_url=sandbox.api_url,
        session=session,
        retry_handlers=[],
    )


class Socket:
    """A bare Socket Mode connection that acknowledges only what it is told to."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self) -> Json:
        return dict(await self.socket.receive_json(timeout=5))

    async def ack(self, envelope: Json, payload: Json | None = None) -> None:
        answer: Json = {"envelope_id": envelope["envelope_id"]}
        await self.socket.send_json(
            answer if payload is None else answer | {"payload": payload}
        )


class Listener:
    """Acknowledges everything and keeps what it got."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self.envelopes: list[Json] = []

    async def run(self) -> None:
        while True:
            message = await self._socket.socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return
            envelope = json.loads(message.data)
            if "envelope_id" in envelope:
                self.envelopes.append(envelope)
                await self._socket.ack(envelope)

    def events(self, kind: str, subtype: str | None = None) -> list[Json]:
        return [
            envelope["payload"]["event"]
            for envelope in self.envelopes
            if envelope["payload"]["event"]["type"] == kind
            and envelope["payload"]["event"].get("subtype") == subtype
        ]

    def changes(self) -> list[Json]:
        return self.events("message", "message_changed")


async def address(sandbox: Sandbox, session: aiohttp.ClientSession) -> str:
    client = AsyncWebClient(base_url=sandbox.api_url, session=session)
    opened = await client.apps_connections_open(app_token=sandbox.app_token)
    return str(opened["url"])


Connect = Callable[[], Awaitable[Socket]]


@pytest.fixture
async def connect(sandbox: Sandbox, session: aiohttp.ClientSession) -> Connect:
    async def open_one() -> Socket:
        socket = Socket(await session.ws_connect(await address(sandbox, session)))
        assert (await socket.next())["type"] == "hello"
        return socket

    return open_one


@pytest.fixture
async def listener(connect: Connect) -> AsyncIterator[Listener]:
    listening = Listener(await connect())
    task = asyncio.create_task(listening.run())
    yield listening
    task.cancel()


# Connecting


async def test_an_address_works_once(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    url = await address(sandbox, session)
    socket = await session.ws_connect(url)
    assert (await socket.receive_json())["type"] == "hello"
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(url)


async def test_a_handshake_can_be_made_to_fail_and_spends_its_address(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    sandbox.fault("socket:connect", "status")
    url = await address(sandbox, session)
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
    await session.ws_connect(await address(sandbox, session))


async def test_the_eleventh_connection_is_turned_away(
    sandbox: Sandbox, session: aiohttp.ClientSession, connect: Connect
) -> None:
    ten = [await connect() for _ in range(10)]
    eleventh = await session.ws_connect(await address(sandbox, session))
    assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
    assert sandbox.connections == len(ten)


async def test_connections_are_asked_to_make_way(
    sandbox: Sandbox, connect: Connect
) -> None:
    socket = await connect()
    await sandbox.refresh_sockets("warning")
    assert (await socket.next())["reason"] == "warning"
    assert sandbox.connections == 1
    await sandbox.refresh_sockets()
    assert (await socket.next())["reason"] == "refresh_requested"
    assert (await socket.socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert sandbox.connections == 0


# Delivering


async def test_each_payload_goes_to_one_connection(
    sandbox: Sandbox, connect: Connect
) -> None:
    listeners = [Listener(await connect()) for _ in range(3)]
    tasks = [asyncio.create_task(listener.run()) for listener in listeners]
    for number in range(30):
        await sandbox.say("ana", "#general", f"message {number}")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 30)
    counts = [len(listener.events("message")) for listener in listeners]
    assert sum(counts) == 30
    assert all(counts)
    for task in tasks:
        task.cancel()


async def test_what_is_not_acknowledged_comes_again_with_its_number_and_reason(
    sandbox: Sandbox, connect: Connect
) -> None:
    socket = await connect()
    await sandbox.say("ana", "#general", "hello")
    first, second, third = [await socket.next() for _ in range(3)]
    await socket.ack(third)
    await sandbox.until(lambda: sandbox.deliveries()[-1].status == 200)
    assert [one["retry_attempt"] for one in (first, second, third)] == [0, 1, 2]
    assert second["retry_reason"] == "timeout"
    assert len({one["payload"]["event_id"] for one in (first, second, third)}) == 1
    assert len({one["envelope_id"] for one in (first, second, third)}) == 3


async def test_after_three_retries_slack_gives_up(
    sandbox: Sandbox, connect: Connect
) -> None:
    await sandbox.say("ana", "#general", "nobody is there")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    assert {one.reason for one in sandbox.deliveries()} == {"no_connection"}
    listening = Listener(await connect())
    task = asyncio.create_task(listening.run())
    await sandbox.say("ana", "#general", "somebody is there")
    await sandbox.until(lambda: sandbox.deliveries()[-1].status == 200)
    texts = [event["text"] for event in listening.events("message")]
    assert texts == ["somebody is there"]
    task.cancel()


async def test_what_a_lost_connection_had_not_acknowledged_goes_to_another(
    sandbox: Sandbox, connect: Connect
) -> None:
    deaf = await connect()
    await sandbox.say("ana", "#general", "hello")
    lost = await deaf.next()
    listening = Listener(await connect())
    task = asyncio.create_task(listening.run())
    await deaf.socket.close()
    await sandbox.until(lambda: sandbox.deliveries()[-1].status == 200)
    (again,) = listening.envelopes
    assert again["payload"] == lost["payload"]
    assert again["retry_reason"] == "connection_failed"
    task.cancel()


async def test_a_click_is_delivered_once_and_tells_that_nobody_answered(
    sandbox: Sandbox, slack: AsyncWebClient, connect: Connect
) -> None:
    label = {"type": "plain_text", "text": "Stop"}
    button = {"type": "button", "text": label, "action_id": "stop", "value": "7"}
    post = await slack.chat_postMessage(
        channel=GENERAL,
        text="a",
        blocks=[{"type": "actions", "elements": [button]}],
    )
    await slack.chat_delete(channel=GENERAL, ts=post["ts"])
    sandbox.core.subscriptions.clear()
    socket = await connect()
    clicking = asyncio.create_task(sandbox.click("ana", "#general", post["ts"], "stop"))
    while (envelope := await socket.next())["type"] != "interactive":
        await socket.ack(envelope)
    assert envelope["payload"]["actions"][0]["value"] == "7"
    assert envelope["payload"]["user"]["id"] == sandbox.people["ana"].user_id
    assert await clicking == 504
    clicks = [one for one in sandbox.deliveries() if one.kind == "interactive"]
    assert len(clicks) == 1


async def test_a_button_that_never_was_cannot_be_clicked(sandbox: Sandbox) -> None:
    ts = await sandbox.say("ana", "#general", "hello")
    with pytest.raises(LookupError, match="stop"):
        await sandbox.click("ana", "#general", ts, "stop")


async def test_faults_of_events_double_delay_or_swallow_them(
    sandbox: Sandbox, listener: Listener
) -> None:
    sandbox.fault("event:message", "never")
    await sandbox.say("ana", "#general", "swallowed")
    sandbox.fault("event:message", "late", value=0.2)
    await sandbox.say("ana", "#general", "late")
    sandbox.fault("event:message", "duplicate")
    await sandbox.say("ana", "#general", "twice")
    await sandbox.until(lambda: len(sandbox.deliveries("message")) == 3)
    texts = [event["text"] for event in listener.events("message")]
    assert texts == ["twice", "twice", "late"]
    first, second, _ = sandbox.deliveries("message")
    assert first.event_id == second.event_id


async def test_the_web_api_never_waits_for_the_app(
    sandbox: Sandbox, slack: AsyncWebClient, connect: Connect
) -> None:
    await connect()
    for number in range(20):
        await slack.chat_postMessage(channel=GENERAL, text=str(number))
    assert len(sandbox.messages("#general")) == 20
    assert all(one.status == 0 for one in sandbox.deliveries())


# What is delivered


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
    await sandbox.until(sandbox.deliveries)
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


# With Bolt


async def test_bolt_answers_a_mention_and_a_click_over_socket_mode(
    sandbox: Sandbox, slack: AsyncWebClient
) -> None:
    bolt = AsyncApp(client=slack, process_before_response=True)
    label = {"type": "plain_text", "text": "Stop"}
    button = {"type": "button", "text": label, "action_id": "stop"}

    @bolt.event("app_mention")
    async def answer(event: Json) -> None:
        await slack.chat_postMessage(
            channel=event["channel"],
            thread_ts=event["ts"],
            text="working",
            blocks=[{"type": "actions", "elements": [button]}],
        )

    @bolt.event("message")
    async def ignore() -> None:
        pass

    @bolt.action("stop")
    async def stop(ack: Callable[[], Awaitable[None]], body: Json) -> None:
        await ack()
        where = {"channel": GENERAL, "ts": body["container"]["message_ts"]}
        await slack.chat_update(text="stopped", **where)

    @bolt.command("/assistant")
    async def help_(ack: Callable[[str], Awaitable[None]]) -> None:
        await ack("at your service")

    handler = AsyncSocketModeHandler(bolt, sandbox.app_token)
    await handler.connect_async()  # type: ignore[no-untyped-call]  # as Bolt has it
    try:
        ts = await sandbox.say("ana", "#general", "@threadline hello")
        reply = await sandbox.until(
            lambda: next(
                (one for one in sandbox.messages("#general", ts) if one.buttons), None
            )
        )
        assert await sandbox.click("ana", "#general", reply.ts, "stop") == 200
        await sandbox.until(
            lambda: sandbox.messages("#general", ts)[-1].seen == "stopped"
        )
        assert await sandbox.command("ana", "#general", "/assistant", "help") == 200
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]  # as Bolt has it


async def test_waiting_in_vain_tells_what_stands_there(sandbox: Sandbox) -> None:
    await sandbox.say("ana", "#general", "hello")
    with pytest.raises(TimeoutError, match="ana: hello"):
        await sandbox.until(lambda: None, timeout=0.05)
