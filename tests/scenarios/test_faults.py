"""Slack answers late, wrongly or not at all: people see one answer, and all of it."""

import pytest

from app.sandbox.faults import FaultValue
from app.sandbox.model.stories import SHORT, story
from tests.scenarios.shown import POST, STATUS, UPDATE, with_postgres, with_sqlite
from tests.scenarios.world import (
    World,
    cards_of,
    in_every_setting,
    is_finished,
    text_of,
)

LOOK_UP = "conversations.replies"
HELLO = "@threadline say exactly: hello"
STORY = "@threadline tell me a story"


@in_every_setting
async def test_a_post_whose_answer_was_lost_is_not_made_again(world: World) -> None:
    world.sandbox.fault(POST, "drop_after")
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    assert len(world.said(root)) == 1
    assert len(world.sandbox.calls(POST)) == 1


@with_sqlite
async def test_a_lost_post_is_found_in_a_thread_of_many_messages(
    world: World,
) -> None:
    root = await world.ask("so it begins")
    for number in range(120):
        await world.sandbox.say("ben", "#general", f"{number}", thread_ts=root)
    await world.sandbox.settle()
    world.sandbox.fault(POST, "drop_after")
    await world.ask(HELLO, thread_ts=root)

    assert await world.answered(root) == "hello"
    assert len(world.sandbox.calls(POST)) == 1


@with_postgres
async def test_a_post_that_nobody_can_look_for_is_said_to_be_missing_and_retried(
    world: World,
) -> None:
    world.sandbox.fault(POST, "drop_after")
    world.sandbox.fault(LOOK_UP, "error", count=None, value="missing_scope")
    root = await world.ask(HELLO)
    await world.until(lambda: [m for m in world.said(root) if "missing" in m.text])
    answer, note = world.said(root)
    ana = world.sandbox.people["ana"].user_id
    assert note.text.startswith(f"<@{ana}> My answer may be missing here")
    assert text_of(answer) == "hello"
    await world.sandbox.settle()
    await world.sandbox.click("ana", "#general", note.ts, "threadline_retry")

    await world.until(lambda: len(world.said(root)) == 3)
    assert await world.answered(root) == "hello"
    assert len([m for m in world.said(root) if "missing" in m.text]) == 1


@with_sqlite
async def test_a_card_whose_answer_was_lost_is_not_made_again(world: World) -> None:
    world.sandbox.fault(POST, "drop_after")
    root = await world.ask("@threadline set the kitchen to 24")

    await world.answered(root)
    cards = [each for each in world.said(root) if cards_of(each)]
    assert len(cards) == 1
    assert len(cards_of(cards[0])) == 1


@pytest.mark.parametrize(
    ("setting", "kind", "value"),
    [
        ("socket mode, sqlite", "drop_before", None),
        ("socket mode, sqlite", "status", 503),
        ("http, postgres", "drop_after", None),
    ],
    indirect=["setting"],
)
async def test_an_edit_that_slack_did_not_take_or_confirm_is_made_again(
    world: World, kind: str, value: FaultValue
) -> None:
    world.sandbox.model.rate = 400
    world.sandbox.fault(UPDATE, kind, count=1, value=value)
    root = await world.ask(STORY)

    assert await world.answered(root) == story(SHORT)
    assert len(world.said(root)) == 1


@with_postgres
@pytest.mark.parametrize(
    ("kind", "value"),
    [("drop_before", None), ("status", 503), ("error", "fatal_error")],
)
async def test_a_post_that_slack_did_not_take_is_made_once(
    world: World, kind: str, value: FaultValue
) -> None:
    world.sandbox.fault(POST, kind, count=1, value=value)
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    assert len(world.said(root)) == 1


@with_sqlite
async def test_calls_that_take_their_time_keep_no_other_thread_waiting(
    world: World,
) -> None:
    world.sandbox.fault(POST, "delay", count=1, value=3.0)
    slow = await world.ask(HELLO)
    await world.until(lambda: world.sandbox.model.requests)
    quick = await world.ask(HELLO, user="ben", channel="dm:ben")

    assert await world.answered(quick, "dm:ben") == "hello"
    assert not [each for each in world.said(slow) if is_finished(each)]
    assert await world.answered(slow) == "hello"


@with_postgres
async def test_a_status_that_slack_does_not_take_costs_no_answer(world: World) -> None:
    world.sandbox.fault(STATUS, "status", count=None, value=500)
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    assert len(world.said(root)) == 1
