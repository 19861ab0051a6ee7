"""Slack delivers twice, late, in any order and again; each message is answered once."""

import pytest

from app.sandbox.journal import Delivery
from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.world import (
    World,
    in_every_setting,
    in_one_setting,
    line_of,
    over_sockets_alone,
)

HELLO = "@threadline say exactly: hello"
TWINS = ["app_mention", "message"]

impatient = pytest.mark.parametrize(
    "sandbox", [{"answer_within": 0.5}], indirect=True, ids=["impatient"]
)


async def nothing_more_is_said(world: World, root: str) -> None:
    """Have another message answered: whatever was to follow has followed by then."""
    other = await world.ask("say exactly: later", channel="dm:chloe", user="chloe")
    await world.answered(other, "dm:chloe")
    assert len(world.said(root)) == 1
    assert len(world.sandbox.model.requests) == 2


@pytest.mark.parametrize("late", TWINS)
async def test_whichever_event_of_a_mention_comes_first_there_is_one_answer(
    late: str, world: World
) -> None:
    world.sandbox.fault(f"event:{late}", "late", value=0.4)
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.acknowledged(root, times=2)

    await nothing_more_is_said(world, root)


@in_one_setting
@pytest.mark.parametrize("lost", TWINS)
async def test_a_mention_is_answered_when_only_one_of_its_events_comes(
    lost: str, world: World
) -> None:
    world.sandbox.fault(f"event:{lost}", "never")
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"


async def test_an_event_that_comes_twice_is_answered_once(world: World) -> None:
    for twin in TWINS:
        world.sandbox.fault(f"event:{twin}", "duplicate")
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.acknowledged(root, times=4)

    await nothing_more_is_said(world, root)


async def test_one_gesture_that_became_two_messages_is_answered_once(
    world: World,
) -> None:
    first = await world.sandbox.say(
        "ana", "dm:ana", "say exactly: one", client_msg_id="11-22-33"
    )
    await world.answered(first, "dm:ana")
    for _ in range(2):
        again = await world.sandbox.say(
            "ana",
            "dm:ana",
            "say exactly: two",
            thread_ts=first,
            client_msg_id="44-55-66",
        )
        await world.acknowledged(again)

    assert await world.answered(first, "dm:ana", times=2) == "two"
    other = await world.ask("say exactly: later", channel="dm:chloe", user="chloe")
    await world.answered(other, "dm:chloe")
    assert len(world.said(first, "dm:ana")) == 2


@in_every_setting
async def test_messages_during_an_answer_are_answered_together_afterwards(
    world: World,
) -> None:
    world.sandbox.model.rate = 20
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    await world.remark("say exactly: one", thread_ts=root)
    await world.remark("say exactly: two", thread_ts=root)
    await world.until(
        lambda: line_of(world.said(root)[-1]).endswith("2 messages waiting")
    )
    world.sandbox.model.rate = 2_000

    assert await world.answered(root, times=2) == "one\n\ntwo"
    assert len(world.sandbox.model.requests) == 2


async def test_messages_that_arrive_in_the_wrong_order_are_read_in_the_right_one(
    world: World,
) -> None:
    world.sandbox.model.rate = 20
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    world.sandbox.fault("event:message", "late", value=0.3)
    first = await world.ask("say exactly: one", thread_ts=root)
    await world.remark("say exactly: two", thread_ts=root)
    await world.until(
        lambda: line_of(world.said(root)[-1]).endswith("2 messages waiting")
    )
    world.sandbox.model.rate = 2_000

    assert await world.answered(root, times=2) == "one\n\ntwo"
    assert world.heard[-2:] == ["Ana: say exactly: one", "Ana: say exactly: two"]
    assert first == root


@impatient
@in_every_setting
async def test_what_the_database_did_not_take_comes_again_and_is_answered_once(
    world: World, setting: Setting
) -> None:
    async with database.without(setting.database_url, "inbox"):
        root = await world.ask(HELLO)
        await world.until(lambda: len(failed(world)) >= 2)
    assert await world.answered(root) == "hello"
    await world.acknowledged(root, times=2)

    await nothing_more_is_said(world, root)
    # On a busy machine Slack's patience may end before the refusal has come.
    refused = 500 if setting.over_http else 0
    assert refused in {delivery.status for delivery in failed(world)}


def failed(world: World) -> list[Delivery]:
    """The attempts to deliver that Slack saw fail."""
    return [each for each in world.sandbox.deliveries() if each.status != 200]


@pytest.mark.parametrize("setting", ["http, postgres"], indirect=True)
async def test_while_the_whole_database_is_away_slack_keeps_the_message(
    world: World, setting: Setting
) -> None:
    async with database.away(setting.database_url):
        root = await world.ask(HELLO)
        await world.until(lambda: len(failed(world)) >= 2)

    assert await world.answered(root) == "hello"
    await nothing_more_is_said(world, root)


@over_sockets_alone
async def test_messages_written_while_the_socket_is_refreshed_are_answered(
    world: World,
) -> None:
    before = await world.ask(HELLO)
    await world.sandbox.refresh_sockets()
    during = await world.ask("say exactly: during", channel="dm:ana")

    assert await world.answered(before) == "hello"
    assert await world.answered(during, "dm:ana") == "during"


@over_sockets_alone
async def test_messages_written_while_the_socket_is_cut_are_answered(
    world: World,
) -> None:
    await world.sandbox.cut_sockets()
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
