"""The sandbox's Web API: tokens, scopes, arguments, and how it lives on one machine."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import (
    GENERAL,
    client,
    refusal,
)


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
    assert sandbox.bot_token not in repr(sandbox.calls())


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


async def test_a_workspace_survives_a_restart(tmp_path: Path) -> None:
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
