"""Who is not answered, unless the operator allows it."""

import pytest

from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import (
    World,
    in_every_setting,
    in_one_setting,
    in_the_other_setting,
)

HELLO = "@threadline say exactly: hello"
FOR_GUESTS = (
    "I can only answer full members of this workspace. "
    "Please ask one of them to put your question to me."
)


@in_every_setting
async def test_a_guest_is_told_alone_and_once_why_there_is_no_answer(
    world: World,
) -> None:
    world.sandbox.change_person("ben", is_restricted=True)
    refused = await world.ask(HELLO, user="ben")
    answered = await world.ask(HELLO)

    await world.answered(answered)
    await world.until(lambda: world.told("ben"))
    await world.acknowledged(refused, times=2)
    assert world.told("ben") == [FOR_GUESTS]
    assert world.said(refused) == []
    assert len(world.sandbox.model.requests) == 1


async def test_a_guest_who_is_known_by_now_is_told_for_each_message(
    world: World,
) -> None:
    world.sandbox.change_person("ben", is_ultra_restricted=True)
    await world.ask(HELLO, user="ben")
    await world.until(lambda: world.told("ben"))
    again = await world.ask(HELLO, user="ben")

    await world.until(lambda: len(world.told("ben")) == 2)
    assert world.said(again) == []


@pytest.mark.parametrize("who", ["stranger", "other organisation"])
async def test_people_of_other_organisations_are_told_why_there_is_no_answer(
    who: str, world: World
) -> None:
    fields = {"is_stranger": True} if who == "stranger" else {"team_id": "T0OTHER001"}
    world.sandbox.change_person("ben", **fields)
    refused = await world.ask(HELLO, user="ben")
    answered = await world.ask(HELLO)

    await world.answered(answered)
    await world.until(lambda: world.told("ben"))
    assert world.told("ben")[0].startswith(
        "I can only answer people of the organisation that runs me."
    )
    assert world.said(refused) == []
    assert len(world.sandbox.model.requests) == 1


async def test_what_somebody_says_who_is_not_answered_is_not_passed_on_as_a_question(
    world: World,
) -> None:
    world.sandbox.change_person("ben", is_restricted=True)
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.ask("@threadline set the kitchen to 30", user="ben", thread_ts=root)
    await world.until(lambda: world.told("ben"))
    await world.ask("@threadline say exactly: again", thread_ts=root)

    assert await world.answered(root, times=2) == "again"
    assert not any("kitchen" in said for said in world.heard)


async def test_a_thread_where_nobody_was_answered_is_not_listened_to(
    world: World,
) -> None:
    world.sandbox.change_person("ben", is_restricted=True)
    root = await world.ask(HELLO, user="ben")
    await world.until(lambda: world.told("ben"))
    await world.remark("say exactly: not asked", thread_ts=root)
    await world.ask(HELLO, thread_ts=root)

    assert await world.answered(root) == "hello"
    await world.ask("say exactly: alone with it", thread_ts=root)
    assert await world.answered(root, times=2) == "alone with it"


@in_one_setting
async def test_guests_are_answered_where_they_are_allowed(new_world: NewWorld) -> None:
    world = await new_world({"ALLOW_GUESTS": "true"})
    world.sandbox.change_person("ben", is_restricted=True)
    root = await world.ask(HELLO, user="ben")

    assert await world.answered(root) == "hello"


@in_the_other_setting
async def test_outsiders_are_answered_where_they_are_allowed(
    new_world: NewWorld,
) -> None:
    world = await new_world({"ALLOW_EXTERNAL": "true"})
    world.sandbox.change_person("ben", is_stranger=True, team_id="T0OTHER001")
    root = await world.ask(HELLO, user="ben")

    assert await world.answered(root) == "hello"


async def test_another_bot_is_neither_answered_nor_told_anything(world: World) -> None:
    ignored = await world.ask(HELLO, user="buildbot")
    root = await world.ask(HELLO)

    await world.answered(root)
    await world.acknowledged(ignored, times=2)
    assert world.said(ignored) == []
    assert world.told("buildbot") == []


async def test_what_another_bot_says_does_not_end_a_talk_with_one_person(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.remark("the build is green", user="buildbot", thread_ts=root)
    await world.ask("say exactly: still here", thread_ts=root)

    assert await world.answered(root, times=2) == "still here"


@in_one_setting
@pytest.mark.parametrize("bot_id", ["B0BUILD001", "U0BUILD001"])
async def test_an_allowed_bot_is_answered_when_it_mentions_us(
    bot_id: str, new_world: NewWorld
) -> None:
    world = await new_world({"ALLOWED_BOTS": bot_id})
    root = await world.ask(HELLO, user="buildbot")

    assert await world.answered(root) == "hello"


async def test_two_bots_do_not_talk_to_each_other_for_ever(
    new_world: NewWorld,
) -> None:
    world = await new_world({"ALLOWED_BOTS": "U0BUILD001"})
    root = await world.ask("@threadline follow")
    await world.answered(root)
    await world.remark("say exactly: me", user="buildbot", thread_ts=root)
    await world.ask("say exactly: for Ana", thread_ts=root)

    assert await world.answered(root, times=2) == "for Ana"
    assert len(world.sandbox.model.requests) == 1


async def test_who_asks_too_often_within_the_hour_is_told_to_wait(
    new_world: NewWorld,
) -> None:
    world = await new_world({"TURNS_PER_PERSON_PER_HOUR": "2"})
    first = await world.ask(HELLO)
    await world.answered(first)
    second = await world.ask("say exactly: two", thread_ts=first)
    await world.answered(first, times=2)
    refused = await world.ask(HELLO)
    await world.until(lambda: world.told("ana"))
    by_ben = await world.ask(HELLO, user="ben")

    assert second == first
    assert await world.answered(by_ben) == "hello"
    assert world.told("ana") == [
        "That was a lot of questions for one hour. Please ask me again a bit later."
    ]
    assert world.said(refused) == []


@in_the_other_setting
async def test_without_a_limit_nobody_is_told_to_wait(new_world: NewWorld) -> None:
    world = await new_world({"TURNS_PER_PERSON_PER_HOUR": "0"})
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    assert world.told("ana") == []
