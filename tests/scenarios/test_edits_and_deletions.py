"""Messages that are changed or taken back, before and after they are answered."""

import pytest

from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.world import World, in_every_setting, in_the_other_setting

HELLO = "@threadline say exactly: hello"
GENERAL = "#general"


async def telling(world: World) -> str:
    """Let a story be under way, slowly; return its thread."""
    world.sandbox.model.rate = 20
    root = await world.ask("@threadline tell me a story")
    await world.until(lambda: world.said(root))
    return root


async def changed(world: World, ts: str, times: int = 1) -> None:
    """Wait until so many changes of a message were taken."""
    await world.until(
        lambda: (
            sum(
                each.status == 200
                and each.body["event"].get("subtype") == "message_changed"
                and each.body["event"]["message"]["ts"] == ts
                for each in world.sandbox.deliveries("message")
            )
            >= times
        )
    )


async def test_of_a_message_edited_while_it_waits_the_new_text_is_answered(
    world: World,
) -> None:
    root = await telling(world)
    waiting = await world.remark("say exactly: old", thread_ts=root)
    await world.sandbox.edit("ana", GENERAL, waiting, "say exactly: new")
    await changed(world, waiting)
    world.sandbox.model.rate = 2_000

    assert await world.answered(root, times=2) == "new"
    assert not any("old" in said for said in world.heard)


async def test_an_answered_message_that_is_edited_is_not_answered_again(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.sandbox.edit("ana", GENERAL, root, "@threadline say exactly: changed")
    await world.acknowledged(root, times=5)
    await world.ask("say exactly: next", thread_ts=root)

    assert await world.answered(root, times=2) == "next"
    assert len(world.sandbox.model.requests) == 2


async def test_a_link_that_slack_unfolds_does_not_count_as_an_edit(
    world: World,
) -> None:
    root = await world.ask("@threadline say exactly: see https://example.com/page")
    await world.answered(root)
    await changed(world, root, times=2)
    await world.ask("say exactly: next", thread_ts=root)

    assert await world.answered(root, times=2) == "next"
    assert world.sandbox.messages(GENERAL, root)[0].attachments
    assert len(world.sandbox.model.requests) == 2


async def test_a_message_is_answered_once_a_mention_is_edited_into_it(
    world: World,
) -> None:
    root = await world.remark("say exactly: hello")
    await world.sandbox.edit("ana", GENERAL, root, HELLO)

    assert await world.answered(root) == "hello"


async def test_what_was_overheard_is_answered_once_a_mention_is_edited_into_it(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    heard = await world.remark("say exactly: for Ben", user="ben", thread_ts=root)
    await world.sandbox.edit(
        "ben", GENERAL, heard, "@threadline say exactly: for Ben after all"
    )

    assert await world.answered(root, times=2) == "for Ben after all"


async def test_an_edit_that_overtakes_its_message_is_answered_once(
    world: World,
) -> None:
    for event in ("message", "app_mention"):
        world.sandbox.fault(f"event:{event}", "late", value=0.5)
    root = await world.ask("@threadline say exactly: old")
    await world.sandbox.edit("ana", GENERAL, root, "@threadline say exactly: new")
    await world.acknowledged(root, times=4)

    assert await world.answered(root) == "new"
    other = await world.ask("say exactly: later", channel="dm:chloe", user="chloe")
    await world.answered(other, "dm:chloe")
    assert len(world.said(root)) == 1


@in_every_setting
async def test_a_message_deleted_while_it_waits_is_not_answered(world: World) -> None:
    root = await telling(world)
    waiting = await world.remark("say exactly: taken back", thread_ts=root)
    await world.sandbox.delete("ana", GENERAL, waiting)
    await world.acknowledged(waiting, times=2)
    world.sandbox.model.rate = 2_000
    await world.answered(root)
    await world.ask("say exactly: next", thread_ts=root)

    assert await world.answered(root, times=2) == "next"
    assert not any("taken back" in said for said in world.heard)


async def test_a_deletion_that_overtakes_its_message_keeps_it_from_being_answered(
    world: World, setting: Setting
) -> None:
    for event in ("message", "app_mention"):
        world.sandbox.fault(f"event:{event}", "late", value=0.5)
    root = await world.ask("@threadline say exactly: quetzal")
    await world.sandbox.delete("ana", GENERAL, root)
    await world.acknowledged(root, times=3)
    other = await world.ask(HELLO)
    await world.answered(other)

    assert len(world.sandbox.model.requests) == 1
    assert not await database.holds(setting.database_url, "quetzal")


@in_every_setting
async def test_of_a_deleted_message_nothing_stays_in_the_database(
    world: World, setting: Setting
) -> None:
    root = await world.ask("@threadline who am I, quetzal?")
    await world.answered(root)
    reply = await world.remark("who am I, quetzal?", thread_ts=root)
    await world.answered(root, times=2)
    overheard = await world.remark("quetzal", user="ben", thread_ts=root)
    assert await database.holds(setting.database_url, "quetzal")

    await world.sandbox.delete("ben", GENERAL, overheard)
    await world.sandbox.delete("ana", GENERAL, reply)
    await world.sandbox.delete("ana", GENERAL, root)
    await world.acknowledged(overheard, times=2)
    await world.acknowledged(reply, times=2)
    await world.until(lambda: is_tombstone_taken(world, root))
    assert not await database.holds(setting.database_url, "quetzal")


async def test_what_was_deleted_is_no_context_any_more(world: World) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    heard = await world.remark("the code is quetzal", user="ben", thread_ts=root)
    await world.ask("@threadline say exactly: noted", thread_ts=root)
    await world.answered(root, times=2)
    assert any("quetzal" in said for said in world.heard)

    await world.sandbox.delete("ben", GENERAL, heard)
    await world.acknowledged(heard, times=2)
    await world.ask("@threadline what did Ben say?", thread_ts=root)
    assert "quetzal" not in await world.answered(root, times=3)
    assert not any("quetzal" in said for said in world.heard)


async def test_in_a_thread_whose_root_was_deleted_people_are_still_answered(
    world: World,
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    await world.sandbox.delete("ana", GENERAL, root)
    await world.until(lambda: is_tombstone_taken(world, root))
    other = await world.ask("@threadline say exactly: other")

    assert await world.answered(other) == "other"
    assert len(world.said(root)) == 1


@in_the_other_setting
@pytest.mark.parametrize("event", ["message", "app_mention"])
async def test_a_late_event_of_a_deleted_message_does_not_bring_it_back(
    event: str, world: World, setting: Setting
) -> None:
    world.sandbox.fault(f"event:{event}", "late", value=0.6)
    root = await world.ask("@threadline say exactly: quetzal")
    await world.acknowledged(root)
    await world.sandbox.delete("ana", GENERAL, root)
    await world.acknowledged(root, times=3)
    other = await world.ask("say exactly: later", channel="dm:chloe", user="chloe")
    await world.answered(other, "dm:chloe")

    told = await database.rows(setting.database_url, "SELECT text FROM inbox")
    assert all("quetzal" not in text for (text,) in told)


def is_tombstone_taken(world: World, ts: str) -> bool:
    return any(
        each.status == 200
        and each.body["event"].get("message", {}).get("subtype") == "tombstone"
        and each.body["event"]["message"]["ts"] == ts
        for each in world.sandbox.deliveries("message")
    )
