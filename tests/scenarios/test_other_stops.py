"""Slack's own Stop, and answers that somebody deletes while they are written."""

import re

from app.sandbox.server import Sandbox
from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.shown import (
    POST,
    rooms_changed,
    with_postgres,
    with_sqlite,
)
from tests.scenarios.world import World, cards_of, line_of, living, text_of

GENERAL = "#general"
STORY = "@threadline tell me a very long story"


async def telling(world: World) -> str:
    """Let a story be under way, slowly; return its thread."""
    world.sandbox.model.rate = 60
    root = await world.ask(STORY)
    await world.until(lambda: [m for m in world.said(root) if text_of(m)])
    return root


async def hung_up(world: World) -> None:
    """Wait until the model has been told that nobody listens any more."""
    request = world.sandbox.model.requests[-1]
    await world.until(lambda: request.ended)
    assert request.ended == "hung up"


async def ended(setting: Setting, *, times: int = 1) -> list[tuple[str, str | None]]:
    look = "SELECT state, blocked_by FROM turns WHERE ended_at IS NOT NULL ORDER BY id"
    while len(rows := await database.rows(setting.database_url, look)) < times:
        continue
    return [(state, blocked_by) for state, blocked_by in rows]


async def test_slacks_own_stop_ends_the_answer_and_names_who_pressed_it(
    world: World,
) -> None:
    root = await telling(world)
    await world.sandbox.stop_session("ben", GENERAL, root)

    text = await world.answered(root)
    (message,) = world.said(root)
    assert re.fullmatch(r"cancelled · stopped by Ben after \d s", line_of(message))
    assert text.startswith("Once upon a time")
    assert not text.endswith("The end.")
    await hung_up(world)
    (delivery,) = world.sandbox.deliveries("agent_session_stopped")
    assert delivery.status == 200


@with_postgres
async def test_a_stop_that_comes_again_late_ends_no_newer_answer(world: World) -> None:
    root = await telling(world)
    (old,) = world.said(root)
    for named in ((), (old.ts,)):
        world.sandbox.fault("event:agent_session_stopped", "late", value=1.5)
        await world.sandbox.stop_session("ben", GENERAL, root, named)
    await world.sandbox.stop_session("ben", GENERAL, root)
    await world.answered(root)
    world.sandbox.model.rate = 200
    await world.ask("tell me a story", thread_ts=root)
    await world.until(
        lambda: len(world.sandbox.deliveries("agent_session_stopped")) == 3
    )

    assert (await world.answered(root, times=2)).endswith("The end.")
    took = [each.status for each in world.sandbox.deliveries("agent_session_stopped")]
    assert took == [200, 200, 200]


@with_sqlite
async def test_a_stop_where_nothing_is_written_is_taken_and_ends_nothing(
    world: World,
) -> None:
    root = await world.ask("@threadline say exactly: hello")
    await world.answered(root)
    await world.sandbox.stop_session("ana", GENERAL, root)
    other = await world.ask("@threadline say exactly: other")
    await world.sandbox.stop_session("ana", GENERAL, other, ["1.000000"])

    assert await world.answered(other) == "other"
    await world.sandbox.settle()
    took = [each.status for each in world.sandbox.deliveries("agent_session_stopped")]
    assert took == [200, 200]


@with_postgres
async def test_slacks_own_stop_reaches_an_answer_that_changes_hands(
    sandbox: Sandbox, setting: Setting
) -> None:
    url, over_http = setting.database_url, setting.over_http
    async with living(sandbox, url, over_http=over_http) as world:
        root = await telling(world)
        await sandbox.stop_session("ben", GENERAL, root)
        await world.until(lambda: sandbox.deliveries("agent_session_stopped"))
    async with living(sandbox, url, over_http=over_http) as world:
        await world.answered(root)

    assert "stopped by Ben" in line_of(world.said(root)[-1])


async def test_an_answer_that_somebody_deletes_is_not_written_again(
    world: World, setting: Setting
) -> None:
    root = await telling(world)
    (message,) = world.said(root)
    await world.sandbox.remove("ana", GENERAL, message.ts)

    await hung_up(world)
    assert await ended(setting) == [("cancelled", "message_not_found")]
    assert world.said(root) == []
    world.sandbox.model.rate = 0
    await world.ask("@threadline say exactly: next", thread_ts=root)
    assert await world.answered(root) == "next"
    assert len(world.sandbox.calls(POST)) == 2


@with_sqlite
async def test_where_slack_does_not_tell_of_it_the_next_edit_finds_it_gone(
    world: World, setting: Setting
) -> None:
    world.sandbox.fault("event:message", "never", count=None)
    root = await telling(world)
    await world.sandbox.remove("ana", GENERAL, world.said(root)[0].ts)

    await hung_up(world)
    assert await ended(setting) == [("cancelled", "message_not_found")]
    assert world.said(root) == []


@with_postgres
async def test_an_answer_deleted_after_its_end_stops_no_newer_one(
    world: World, setting: Setting
) -> None:
    root = await world.ask("@threadline say exactly: old")
    await world.answered(root)
    (old,) = world.said(root)
    world.sandbox.model.rate = 200
    await world.ask("tell me a story", thread_ts=root)
    await world.until(lambda: len(world.said(root)) == 2)
    await world.sandbox.remove("ben", GENERAL, old.ts)

    assert (await world.answered(root)).endswith("The end.")
    assert await ended(setting, times=2) == [("done", None), ("done", None)]


@with_postgres
async def test_a_card_that_somebody_deletes_is_just_gone(world: World) -> None:
    root = await world.ask("@threadline say exactly: hello")
    await world.answered(root)
    world.sandbox.model.fault("slow_first_token", value=0)
    world.sandbox.model.fault("slow_first_token", value=1)
    await world.ask("set the kitchen to 25", thread_ts=root)
    (card,) = await world.until(lambda: [m for m in world.said(root) if cards_of(m)])
    await world.sandbox.remove("ana", GENERAL, card.ts)

    assert "25" in await world.answered(root, times=2)
    assert not [m for m in world.said(root) if cards_of(m)]
    assert await rooms_changed(world) == [("kitchen", 22.0, 25.0, "ana")]
