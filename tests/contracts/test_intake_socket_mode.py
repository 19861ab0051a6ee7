"""What Slack's websocket deliveries do, over a real socket."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.errors import CredentialsRefused, DatabaseUnavailable
from app.slack.bolt import build_bolt
from app.slack.socket_mode import SocketMode
from tests.contracts.intake_double import InboxDouble, Told, intake_around
from tests.contracts.slack_double import SlackDouble, running_slack
from tests.unit.slack.inward.recorded import ANA, BOT, recorded

APP_TOKEN = "xapp-test"


@dataclass
class Connected:
    slack: SlackDouble
    inbox: InboxDouble
    told: Told
    socket_mode: SocketMode

    async def acknowledged(self) -> str:
        async with asyncio.timeout(5):
            ack = await self.slack.acks.get()
        return str(ack["envelope_id"])


def socket_mode_of(
    client: AsyncWebClient, inbox: InboxDouble, ping_interval: float = 0.1
) -> tuple[SocketMode, Told]:
    intake, told = intake_around(inbox, client)
    bolt = build_bolt(client, BOT, intake)
    return SocketMode(bolt, client, APP_TOKEN, ping_interval=ping_interval), told


def away_at_first(slack: SlackDouble) -> None:
    def away(_: dict[str, str]) -> web.Response:
        slack.answers.clear()
        return web.Response(status=503, text="away")

    slack.answers["apps.connections.open"] = away


@pytest.fixture
async def connected() -> AsyncGenerator[Connected]:
    async with running_slack() as (slack, client):
        inbox = InboxDouble()
        socket_mode, told = socket_mode_of(client, inbox)
        await socket_mode.start()
        yield Connected(slack, inbox, told, socket_mode)
        await socket_mode.close()


async def test_an_event_is_stored_and_acknowledged(connected: Connected) -> None:
    envelope_id = await connected.slack.send(recorded("app_mention"))

    assert await connected.acknowledged() == envelope_id
    assert [message.author_id for message in connected.inbox.messages] == [ANA]


async def test_the_connection_opens_with_the_apps_own_token(
    connected: Connected,
) -> None:
    (call,) = connected.slack.called("apps.connections.open")

    assert call["authorization"] == f"Bearer {APP_TOKEN}"
    assert connected.socket_mode.is_connected


async def test_the_acknowledgement_waits_for_the_commit(connected: Connected) -> None:
    connected.inbox.is_open.clear()
    first = await connected.slack.send(recorded("app_mention"))
    second = await connected.slack.send(recorded("app_home_opened"))

    assert await connected.acknowledged() == second
    connected.inbox.is_open.set()
    assert await connected.acknowledged() == first


async def test_what_could_not_be_stored_is_not_acknowledged(
    connected: Connected,
) -> None:
    connected.inbox.failure = DatabaseUnavailable("down")
    await connected.slack.send(recorded("app_mention"))
    known = await connected.slack.send(recorded("app_home_opened"))

    assert await connected.acknowledged() == known
    connected.inbox.failure = None
    again = await connected.slack.send(recorded("app_mention"))
    assert await connected.acknowledged() == again
    assert len(connected.inbox.messages) == 1


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("block_actions_unknown", "interactive"),
        ("shortcut_global", "interactive"),
        ("view_submission", "interactive"),
        ("slash_command", "slash_commands"),
        ("team_join", "events_api"),
    ],
)
async def test_what_nobody_has_a_use_for_is_acknowledged(
    name: str, type_: str, connected: Connected
) -> None:
    envelope_id = await connected.slack.send(recorded(name), type_)

    assert await connected.acknowledged() == envelope_id


async def test_nonsense_is_acknowledged_and_counted(connected: Connected) -> None:
    before = telemetry.counters["slack.nonsense"]
    envelope_id = await connected.slack.send({"type": "event_callback", "event": "x"})

    assert await connected.acknowledged() == envelope_id
    assert telemetry.counters["slack.nonsense"] == before + 1


async def test_a_refresh_that_slack_asks_for_opens_a_new_connection(
    connected: Connected,
) -> None:
    await connected.slack.ask_to_reconnect()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 2)
    envelope_id = await connected.slack.send(recorded("app_mention"))

    assert await connected.acknowledged() == envelope_id


async def test_a_dropped_connection_is_opened_again(connected: Connected) -> None:
    await connected.slack.sockets[-1].close()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 2)
    envelope_id = await connected.slack.send(recorded("app_mention"))

    assert await connected.acknowledged() == envelope_id


async def test_an_address_that_was_used_up_in_vain_is_replaced() -> None:
    async with running_slack() as (slack, client):
        slack.refuse_handshakes = 2
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()
        await slack.until(lambda: bool(slack.sockets))

        assert len(set(slack.handshakes)) == 3
        await socket_mode.close()


async def test_a_refresh_whose_first_handshake_fails_recovers(
    connected: Connected,
) -> None:
    connected.slack.refuse_handshakes = 1
    await connected.slack.ask_to_reconnect()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 2)

    envelope_id = await connected.slack.send(recorded("app_mention"))
    assert await connected.acknowledged() == envelope_id


@pytest.mark.parametrize(
    "code", ["invalid_auth", "not_allowed_token_type", "missing_scope", "anything_else"]
)
async def test_a_refused_app_token_is_told_at_once(code: str) -> None:
    async with running_slack() as (slack, client):
        slack.answers["apps.connections.open"] = lambda _: {"ok": False, "error": code}
        socket_mode, _ = socket_mode_of(client, InboxDouble())

        with pytest.raises(CredentialsRefused) as refused:
            await socket_mode.start()

        await socket_mode.close()
        assert str(refused.value) == f"apps.connections.open: {code}"


async def test_a_slack_that_is_away_at_the_start_is_waited_for() -> None:
    async with running_slack() as (slack, client):
        away_at_first(slack)
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()

        await slack.until(lambda: bool(slack.sockets))
        await socket_mode.close()


async def test_closing_lets_what_has_arrived_be_committed_and_takes_no_more(
    connected: Connected,
) -> None:
    connected.inbox.is_open.clear()
    arrived = await connected.slack.send(recorded("app_mention"))
    home = await connected.slack.send(recorded("app_home_opened"))
    assert await connected.acknowledged() == home

    closing = asyncio.create_task(connected.socket_mode.close())
    done, _ = await asyncio.wait({closing}, timeout=0.1)
    await connected.slack.send(recorded("message_im"))
    assert not done
    connected.inbox.is_open.set()

    assert await connected.acknowledged() == arrived
    await closing
    assert not connected.socket_mode.is_connected
    assert len(connected.inbox.messages) == 1
    assert connected.slack.acks.empty()


async def test_closing_while_slack_is_away_leaves_no_task_behind() -> None:
    async with running_slack() as (slack, client):
        slack.refuse_handshakes = 1_000
        socket_mode, _ = socket_mode_of(client, InboxDouble(), ping_interval=0.05)
        before = asyncio.all_tasks()
        starting = asyncio.create_task(socket_mode.start())
        await slack.until(lambda: len(slack.handshakes) > 2)
        await socket_mode.close()
        await starting

        ours = {
            task
            for task in asyncio.all_tasks() - before
            if "SocketMode" in repr(task.get_coro())
        }
        assert ours == set()


async def test_no_log_at_any_level_quotes_a_message_a_token_or_an_address(
    connected: Connected, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    connected.inbox.failure = ValueError("could not insert 'set the kitchen to 23'")
    await connected.slack.send(recorded("app_mention"))
    connected.slack.refuse_handshakes = 1
    await connected.slack.ask_to_reconnect()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 2)

    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("app", "slack_bolt", "slack_sdk.socket_mode"))
    ]
    assert ours
    assert not [line for line in ours if "kitchen" in line or "ticket" in line]
    assert not [line for line in ours if APP_TOKEN in line]


@pytest.mark.parametrize("is_away", [False, True])
async def test_the_websocket_goes_through_the_proxy_of_the_environment(
    is_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_slack() as (slack, client):
        # Only a proxy can reach that name, and the double answers as one.
        slack.link_address = "ws://slack.test"
        monkeypatch.setenv("http_proxy", slack.address)
        if is_away:
            away_at_first(slack)
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()
        await slack.until(lambda: len(slack.sockets) == 1)
        await slack.ask_to_reconnect()
        await slack.until(lambda: len(slack.sockets) == 2)

        await socket_mode.close()


async def test_this_machine_is_reached_without_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with running_slack() as (slack, client):
        socket_mode, _ = socket_mode_of(client, InboxDouble(), ping_interval=30)
        await socket_mode.start()
        await slack.ask_to_reconnect()
        await slack.until(lambda: len(slack.sockets) == 2)

        await socket_mode.close()
