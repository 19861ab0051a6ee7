"""Slack answers late, wrongly or not at all: people see one answer, and all of it."""

import pytest

from app.sandbox.faults import FaultValue
from app.sandbox.model.stories import SHORT, story
from tests.scenarios.shown import POST, STATUS, UPDATE, with_postgres, with_sqlite
from tests.scenarios.world import World, cards_of, in_every_setting, is_finished

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
