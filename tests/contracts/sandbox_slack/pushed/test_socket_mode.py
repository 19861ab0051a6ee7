"""The sandbox's Socket Mode and its events, as Slack's own client meets them."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import (
    GENERAL,
    Connect,
    Json,
    Listener,
    address,
)

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


async def test_connections_that_are_made_at_once_are_counted_all_the_same(
    sandbox: Sandbox, session: aiohttp.ClientSession
) -> None:
    sandbox.limit("apps.connections.open", enabled=False)
    urls = [await address(sandbox, session) for _ in range(15)]
    sockets = await asyncio.gather(*(session.ws_connect(url) for url in urls))
    first = [(await socket.receive_json())["type"] for socket in sockets]
    assert sorted(first) == ["disconnect"] * 5 + ["hello"] * 10


async def test_connections_are_asked_to_make_way(
    sandbox: Sandbox, connect: Connect
) -> None:
    socket = await connect()
    await sandbox.refresh_sockets()
    assert (await socket.next())["reason"] == "refresh_requested"
    assert (await socket.socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert sandbox.connections == 0


async def test_a_connection_that_was_warned_is_closed_a_little_later(
    sandbox: Sandbox, connect: Connect
) -> None:
    socket = await connect()
    await sandbox.refresh_sockets("warning")
    assert sandbox.connections == 1
    reasons = [(await socket.next())["reason"] for _ in range(2)]
    assert reasons == ["warning", "refresh_requested"]
    assert (await socket.socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_one_connection_makes_way_while_the_other_goes_on(
    sandbox: Sandbox, connect: Connect
) -> None:
    older, newer = await connect(), await connect()
    await sandbox.refresh_sockets(count=1)
    assert (await older.next())["reason"] == "refresh_requested"
    await sandbox.say("ana", "#general", "hello")
    assert (await newer.next())["payload"]["event"]["text"] == "hello"


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
