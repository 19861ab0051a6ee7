"""Where somebody is answered: channels, direct messages, group messages."""

from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import World, in_every_setting, line_of

HELLO = "@threadline say exactly: hello"


@in_every_setting
async def test_a_mention_in_a_channel_is_answered_once_in_its_thread(
    world: World,
) -> None:
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    assert [message.thread_ts for message in world.said(root)] == [root]
    assert line_of(world.said(root)[0]).startswith("completed · ")
    assert len(world.sandbox.model.requests) == 1


@in_every_setting
async def test_a_direct_message_is_answered_without_a_mention(world: World) -> None:
    root = await world.ask("say exactly: hello", channel="dm:ana")

    assert await world.answered(root, "dm:ana") == "hello"


async def test_each_direct_message_on_the_top_level_opens_a_thread_of_its_own(
    world: World,
) -> None:
    first = await world.ask("say exactly: one", channel="dm:ana")
    second = await world.ask("say exactly: two", channel="dm:ana")

    assert await world.answered(first, "dm:ana") == "one"
    assert await world.answered(second, "dm:ana") == "two"
    assert all(
        sum(item.get("role") == "user" for item in request.body["input"]) == 1
        for request in world.sandbox.model.requests
        if isinstance(request.body, dict)
    )


async def test_a_thread_of_a_direct_message_remembers_what_was_said(
    world: World,
) -> None:
    root = await world.ask("say exactly: one", channel="dm:ana")
    await world.answered(root, "dm:ana")
    await world.ask("what did I say?", channel="dm:ana", thread_ts=root)

    answer = await world.answered(root, "dm:ana", times=2)
    assert "say exactly: one" in answer


async def test_in_a_group_message_it_answers_only_when_mentioned(world: World) -> None:
    quiet = await world.ask("say exactly: nobody asked", channel="mpdm")
    root = await world.ask(HELLO, channel="mpdm")

    assert await world.answered(root, "mpdm") == "hello"
    await world.acknowledged(quiet)
    assert world.said(quiet, "mpdm") == []
    assert len(world.sandbox.model.requests) == 1


async def test_in_a_private_channel_it_answers_when_mentioned(world: World) -> None:
    root = await world.ask(HELLO, channel="#home-team")

    assert await world.answered(root, "#home-team") == "hello"


async def test_a_channel_message_without_a_mention_is_not_answered(
    world: World,
) -> None:
    quiet = await world.ask("say exactly: nobody asked")
    root = await world.ask(HELLO)

    await world.answered(root)
    await world.acknowledged(quiet)
    assert world.said(quiet) == []
    assert len(world.sandbox.model.requests) == 1


async def test_a_mention_counts_wherever_it_stands_in_the_message(
    world: World,
) -> None:
    root = await world.ask("who am I, @threadline?")

    assert await world.answered(root) == "You are Ana."


async def test_only_allowed_channels_are_answered_but_direct_messages_always(
    new_world: NewWorld,
) -> None:
    world = await new_world({"ALLOWED_CHANNELS": "C0PRIVATE1"})
    elsewhere = await world.ask("@threadline say exactly: not here")
    inside = await world.ask(HELLO, channel="#home-team")
    directly = await world.ask(HELLO, channel="dm:ben", user="ben")

    assert await world.answered(inside, "#home-team") == "hello"
    assert await world.answered(directly, "dm:ben") == "hello"
    await world.acknowledged(elsewhere, times=2)
    assert world.said(elsewhere) == []
    assert len(world.sandbox.model.requests) == 2
