"""The sandbox's signed requests, as an app on the other side meets them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from app.sandbox.server import Sandbox

Json = dict[str, Any]


class App:
    """An app that verifies, keeps what it got and answers as it was told."""

    def __init__(self) -> None:
        self.secret = ""
        self.url = ""
        self.got: list[tuple[dict[str, str], Json]] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.is_silent = False
        self.knows_the_challenge = True

    async def handle(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        if not SignatureVerifier(self.secret).is_valid_request(raw, headers):
            return web.Response(status=401)
        body = parsed(request, raw)
        if body.get("type") == "url_verification":
            challenge = body["challenge"] if self.knows_the_challenge else "?"
            return web.json_response({"challenge": challenge})
        self.got.append((headers, body))
        if self.is_silent:
            await asyncio.Event().wait()
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.headers)

    async def redirect(self, request: web.Request) -> web.Response:
        left = int(request.match_info["left"])
        target = f"/hop/{left - 1}" if left > 1 else "/slack/events"
        raise web.HTTPTemporaryRedirect(target)


def parsed(request: web.Request, raw: bytes) -> Json:
    if request.content_type == "application/json":
        return dict(json.loads(raw))
    form = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
    return dict(json.loads(form["payload"])) if "payload" in form else form


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    running = await Sandbox.start(retry_scale=0.001, answer_within=0.4)
    yield running
    await running.close()


@pytest.fixture
async def app(sandbox: Sandbox) -> AsyncIterator[App]:
    listening = App()
    listening.secret = sandbox.signing_secret
    server = web.Application()
    server.router.add_post("/slack/events", listening.handle)
    server.router.add_post("/hop/{left}", listening.redirect)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listening.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sandbox.deliver_to(f"{listening.url}/slack/events")
    yield listening
    await runner.cleanup()


async def test_an_event_comes_signed(sandbox: Sandbox, app: App) -> None:
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(sandbox.deliveries)
    ((headers, body),) = app.got
    assert body["event"]["text"] == "hello"
    assert "x-slack-retry-num" not in headers
    assert headers["content-type"] == "application/json"


async def test_a_wrong_secret_gets_nothing(sandbox: Sandbox, app: App) -> None:
    app.secret = "another"
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    assert app.got == []
    assert {one.reason for one in sandbox.deliveries()} == {"http_error"}


async def test_an_address_that_does_not_repeat_the_challenge_gets_nothing(
    sandbox: Sandbox, app: App
) -> None:
    app.knows_the_challenge = False
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    assert app.got == []


async def test_three_retries_follow_a_failure_with_number_and_reason(
    sandbox: Sandbox, app: App
) -> None:
    app.statuses = [500, 404, 503, 500]
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    numbers = [headers.get("x-slack-retry-num") for headers, _ in app.got]
    reasons = [headers.get("x-slack-retry-reason") for headers, _ in app.got]
    assert numbers == [None, "1", "2", "3"]
    assert reasons == [None, "http_error", "http_error", "http_error"]
    assert len({body["event_id"] for _, body in app.got}) == 1


async def test_the_retries_come_at_once_after_a_minute_and_after_five(
    sandbox: Sandbox, app: App
) -> None:
    app.statuses = [500, 500, 500, 500]
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    at = [one.at for one in sandbox.deliveries()]
    assert at[2] - at[1] >= 0.06
    assert at[3] - at[2] >= 0.3


async def test_an_app_may_ask_for_no_retry(sandbox: Sandbox, app: App) -> None:
    app.statuses, app.headers = [500], {"X-Slack-No-Retry": "1"}
    await sandbox.say("ana", "#general", "first")
    await sandbox.until(sandbox.deliveries)
    await sandbox.say("ana", "#general", "second")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 2)
    assert [body["event"]["text"] for _, body in app.got] == ["first", "second"]


async def test_silence_is_a_timeout(sandbox: Sandbox, app: App) -> None:
    app.is_silent = True
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(sandbox.deliveries)
    app.is_silent = False
    await sandbox.until(lambda: sandbox.deliveries()[-1].status == 200)
    assert app.got[1][0]["x-slack-retry-reason"] == "http_timeout"


async def test_an_app_that_is_away_is_tried_again(sandbox: Sandbox, app: App) -> None:
    sandbox.deliver_to("http://127.0.0.1:9/slack/events")
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 4)
    assert {one.reason for one in sandbox.deliveries()} == {"connection_failed"}
    assert app.got == []


async def test_two_redirects_are_followed_and_three_are_not(
    sandbox: Sandbox, app: App
) -> None:
    sandbox.deliver_to(f"{app.url}/hop/2")
    await sandbox.say("ana", "#general", "near")
    await sandbox.until(sandbox.deliveries)
    assert [body["event"]["text"] for _, body in app.got] == ["near"]
    sandbox.deliver_to(f"{app.url}/hop/3")
    await sandbox.say("ana", "#general", "far")
    await sandbox.until(lambda: len(sandbox.deliveries()) == 5)
    assert sandbox.deliveries()[-1].reason == "too_many_redirects"
    assert len(app.got) == 1


async def test_a_click_comes_as_a_form_and_once(sandbox: Sandbox, app: App) -> None:
    sandbox.subscriptions.clear()
    ts = await sandbox.say("ana", "#general", "hello")
    button = {"type": "button", "action_id": "stop", "value": "7"}
    sandbox.core.buttons[sandbox.channel_id("#general"), ts] = {"stop": button}
    app.statuses = [500]
    assert await sandbox.click("ana", "#general", ts, "stop") == 500
    ((headers, body),) = app.got
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert body["type"] == "block_actions"
    assert body["actions"][0]["value"] == "7"
    assert body["trigger_id"]


async def test_a_command_and_a_shortcut_come_as_forms(
    sandbox: Sandbox, app: App
) -> None:
    sandbox.subscriptions.clear()
    ts = await sandbox.say("ana", "#general", "hello")
    assert await sandbox.command("ana", "#general", "/assistant", "help me") == 200
    assert await sandbox.shortcut("ana", "#general", ts, "ask") == 200
    (_, command), (_, shortcut) = app.got
    assert (command["command"], command["text"]) == ("/assistant", "help me")
    assert shortcut["callback_id"] == "ask"
    assert shortcut["message"]["text"] == "hello"


async def test_socket_mode_can_be_chosen_again(sandbox: Sandbox, app: App) -> None:
    sandbox.deliver_to(None)
    await sandbox.say("ana", "#general", "hello")
    await sandbox.until(sandbox.deliveries)
    assert sandbox.deliveries()[0].via == "socket"
    assert app.got == []


async def test_no_address_on_another_machine_is_taken(sandbox: Sandbox) -> None:
    for url in ("https://example.com/slack/events", "http://10.0.0.1/slack/events"):
        with pytest.raises(ValueError, match="this machine"):
            sandbox.deliver_to(url)
