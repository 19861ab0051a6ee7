"""Our own post, looked for by its key where Slack lets it be read page by page."""

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from app.domain import SlackThread
from app.errors import RateLimited, SlackUnavailable
from app.sandbox.server import Sandbox
from app.slack.blocks import TextLook, text_payload
from app.slack.outbound import Outbound
from tests.contracts.sandbox_stage import GENERAL, Clock

READ = "conversations.replies"


async def a_busy_thread(
    sandbox: Sandbox, outbound: Outbound, *, before: int
) -> tuple[SlackThread, str]:
    """A thread with so many messages before ours, whose ts is returned, too."""
    sandbox.limit("*", enabled=False)
    root = await sandbox.say("ana", "#general", "hello")
    for number in range(before):
        await sandbox.say("ben", "#general", f"line {number}", thread_ts=root)
    team_id = sandbox.core.workspace.identity.team_id
    thread = SlackThread(team_id=team_id, channel_id=GENERAL, thread_ts=root)
    look = TextLook(body="Text.", preview="Text.", post_key="key1", line="done")
    return thread, await outbound.post(thread, text_payload(look), may_send=_yes)


async def broken_off(
    sandbox: Sandbox, outbound: Outbound, clock: Clock, key: str
) -> tuple[SlackThread, str]:
    """A thread in which the first of two pages was looked through for this key."""
    thread, ts = await a_busy_thread(sandbox, outbound, before=20)
    sandbox.limit(READ, per_minute=1, burst=1)
    with pytest.raises(RateLimited):
        await outbound.find(thread, key)
    clock.now += 60
    return thread, ts


def _yes() -> bool:
    return True


async def test_an_app_that_may_read_once_a_minute_finds_it_page_by_page(
    sandbox: Sandbox, slack: AsyncWebClient, clock: Clock
) -> None:
    outbound = Outbound(slack)
    thread, ts = await a_busy_thread(sandbox, outbound, before=40)
    sandbox.limit(READ, per_minute=1, burst=1)
    found, waited = None, 0.0
    while found is None:
        try:
            found = await outbound.find(thread, "key1")
        except RateLimited as limited:
            assert waited < 300
            waited += limited.retry_after
            clock.now += limited.retry_after
    assert found == ts
    read = [call for call in sandbox.calls(READ) if call.status == 200]
    assert len(read) == 3


async def test_a_search_that_has_ended_is_begun_anew(
    sandbox: Sandbox, slack: AsyncWebClient, clock: Clock
) -> None:
    outbound = Outbound(slack)
    thread, ts = await broken_off(sandbox, outbound, clock, "key2")
    assert await outbound.find(thread, "key2") is None
    sandbox.limit(READ, enabled=False)
    assert await outbound.find(thread, "key1") == ts
    assert await outbound.find(thread, "key1") == ts


async def test_where_slack_forgets_how_far_it_was_it_is_begun_anew(
    sandbox: Sandbox, slack: AsyncWebClient, clock: Clock
) -> None:
    outbound = Outbound(slack)
    thread, ts = await broken_off(sandbox, outbound, clock, "key1")
    sandbox.fault(READ, "error", value="invalid_cursor")
    with pytest.raises(SlackUnavailable):
        await outbound.find(thread, "key1")
    sandbox.limit(READ, enabled=False)
    assert await outbound.find(thread, "key1") == ts
    assert not sandbox.calls(READ)[-1].arguments.get("cursor")
