"""The Stop button: whose it is, what it ends, and what stays."""

import re

from tests.scenarios.shown import (
    STATUS,
    rooms_changed,
    rooms_locked,
    with_postgres,
    with_sqlite,
)
from tests.scenarios.world import World, is_finished, line_of, text_of

STOP = "threadline_stop"
STORY = "@threadline tell me a very long story"
FINISHED = "This answer is already finished, so there is nothing left to stop."


async def telling(world: World) -> str:
    """Let a story be under way, slowly; return its thread."""
    world.sandbox.model.rate = 60
    root = await world.ask(STORY)
    await world.until(lambda: world.said(root))
    return root


async def test_anybody_in_the_thread_can_stop_an_answer_and_is_named(
    world: World,
) -> None:
    root = await telling(world)
    message = world.said(root)[-1]
    took = await world.sandbox.click("ben", "#general", message.ts, STOP)

    text = await world.answered(root)
    (message,) = world.said(root)
    assert took == 200
    assert re.fullmatch(r"cancelled · stopped by Ben after \d s", line_of(message))
    assert text.startswith("Once upon a time")
    assert not text.endswith("The end.")
    assert message.buttons == {"threadline_retry": "Retry"}
    (request,) = world.sandbox.model.requests
    await world.until(lambda: request.ended)
    assert request.ended == "hung up"


@with_postgres
async def test_within_a_second_and_a_half_of_a_stop_the_text_stands_still(
    world: World,
) -> None:
    root = await telling(world)
    message = world.said(root)[-1]
    clicked_at = world.sandbox.core.clock()
    await world.sandbox.click("ana", "#general", message.ts, STOP)

    await world.answered(root)
    last = world.sandbox.calls("chat.update")[-1]
    # An edit may have been sent just before; the next one may follow a second later.
    assert last.at - clicked_at < 1.5


@with_sqlite
async def test_what_was_said_before_the_stop_is_remembered(world: World) -> None:
    root = await telling(world)
    await world.sandbox.click("ana", "#general", world.said(root)[-1].ts, STOP)
    text = await world.answered(root)
    world.sandbox.model.rate = 0
    await world.ask("what did you say?", thread_ts=root)

    quoted = await world.answered(root, times=2)
    assert quoted.startswith("> **I**: Once upon a time")
    body = world.sandbox.model.requests[-1].body
    assert isinstance(body, dict)
    said = [each for each in body["input"] if each.get("role") == "assistant"]
    assert [part["text"].strip() for part in said[0]["content"]] == [text]


@with_postgres
async def test_a_stop_before_the_first_word_leaves_its_line_as_the_answer(
    world: World,
) -> None:
    # Without a status a message is there at once.
    world.sandbox.fault(STATUS, "error", value="unknown_method")
    world.sandbox.model.first_token_delay = 30
    root = await world.ask(STORY)
    await world.until(lambda: world.said(root))
    await world.sandbox.click("ana", "#general", world.said(root)[-1].ts, STOP)

    await world.answered(root)
    (message,) = world.said(root)
    assert re.fullmatch(r"cancelled · stopped by Ana after \d s", message.text)
    assert message.seen == f"{message.text}\nRetry"


@with_sqlite
async def test_an_old_stop_button_ends_no_newer_answer_and_says_so_to_who_clicked(
    world: World,
) -> None:
    world.sandbox.model.rate = 300
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    (old,) = world.said(root)
    await world.answered(root)
    await world.ask("tell me another story", thread_ts=root)
    await world.until(lambda: len(world.said(root)) == 2)
    took = await world.sandbox.click("ben", "#general", old.ts, STOP)

    await world.answered(root, times=2)
    await world.until(lambda: world.told("ben"))
    assert took == 200
    assert world.told("ben") == [FINISHED]
    assert world.told("ana") == []
    assert line_of(world.said(root)[-1]).startswith("completed · ")


@with_postgres
async def test_a_second_click_on_stop_harms_nothing(world: World) -> None:
    root = await telling(world)
    message = world.said(root)[-1]
    await world.sandbox.click("ben", "#general", message.ts, STOP)
    await world.sandbox.click("ana", "#general", message.ts, STOP)

    await world.answered(root)
    assert line_of(world.said(root)[-1]).startswith("cancelled · stopped by Ben after ")
    world.sandbox.model.rate = 0
    await world.ask("@threadline say exactly: on we go", thread_ts=root)
    assert await world.answered(root, times=2) == "on we go"


@with_postgres
async def test_a_stop_while_tools_run_lets_the_begun_one_end_and_starts_no_other(
    world: World,
) -> None:
    world.sandbox.model.rate = 400
    async with rooms_locked(world):
        root = await world.ask(
            "@threadline tell me a story, then set the kitchen to 25 and the bedroom "
            "to 18"
        )
        await world.until(
            lambda: [m for m in world.said(root) if "setting kitchen" in line_of(m)]
        )
        await world.sandbox.click("ana", "#general", world.said(root)[-1].ts, STOP)

    await world.answered(root)
    assert await rooms_changed(world) == [("kitchen", 22.0, 25.0, "ana")]
    (ended,) = filter(is_finished, world.said(root))
    assert line_of(ended).startswith("cancelled · stopped by Ana after ")
    await world.ask("how warm is the kitchen?", thread_ts=root)
    assert await world.answered(root, times=2) == "The kitchen is at 25 °C."
    body = world.sandbox.model.requests[-1].body
    assert isinstance(body, dict)
    outputs = [
        each["output"]
        for each in body["input"]
        if each.get("type") == "function_call_output"
    ]
    assert outputs[:2] == [
        "The kitchen is at 25 °C now; it was at 22 °C.",
        "not run: stopped",
    ]


@with_sqlite
async def test_a_stop_leaves_what_others_have_waiting(world: World) -> None:
    root = await telling(world)
    await world.remark("@threadline say exactly: Ben's", user="ben", thread_ts=root)
    await world.sandbox.click("ana", "#general", world.said(root)[-1].ts, STOP)
    world.sandbox.model.rate = 0

    assert await world.answered(root, times=2) == "Ben's"
    assert text_of(world.said(root)[-1]) == "Ben's"
