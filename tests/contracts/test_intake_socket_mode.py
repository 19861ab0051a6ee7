"""What Slack's websocket deliveries do, over a real socket."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.errors import CredentialsRefused, DatabaseUnavailable
from app.slack.bolt import build_bolt
from app.slack.socket_line import Pace
from app.slack.socket_mode import SocketMode
from tests.contracts.intake_double import (
    InboxDouble,
    Told,
    clicks_around,
    intake_around,
)
from tests.contracts.slack_double import Answer, SlackDouble, running_slack
from tests.unit.slack.inward.recorded import ANA, BOT, recorded

APP_TOKEN = "xapp-test"
HASTE = Pace(
    retry=0.02, longest=0.05, crowded=0.05, young=0.0, seen_out=0.3, drain=2.0, grace=0
)


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
    client: AsyncWebClient, inbox: InboxDouble, pace: Pace = HASTE
) -> tuple[SocketMode, Told]:
    intake, told = intake_around(inbox, client)
    bolt = build_bolt(client, BOT, intake, clicks_around(intake))
    return SocketMode(bolt, client, APP_TOKEN, pace=pace), told


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
        await slack.until(lambda: len(slack.open) == 2)
        yield Connected(slack, inbox, told, socket_mode)
        await socket_mode.close()


async def test_an_event_is_stored_and_acknowledged(connected: Connected) -> None:
    envelope_id = await connected.slack.send(recorded("app_mention"))

    assert await connected.acknowledged() == envelope_id
    assert [message.author_id for message in connected.inbox.messages] == [ANA]


async def test_the_connection_opens_with_the_apps_own_token(
    connected: Connected,
) -> None:
    calls = connected.slack.called("apps.connections.open")

    assert [call["authorization"] for call in calls] == [f"Bearer {APP_TOKEN}"] * 2
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


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_refresh_that_slack_asks_for_opens_the_new_connection_first(
    reason: str, connected: Connected
) -> None:
    await connected.slack.ask_to_reconnect(reason)
    await connected.slack.until(lambda: len(connected.slack.open) == 3)
    crossing = await connected.slack.send(recorded("app_home_opened"), over=1)
    assert await connected.acknowledged() == crossing
    await connected.slack.open[1].close()

    envelope_id = await connected.slack.send(recorded("app_mention"))
    assert await connected.acknowledged() == envelope_id


async def test_an_old_connection_that_slack_does_not_close_is_closed_by_us(
    connected: Connected,
) -> None:
    await connected.slack.ask_to_reconnect()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 3)

    await connected.slack.until(lambda: connected.slack.sockets[1].closed)
    assert len(connected.slack.open) == 2


async def test_what_comes_while_one_connection_is_made_anew_goes_to_the_other(
    connected: Connected,
) -> None:
    connected.slack.refuse_handshakes = 1_000
    await connected.slack.open[0].close()
    await connected.slack.until(lambda: len(connected.slack.handshakes) > 3)

    clicked = await connected.slack.send(recorded("block_actions_stop"), "interactive")
    assert await connected.acknowledged() == clicked
    assert connected.socket_mode.what_is_missing is None


async def test_a_dropped_connection_is_opened_again(connected: Connected) -> None:
    for socket in connected.slack.open:
        await socket.close()
    await connected.slack.until(lambda: len(connected.slack.open) == 2)
    envelope_id = await connected.slack.send(recorded("app_mention"))

    assert await connected.acknowledged() == envelope_id


async def test_an_address_that_was_used_up_in_vain_is_replaced() -> None:
    async with running_slack() as (slack, client):
        slack.refuse_handshakes = 2
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()
        await slack.until(lambda: len(slack.open) == 2)

        assert len(slack.handshakes) == len(set(slack.handshakes)) == 4
        await socket_mode.close()


async def test_a_refresh_whose_first_handshake_fails_recovers(
    connected: Connected,
) -> None:
    connected.slack.refuse_handshakes = 1
    await connected.slack.ask_to_reconnect()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 3)

    envelope_id = await connected.slack.send(recorded("app_mention"))
    assert await connected.acknowledged() == envelope_id


async def test_a_second_connection_that_slack_refuses_leaves_the_first_serving(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = "socket_mode.refused.too_many_websockets"
    before = telemetry.counters[refused]
    async with running_slack() as (slack, client):
        slack.room = 1
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()
        await slack.until(lambda: len(slack.handshakes) > 3)
        envelope_id = await slack.send(recorded("app_mention"))
        ack = await slack.acks.get()
        missing = socket_mode.what_is_missing
        slack.room = 10
        await slack.until(lambda: len(slack.open) == 2)
        await socket_mode.close()

    assert ack["envelope_id"] == envelope_id
    assert missing is None
    assert telemetry.counters[refused] > before
    assert [line for line in caplog.records if line.name.startswith("app")] == []


async def test_with_all_connections_taken_a_refresh_waits_until_its_own_is_free(
    connected: Connected,
) -> None:
    connected.slack.room = 2
    await connected.slack.ask_to_reconnect()
    await connected.slack.until(lambda: len(connected.slack.handshakes) == 3)
    kept = await connected.slack.send(recorded("app_home_opened"))
    assert await connected.acknowledged() == kept

    await connected.slack.open[-1].close()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 3)
    assert len(connected.slack.handshakes) == 4


async def test_connections_of_one_age_are_not_replaced_together() -> None:
    async with running_slack() as (slack, client):
        slack.life = 0.4
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()
        await slack.until(lambda: len(slack.sockets) == 3)

        first, second, _ = slack.sockets
        await slack.until(lambda: second.closed)
        assert not first.closed
        await socket_mode.close()


async def test_ready_is_who_was_connected_within_the_last_half_minute() -> None:
    async with running_slack() as (slack, client):
        slack.refuse_handshakes = 1
        pace = replace(HASTE, retry=0.3, longest=0.3, grace=0.2)
        socket_mode, _ = socket_mode_of(client, InboxDouble(), pace)
        await socket_mode.start()
        told = [socket_mode.what_is_missing]
        await slack.until(lambda: len(slack.open) == 2)
        told.append(socket_mode.what_is_missing)

        slack.room = 0
        for socket in slack.open:
            await socket.close()
        await slack.until(lambda: len(slack.handshakes) > 3)
        told.append(socket_mode.what_is_missing)
        await slack.until(lambda: len(slack.handshakes) > 8)
        told.append(socket_mode.what_is_missing)
        await socket_mode.close()

    assert told == [
        "not connected to Slack",
        None,
        None,
        "not connected to Slack, all ten connections of the app are taken",
    ]


async def test_who_is_not_ready_tells_that_the_app_token_is_refused_by_now(
    connected: Connected,
) -> None:
    opening = "apps.connections.open"
    slack = connected.slack
    revoked: Answer = {"ok": False, "error": "token_revoked"}
    slack.answers[opening] = lambda _: revoked

    for socket in slack.open:
        await socket.close()
    asked = len(slack.called(opening))
    await slack.until(lambda: len(slack.called(opening)) > asked + 2)

    assert connected.socket_mode.what_is_missing == (
        "not connected to Slack, Slack refuses the app-level token (token_revoked)"
    )


async def test_the_start_does_not_wait_for_the_second_connection() -> None:
    async with running_slack() as (slack, client):
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()

        assert len(slack.sockets) == 1
        await socket_mode.close()


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
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        before = asyncio.all_tasks()
        starting = asyncio.create_task(socket_mode.start())
        await slack.until(lambda: len(slack.handshakes) > 2)
        await socket_mode.close()
        await starting

        ours = {
            task
            for task in asyncio.all_tasks() - before
            if any(name in repr(task.get_coro()) for name in ("Socket", "Line", "Link"))
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
    await connected.slack.until(lambda: len(connected.slack.sockets) == 3)
    for socket in connected.slack.open:
        await socket.close()
    await connected.slack.until(lambda: len(connected.slack.sockets) == 5)

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
        await slack.until(lambda: len(slack.sockets) == 2)
        await slack.ask_to_reconnect()
        await slack.until(lambda: len(slack.sockets) == 3)

        await socket_mode.close()


async def test_this_machine_is_reached_without_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with running_slack() as (slack, client):
        socket_mode, _ = socket_mode_of(client, InboxDouble())
        await socket_mode.start()
        await slack.ask_to_reconnect()
        await slack.until(lambda: len(slack.sockets) == 3)

        await socket_mode.close()
