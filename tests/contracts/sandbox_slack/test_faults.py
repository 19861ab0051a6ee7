"""The sandbox's limits and faults, as Slack's own client meets them."""

import asyncio

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import (
    GENERAL,
    Clock,
    markdown,
    refusal,
)


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
    sandbox.fault("chat.postMessage", "delay", value=0.2)
    posting = asyncio.ensure_future(slack.chat_postMessage(channel=GENERAL, text="a"))
    await slack.auth_test()
    assert sandbox.messages("#general") == []
    await posting
    assert len(sandbox.messages("#general")) == 1


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
