"""What Slack's HTTP deliveries do, over a real socket."""

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.errors import DatabaseUnavailable
from app.slack.bolt import build_bolt
from app.slack.http import MAX_BODY, PATH, add_slack_routes
from app.slack.verify import signature
from tests.contracts.intake_double import (
    InboxDouble,
    Told,
    clicks_around,
    intake_around,
)
from tests.unit.slack.inward.recorded import (
    ANA,
    BOT,
    all_recorded,
    event,
    recorded,
)

SECRET = "signing-secret"
TEXT = "set the kitchen to 23"

FROM_ANOTHER_TEAM = {**recorded("app_mention"), "authorizations": [], "team_id": "T2"}
CLICKED_IN_ANOTHER_TEAM = {**recorded("block_actions_stop"), "team": {"id": "T2"}}


@dataclass
class Slack:
    """Delivers to our server as Slack would, or nearly."""

    server: BaseTestServer
    session: aiohttp.ClientSession
    inbox: InboxDouble
    told: Told

    async def deliver(self, payload: dict[str, Any], **headers: str) -> int:
        return (await self.ask(encoded(payload), **headers))[0]

    async def ask(self, body: bytes, **headers: str) -> tuple[int, str]:
        timestamp = str(int(time.time()))
        signed = {
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(timestamp, body, SECRET),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return await self.send(body, signed)

    async def send(
        self, body: bytes | AsyncGenerator[bytes], headers: dict[str, str]
    ) -> tuple[int, str]:
        url = self.server.make_url(PATH)
        async with self.session.post(url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()


def encoded(payload: dict[str, Any]) -> bytes:
    """As Slack sends it: events as JSON, clicks and commands as forms."""
    if "event" in payload or payload.get("type") == "url_verification":
        return json.dumps(payload).encode()
    if "type" in payload:
        return urlencode({"payload": json.dumps(payload)}).encode()
    return urlencode(payload).encode()


@pytest.fixture
async def slack() -> AsyncGenerator[Slack]:
    inbox = InboxDouble()
    client = AsyncWebClient(token="xoxb-test", base_url="http://127.0.0.1:9/api/")
    intake, told = intake_around(inbox, client)
    app = web.Application()
    add_slack_routes(
        app, build_bolt(client, BOT, intake, clicks_around(intake)), SECRET
    )
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield Slack(server, session, inbox, told)
    await intake.close()


async def test_a_signed_mention_is_stored_and_acknowledged(slack: Slack) -> None:
    status = await slack.deliver(recorded("app_mention"))

    assert status == 200
    assert [message.text for message in slack.inbox.messages] == [TEXT]


async def test_the_acknowledgement_waits_for_the_commit(slack: Slack) -> None:
    slack.inbox.is_open.clear()
    delivery = asyncio.create_task(slack.deliver(recorded("app_mention")))
    done, _ = await asyncio.wait({delivery}, timeout=0.2)

    assert not done
    slack.inbox.is_open.set()
    assert await delivery == 200


async def test_what_could_not_be_stored_is_not_acknowledged_and_stored_next_time(
    slack: Slack,
) -> None:
    slack.inbox.failure = DatabaseUnavailable("down")
    refused = await slack.deliver(recorded("app_mention"))
    slack.inbox.failure = None
    taken = await slack.deliver(recorded("app_mention"), X_Slack_Retry_Num="1")

    assert (refused, taken) == (500, 200)
    assert len(slack.inbox.messages) == 1


async def test_slacks_question_for_the_address_is_answered(slack: Slack) -> None:
    payload = recorded("url_verification")

    status, answer = await slack.ask(encoded(payload))

    assert status == 200
    assert json.loads(answer) == {"challenge": payload["challenge"]}


@pytest.mark.parametrize(("name", "payload"), all_recorded().items())
async def test_everything_that_slack_sends_is_acknowledged(
    name: str, payload: dict[str, Any], slack: Slack
) -> None:
    assert await slack.deliver(payload) == 200


@pytest.mark.parametrize(
    ("payload", "counter"),
    [
        (recorded("app_home_opened"), "slack.event.app_home_opened"),
        (recorded("team_join"), "slack.event.unknown"),
        (recorded("block_actions_unknown"), "slack.action.unknown"),
        (recorded("interactive_message"), "slack.action.unknown"),
        (recorded("slash_command"), "slack.command.unknown"),
        (recorded("shortcut_global"), "slack.shortcut.unknown"),
        (recorded("shortcut_message"), "slack.shortcut.unknown"),
        (recorded("view_submission"), "slack.view_submission.unknown"),
        (recorded("view_closed"), "slack.view_closed.unknown"),
        (recorded("block_suggestion"), "slack.options.unknown"),
        (recorded("message_channel_unrelated"), "slack.dropped.unrelated"),
        ({"type": "event_callback", "event": None}, "slack.nonsense"),
        ({"type": "event_callback", "event": "x"}, "slack.nonsense"),
        ({"type": "unheard_of"}, "slack.nonsense"),
        (FROM_ANOTHER_TEAM, "slack.other_team"),
        (CLICKED_IN_ANOTHER_TEAM, "slack.other_team"),
    ],
)
async def test_what_nobody_has_a_use_for_is_acknowledged_and_counted(
    payload: dict[str, Any], counter: str, slack: Slack
) -> None:
    before = telemetry.counters[counter]

    assert await slack.deliver(payload) == 200
    assert telemetry.counters[counter] == before + 1
    assert slack.inbox.is_empty


async def test_a_stop_click_reaches_its_turn(slack: Slack) -> None:
    slack.inbox.running = slack.told.here = {42}

    assert await slack.deliver(recorded("block_actions_stop")) == 200
    assert slack.inbox.stops == [(42, ANA)]
    assert [stop.turn_id for stop in slack.told.stopped] == [42]


async def test_an_unknown_command_says_what_to_do_instead(slack: Slack) -> None:
    _, answer = await slack.ask(encoded(recorded("slash_command")))

    assert "Mention me" in answer


BODY = json.dumps(recorded("app_mention")).encode()
NOW = str(int(time.time()))
SIGNED = {
    "X-Slack-Request-Timestamp": NOW,
    "X-Slack-Signature": signature(NOW, BODY, SECRET),
}
OLD = str(int(time.time()) - 3600)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({**SIGNED, "X-Slack-Signature": "v0=" + "0" * 64}, 401),
        ({**SIGNED, "X-Slack-Signature": "v0=é"}, 401),
        ({**SIGNED, "X-Slack-Request-Timestamp": "now"}, 401),
        ({**SIGNED, "X-Slack-Request-Timestamp": "9" * 5000}, 401),
        (
            {
                "X-Slack-Request-Timestamp": OLD,
                "X-Slack-Signature": signature(OLD, BODY, SECRET),
            },
            401,
        ),
        ({**SIGNED, "Content-Encoding": "gzip"}, 400),
        ({**SIGNED, "Content-Encoding": "deflate"}, 400),
    ],
)
async def test_a_request_that_slack_did_not_sign_like_this_leaves_nothing(
    headers: dict[str, str], status: int, slack: Slack
) -> None:
    assert (await slack.send(BODY, headers))[0] == status
    assert slack.inbox.is_empty


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"1",
        b"{",
        b"payload=%7B",
        b"payload=1",
        b"hello=world",
        b"\xff",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 200 + b"]" * 200 + b"}",
    ],
)
async def test_a_signed_body_that_is_none_of_slacks_forms_is_refused(
    body: bytes, slack: Slack
) -> None:
    assert (await slack.ask(body))[0] == 400


async def test_a_body_that_is_too_large_is_refused_before_it_arrives(
    slack: Slack,
) -> None:
    headers = {**SIGNED, "Host": "x", "Content-Length": str(MAX_BODY + 1)}
    lines = [f"POST {PATH} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    reader, writer = await asyncio.open_connection("127.0.0.1", slack.server.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())

    async with asyncio.timeout(5):
        status = await reader.readline()

    writer.close()
    assert status.split()[1] == b"413"


async def test_a_body_that_does_not_say_its_size_is_cut_off_at_the_limit(
    slack: Slack,
) -> None:
    arrived = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal arrived
        while arrived < 64 * MAX_BODY:
            arrived += 65_536
            yield b"x" * 65_536

    told = await _status_or_hang_up(slack, endless(), SIGNED)

    assert told in (413, None)
    assert arrived < 64 * MAX_BODY


async def _status_or_hang_up(
    slack: Slack, body: AsyncGenerator[bytes], headers: dict[str, str]
) -> int | None:
    try:
        status, _ = await slack.send(body, headers)
    except aiohttp.ClientError:
        # The server has hung up while we were still sending.
        return None
    return status


async def test_a_large_body_within_the_limit_is_taken(slack: Slack) -> None:
    payload = event("message_im", text="x" * (MAX_BODY // 2))

    assert await slack.deliver(payload) == 200
    assert len(slack.inbox.messages[0].text) == 40_000


async def test_only_posts_are_taken(slack: Slack) -> None:
    async with slack.session.get(slack.server.make_url(PATH)) as answer:
        assert answer.status == 405


async def test_hundreds_of_tampered_requests_leave_nothing_and_break_nothing(
    slack: Slack,
) -> None:
    dice = random.Random(3)  # noqa: S311 - the same faults each time
    statuses = set()
    for _ in range(300):
        headers, body = dict(SIGNED), bytearray(BODY)
        if dice.random() < 0.5:
            body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
        else:
            name = dice.choice(sorted(headers))
            at = dice.randrange(len(headers[name]))
            letter = chr(dice.randrange(33, 127))
            headers[name] = headers[name][:at] + letter + headers[name][at + 1 :]
        if headers != SIGNED or bytes(body) != BODY:
            statuses.add((await slack.send(bytes(body), headers))[0])

    assert statuses == {401}
    assert slack.inbox.is_empty


async def test_no_log_at_any_level_quotes_a_message(
    slack: Slack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    slack.inbox.failure = ValueError(f"could not insert {TEXT!r}")
    await slack.deliver(recorded("app_mention"))
    slack.inbox.failure = None
    for payload in all_recorded().values():
        await slack.deliver(payload)
    await slack.send(BODY, {})

    assert "kitchen" not in caplog.text
    assert "event not acknowledged" in caplog.text
