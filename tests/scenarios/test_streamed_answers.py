"""Answers in a DM of a workspace that wants Slack's own streams."""

import re

import pytest

from app.sandbox.journal import Call
from tests.scenarios.conftest import NewWorld
from tests.scenarios.world import World, in_one_setting, line_of

DM = "dm:ana"
START, APPEND, STOP = "chat.startStream", "chat.appendStream", "chat.stopStream"
STORY = "tell me a long story"
pytestmark = in_one_setting


@pytest.fixture
async def world(new_world: NewWorld) -> World:
    return await new_world({"NATIVE_STREAMS": "true"})


def made(world: World, method: str) -> list[Call]:
    return [call for call in world.sandbox.calls(method) if call.ok]


async def test_a_streamed_answer_is_whole_and_told_once_at_its_end(
    world: World,
) -> None:
    world.sandbox.model.rate = 400
    root = await world.ask(STORY, channel=DM)
    text = await world.answered(root, DM)
    (message,) = world.said(root, DM)
    assert text.endswith("The end.")
    assert line_of(message).startswith("completed")
    assert len(made(world, APPEND)) > 1
    assert (len(made(world, START)), len(made(world, STOP))) == (1, 1)
    assert not made(world, "chat.postMessage") + made(world, "chat.update")
    (told,) = world.sandbox.notifications("ana")
    assert told.ts == message.ts


async def test_a_card_stands_between_the_streams_around_it(world: World) -> None:
    world.sandbox.model.rate = 100
    root = await world.ask("set the kitchen to 23", channel=DM)
    await world.answered(root, DM)
    seen = [message.seen for message in world.said(root, DM)]
    assert any("Kitchen" in each and "23 °C" in each for each in seen)
    assert line_of(world.said(root, DM)[-1]).startswith("completed")
    assert made(world, START)


async def test_slacks_own_stop_ends_the_stream_and_the_answer(world: World) -> None:
    world.sandbox.model.rate = 60
    root = await world.ask(STORY, channel=DM)
    await world.until(lambda: len(made(world, APPEND)) > 1)
    await world.sandbox.stop_session("ana", DM, root)
    text = await world.answered(root, DM)
    (message,) = world.said(root, DM)
    assert re.match(r"cancelled · stopped by Ana", line_of(message))
    assert text.startswith("Once upon a time")
    assert message.streaming_state == "completed"


@pytest.mark.parametrize(
    ("method", "kind"),
    [(START, "drop_after"), (APPEND, "drop_after"), (STOP, "drop_before")],
)
async def test_an_answer_that_is_lost_on_the_way_doubles_nothing(
    world: World, method: str, kind: str
) -> None:
    world.sandbox.model.rate = 1500
    world.sandbox.fault(method, kind)
    root = await world.ask(STORY, channel=DM)
    text = await world.answered(root, DM)
    assert len(world.said(root, DM)) == 1
    assert text.count("Once upon a time") == text.count("The end.") == 1


async def test_a_workspace_without_streaming_is_asked_once(world: World) -> None:
    world.sandbox.fault(START, "error", count=None, value="unknown_method")
    for _ in range(2):
        root = await world.ask(STORY, channel=DM)
        text = await world.answered(root, DM)
        assert text.endswith("The end.")
    assert len(world.sandbox.calls(START)) == 1


async def test_elsewhere_answers_are_edited_as_ever(world: World) -> None:
    root = await world.ask("@threadline tell me a story", channel="mpdm")
    await world.answered(root, "mpdm")
    assert not world.sandbox.calls(START)
