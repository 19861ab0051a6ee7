"""What people do in the sandbox, as it arrives with us in both delivery modes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.domain import ChannelKind, IncomingMessage, Lease, Turn, TurnMessage
from app.sandbox.server import Sandbox
from app.slack.blocks import Action
from app.slack.bolt import build_bolt
from app.slack.bot import Introduction, introduce
from app.slack.context import ThreadContext
from app.slack.http import PATH, add_slack_routes
from app.slack.people import People
from app.slack.socket_mode import SocketMode
from tests.contracts.intake_double import (
    InboxDouble,
    Told,
    clicks_around,
    intake_around,
)


@dataclass
class Parts:
    sandbox: Sandbox
    inbox: InboxDouble
    told: Told
    introduction: Introduction
    client: AsyncWebClient

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - the program tells nobody
                await asyncio.sleep(0.005)


@pytest.fixture(params=["socket mode", "http"])
async def parts(request: pytest.FixtureRequest) -> AsyncGenerator[Parts]:
    async with AsyncExitStack() as stack:
        sandbox = await Sandbox.start(retry_scale=0.01)
        stack.push_async_callback(sandbox.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        client = AsyncWebClient(
            token=sandbox.bot_token,
            base_url=sandbox.api_url,
            session=session,
            retry_handlers=[],
        )
        client.proxy = None
        introduction = await introduce(client)
        inbox = InboxDouble()
        intake, told = intake_around(inbox, client)
        stack.push_async_callback(intake.close)
        bolt = build_bolt(client, introduction.bot, intake, clicks_around(intake))
        if request.param == "http":
            app = web.Application()
            add_slack_routes(app, bolt, sandbox.signing_secret)
            server = await stack.enter_async_context(TestServer(app))
            sandbox.deliver_to(str(server.make_url(PATH)))
        else:
            socket_mode = SocketMode(bolt, client, sandbox.app_token)
            stack.push_async_callback(socket_mode.close)
            await socket_mode.start()
        yield Parts(sandbox, inbox, told, introduction, client)


def first_turn_over(message: IncomingMessage) -> Turn:
    asked = TurnMessage(
        seq=1,
        ts=message.ts,
        author_id=message.author_id,
        author_team_id=message.author_team_id,
        text=message.text,
        files=message.files,
        mentioned=message.mentioned,
        wanted=True,
    )
    return Turn(
        lease=Lease(
            team_id=message.thread.team_id, conversation_id=1, turn_id=2, epoch=3
        ),
        thread=message.thread,
        assistant_thread_id=4,
        messages=(asked,),
        channel_kind=message.channel_kind,
        is_first_turn=True,
    )


async def test_the_sandbox_grants_every_scope_that_is_needed(parts: Parts) -> None:
    assert parts.introduction.missing_scopes == ()
    assert parts.introduction.bot.user_id == parts.sandbox.bot_user_id


async def test_a_mention_arrives_as_two_events_that_say_the_same(parts: Parts) -> None:
    ts = await parts.sandbox.say("ana", "#general", "@threadline hello")
    await parts.until(lambda: len(parts.inbox.messages) == 2)

    first, second = parts.inbox.messages
    assert first == second
    assert (first.ts, first.text) == (ts, "hello")
    assert first.mentioned
    assert not first.external


async def test_a_direct_message_arrives(parts: Parts) -> None:
    await parts.sandbox.say("ana", "dm:ana", "hello")
    await parts.until(lambda: bool(parts.inbox.messages))

    assert parts.inbox.messages[0].channel_kind is ChannelKind.IM


async def test_an_edit_and_a_removal_arrive(parts: Parts) -> None:
    ts = await parts.sandbox.say("ana", "dm:ana", "hello")
    await parts.sandbox.edit("ana", "dm:ana", ts, "good bye")
    await parts.until(lambda: len(parts.inbox.messages) == 2)
    await parts.sandbox.delete("ana", "dm:ana", ts)
    await parts.until(lambda: bool(parts.inbox.deleted))

    newest = max(parts.inbox.messages, key=lambda each: float(each.edited_ts or 0))
    assert newest.text == "good bye"
    assert {message.ts for message in parts.inbox.messages} == {ts}
    assert parts.inbox.deleted[0].ts == ts


async def test_a_removed_root_with_replies_arrives_as_a_removal(parts: Parts) -> None:
    ts = await parts.sandbox.say("ana", "#general", "@threadline hello")
    await parts.sandbox.say("ben", "#general", "me too", thread_ts=ts)
    await parts.sandbox.delete("ana", "#general", ts)
    await parts.until(lambda: bool(parts.inbox.deleted))

    assert parts.inbox.deleted[0].ts == ts
    assert parts.inbox.deleted[0].mentioned


async def test_our_own_messages_and_edits_do_not_come_back_to_us(parts: Parts) -> None:
    before = telemetry.counters["slack.dropped.own"]
    channel_id = parts.sandbox.channel_id("#general")
    posted = await parts.client.chat_postMessage(channel=channel_id, text="one")
    await parts.client.chat_update(channel=channel_id, ts=posted["ts"], text="two")
    await parts.until(lambda: telemetry.counters["slack.dropped.own"] == before + 2)

    assert parts.inbox.is_empty


async def test_a_channel_message_that_is_not_for_us_is_dropped(parts: Parts) -> None:
    before = telemetry.counters["slack.dropped.unrelated"]
    await parts.sandbox.say("ana", "#general", "lunch?")
    await parts.until(
        lambda: telemetry.counters["slack.dropped.unrelated"] == before + 1
    )

    assert parts.inbox.is_empty


async def test_a_click_on_stop_arrives_with_its_turn_and_thread(parts: Parts) -> None:
    parts.inbox.running = {42}
    root = await parts.sandbox.say("ana", "#general", "hello")
    button = {
        "type": "button",
        "action_id": Action.STOP,
        "value": "42",
        "text": {"type": "plain_text", "text": "Stop"},
    }
    posted = await parts.client.chat_postMessage(
        channel=parts.sandbox.channel_id("#general"),
        thread_ts=root,
        text="On it",
        blocks=[{"type": "actions", "elements": [button]}],
    )
    status = await parts.sandbox.click("ben", "#general", posted["ts"], Action.STOP)

    assert status == 200
    assert parts.inbox.stops == [(42, parts.sandbox.people["ben"].user_id)]


async def test_a_thread_that_the_bot_is_called_into_can_be_read(parts: Parts) -> None:
    root = await parts.sandbox.say("ana", "#general", "it is cold & dark")
    await parts.sandbox.say("ben", "#general", "<not> here", thread_ts=root)
    await parts.sandbox.say("ana", "#general", "@threadline and @Ben?", thread_ts=root)
    await parts.until(lambda: bool(parts.inbox.messages))
    people = People(parts.client)
    context = ThreadContext(parts.client, parts.introduction.bot, people)

    gathered = await context.gather(first_turn_over(parts.inbox.messages[0]))

    await people.close()
    assert [(item.item["author"], item.item["text"]) for item in gathered.items] == [
        ("Ana", "it is cold & dark"),
        ("Ben", "<not> here"),
        ("Ana", "and @Ben?"),
    ]


async def test_reactions_and_opened_pages_are_acknowledged(parts: Parts) -> None:
    before = telemetry.counters["slack.event.reaction_added"]
    ts = await parts.sandbox.say("ana", "#general", "lunch?")
    await parts.sandbox.react("ben", "#general", ts, "eyes")
    await parts.until(
        lambda: telemetry.counters["slack.event.reaction_added"] == before + 1
    )


async def test_an_unknown_command_is_acknowledged(parts: Parts) -> None:
    status = await parts.sandbox.command("Ana", "#general", "/assistant", "payload")

    assert status == 200


async def test_what_could_not_be_stored_comes_again(parts: Parts) -> None:
    parts.inbox.failure = ValueError("not now")
    before = telemetry.counters["slack.not_acknowledged"]
    await parts.sandbox.say("ana", "dm:ana", "hello")
    await parts.until(lambda: telemetry.counters["slack.not_acknowledged"] > before)
    parts.inbox.failure = None

    await parts.until(lambda: bool(parts.inbox.messages))
    assert parts.inbox.messages[0].text == "hello"
