"""The buttons under an answer that ended without one: Retry and Continue."""

import asyncio

from tests.scenarios.shown import rooms_changed, with_postgres, with_sqlite
from tests.scenarios.world import (
    World,
    cards_of,
    in_every_setting,
    is_finished,
    line_of,
    text_of,
)

RETRY, CONTINUE, STOP = "threadline_retry", "threadline_continue", "threadline_stop"
GENERAL = "#general"
SENTENCE = "the kitchen is at 22 degrees today"
HELLO = f"@threadline say exactly: {SENTENCE}"
STORY = "@threadline tell me a long story"


async def failed(world: World, words: str = HELLO) -> str:
    """Let an answer fail; return its thread."""
    world.sandbox.model.fault("cut")
    root = await world.ask(words)
    await world.answered(root)
    return root


async def click(world: World, root: str, action: str, user: str = "ana") -> None:
    offered = await world.until(
        lambda: [each for each in world.said(root) if action in each.buttons]
    )
    assert await world.sandbox.click(user, GENERAL, offered[0].ts, action) == 200


async def completed(world: World, root: str) -> str:
    """Wait until the newest answer is whole; return its text."""
    await world.until(lambda: line_of(world.said(root)[-1]).startswith("completed · "))
    return text_of(world.said(root)[-1])


@in_every_setting
async def test_retry_answers_after_all_in_the_same_message(world: World) -> None:
    root = await failed(world)
    (before,) = world.said(root)

    await click(world, root, RETRY, "ben")

    assert await completed(world, root) == SENTENCE
    (after,) = world.said(root)
    assert after.ts == before.ts
    assert after.buttons == {}


@with_sqlite
async def test_the_text_so_far_stays_until_the_new_one_is_as_long(
    world: World,
) -> None:
    world.sandbox.model.rate = 150
    root = await world.ask(STORY)
    await world.until(lambda: any(len(text_of(m)) > 60 for m in world.said(root)))
    await click(world, root, STOP)
    stopped = await world.answered(root)
    edits = len(world.sandbox.calls("chat.update"))

    await click(world, root, RETRY)

    text = await completed(world, root)
    shown = [
        len(block["text"])
        for call in world.sandbox.calls("chat.update")[edits:]
        for block in call.arguments["blocks"]
        if block["type"] == "markdown"
    ]
    assert min(shown) >= len(stopped)
    assert text.endswith("The end.")
    assert len(world.said(root)) == 1


@with_postgres
async def test_two_clicks_on_retry_are_one(world: World) -> None:
    root = await failed(world)

    await asyncio.gather(
        click(world, root, RETRY, "ana"), click(world, root, RETRY, "ben")
    )

    assert await completed(world, root) == SENTENCE
    assert len(world.sandbox.model.requests) == 2
    assert world.told("ana") == world.told("ben") == []


@with_sqlite
async def test_an_old_retry_says_kindly_that_the_thread_has_moved_on(
    world: World,
) -> None:
    root = await failed(world)
    await world.ask("say exactly: newer", thread_ts=root)
    await world.answered(root, times=2)

    await click(world, root, RETRY, "ben")

    (told,) = await world.until(lambda: world.told("ben"))
    assert told.endswith("in a new message.") or "busy" in told
    assert len(world.sandbox.model.requests) == 2


@with_postgres
async def test_retry_while_something_newer_is_answered_is_put_off(
    world: World,
) -> None:
    root = await failed(world)
    world.sandbox.model.first_token_delay = 30
    await world.ask("say exactly: newer", thread_ts=root)
    await world.until(lambda: len(world.sandbox.model.requests) == 2)

    await click(world, root, RETRY)

    (told,) = await world.until(lambda: world.told("ana"))
    assert "busy" in told


@with_postgres
async def test_retry_does_not_repeat_what_the_tools_have_done(world: World) -> None:
    world.sandbox.model.fault("slow_first_token", value=0)
    world.sandbox.model.fault("cut")
    root = await world.ask("@threadline set the kitchen to 24")
    await world.answered(root)

    await click(world, root, RETRY)

    await completed(world, root)
    assert [change[0] for change in await rooms_changed(world)] == ["kitchen"]
    assert [len(cards_of(each)) for each in world.said(root)] == [1, 0]


@in_every_setting
async def test_continue_goes_on_in_a_message_of_its_own(world: World) -> None:
    world.sandbox.model.fault("incomplete", value=40)
    root = await world.ask(STORY)
    await world.answered(root)

    await click(world, root, CONTINUE, "ben")

    await world.until(
        lambda: len(world.said(root)) > 1 and is_finished(world.said(root)[-1])
    )
    assert world.heard[-1] == "Ben: continue"
    assert text_of(world.said(root)[-1]).endswith("The end.")
    assert line_of(world.said(root)[0]) == "incomplete · cut at the length limit"
    assert line_of(world.said(root)[-1]).startswith("completed · ")
