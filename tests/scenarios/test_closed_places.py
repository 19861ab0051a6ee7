"""Places that Threadline can no longer write in, and edits that Slack refuses."""

import asyncio

import pytest

from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.world import (
    World,
    in_every_setting,
    in_one_setting,
    line_of,
    text_of,
)

HELLO = "@threadline say exactly: hello"


async def telling(world: World) -> str:
    """Let a story be under way, slowly; return its thread."""
    world.sandbox.model.rate = 100
    root = await world.ask("@threadline tell me a long story")
    await world.until(lambda: world.said(root))
    return root


async def ending(setting: Setting) -> tuple[str, str | None]:
    """Wait until a turn has ended; return its state and why its end is not shown."""
    look = "SELECT state, blocked_by FROM turns WHERE ended_at IS NOT NULL"
    async with asyncio.timeout(20):
        while not (ended := await database.rows(setting.database_url, look)):
            continue
    ((state, blocked_by),) = ended
    return state, blocked_by


@in_every_setting
async def test_an_answer_in_a_channel_that_it_was_removed_from_ends_and_is_kept(
    world: World, setting: Setting
) -> None:
    root = await telling(world)
    await world.sandbox.kick_bot("ana", "#general")
    world.sandbox.model.rate = 0

    assert await ending(setting) == ("done", "not_in_channel")
    assert await database.holds(setting.database_url, "The end.")
    other = await world.ask(HELLO, channel="#home-team")
    assert await world.answered(other, "#home-team") == "hello"
    assert len(world.said(root)) == 1


async def test_once_it_is_back_in_the_channel_it_goes_on_in_the_same_thread(
    world: World, setting: Setting
) -> None:
    root = await telling(world)
    await world.sandbox.kick_bot("ana", "#general")
    world.sandbox.model.rate = 0
    await ending(setting)
    await world.sandbox.invite_bot("ana", "#general")
    await world.ask("@threadline say exactly: back", thread_ts=root)

    await world.until(lambda: text_of(world.said(root)[-1]) == "back")


async def test_a_message_from_just_before_it_was_removed_ends_without_an_answer(
    world: World, setting: Setting
) -> None:
    for event in ("app_mention", "message"):
        world.sandbox.fault(f"event:{event}", "late", value=0.2)
    root = await world.ask(HELLO)
    await world.sandbox.kick_bot("ana", "#general")

    assert await ending(setting) == ("done", "not_in_channel")
    other = await world.ask(HELLO, channel="#home-team")
    assert await world.answered(other, "#home-team") == "hello"
    assert world.said(root) == []


async def test_an_answer_in_a_channel_that_was_archived_ends_and_is_kept(
    world: World, setting: Setting
) -> None:
    await telling(world)
    await world.sandbox.archive("#general")
    world.sandbox.model.rate = 0

    assert await ending(setting) == ("done", "is_archived")
    assert await database.holds(setting.database_url, "The end.")
    other = await world.ask(HELLO, channel="#home-team")
    assert await world.answered(other, "#home-team") == "hello"


@in_one_setting
async def test_an_edit_that_slack_refuses_ends_the_answer_and_touches_no_other(
    world: World, setting: Setting
) -> None:
    code = "a_word_from_the_future"
    world.sandbox.fault("chat.update", "error", value=code)
    world.sandbox.model.rate = 20
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.sandbox.calls("chat.update"))
    world.sandbox.model.rate = 0

    assert await ending(setting) == ("done", code)
    await world.ask("say exactly: next", thread_ts=root)
    await world.until(lambda: text_of(world.said(root)[-1]) == "next")
    assert "The end." in str(world.sandbox.model.requests[-1].body)


@pytest.mark.parametrize("code", ["edit_window_closed", "cant_update_message"])
async def test_where_messages_cannot_be_edited_the_rest_comes_in_a_new_one(
    code: str, world: World, setting: Setting
) -> None:
    world.sandbox.fault("chat.update", "error", count=None, value=code)
    world.sandbox.model.rate = 100
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.sandbox.calls("chat.update"))
    world.sandbox.model.rate = 0

    assert await ending(setting) == ("done", None)
    said = world.said(root)
    assert "\n\n".join(filter(None, map(text_of, said))).endswith("The end.")
    assert line_of(said[-1]).startswith("completed")
    assert len(said) <= 2


@in_one_setting
async def test_a_post_under_a_parent_that_is_gone_is_removed_and_the_answer_kept(
    world: World, setting: Setting
) -> None:
    # Without a status a message is there at once, and of the removal nothing is heard.
    world.sandbox.fault("assistant.threads.setStatus", "error", value="unknown_method")
    world.sandbox.fault("event:message", "never", count=None)
    world.sandbox.fault("chat.postMessage", "delay", value=0.5)
    root = await world.ask(HELLO)
    await world.until(lambda: world.sandbox.model.requests)
    await world.sandbox.delete("ana", "#general", root)

    assert await ending(setting) == ("done", "thread_gone")
    assert await database.holds(setting.database_url, "hello")
    assert world.sandbox.messages("#general") == []
