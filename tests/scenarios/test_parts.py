"""An answer that is too long for one message goes on in further ones, whole."""

import asyncio

from sqlalchemy import select

from app.sandbox.model.stories import VERY_LONG, story
from app.storage.database import Database
from app.storage.tables import reply_parts
from tests.scenarios.shown import (
    body_of,
    gaps,
    seen_in,
    shown_whole,
    versions,
    with_postgres,
    with_sqlite,
)
from tests.scenarios.world import World, line_of, text_of

STOP = {"threadline_stop": "Stop"}


async def first_is_sealed(world: World) -> None:
    """Wait until the first of two parts is written down as closed, and it alone."""
    database = await Database.connect(world.settings.database_url.get_secret_value())
    async with asyncio.timeout(10):
        while await _sealed(database) != [True, False]:
            pass
    await database.close()


async def _sealed(database: Database) -> list[bool]:
    async with database.read() as transaction:
        rows = await transaction.execute(
            select(reply_parts.c.sealed).order_by(reply_parts.c.part_no)
        )
        return list(rows.scalars())


async def test_a_very_long_story_goes_on_in_a_second_message_and_loses_nothing(
    world: World,
) -> None:
    root = await world.ask("@threadline tell me a very long story")

    parts = await shown_whole(world, root, story(VERY_LONG))
    assert len(parts) == 2
    assert 7_000 < len(text_of(parts[0])) <= 8_000
    assert line_of(parts[0]) == ""
    assert line_of(parts[1]).startswith("completed · ")
    assert parts[1].buttons == {}
    await first_is_sealed(world)


@with_sqlite
async def test_a_long_message_is_edited_less_often_and_its_line_moves_on(
    world: World,
) -> None:
    world.sandbox.model.rate = 2_400
    root = await world.ask("@threadline tell me a story of 20000 characters")
    await world.until(lambda: [m for m in world.said(root) if len(text_of(m)) > 4_000])
    world.sandbox.model.rate = 100

    await world.until(lambda: len(world.said(root)) == 2)
    await world.until(lambda: world.said(root)[0].buttons == {})
    running = world.said(root)
    assert [line_of(part) for part in running] == ["", "in progress"]
    assert [part.buttons for part in running] == [{}, STOP]
    world.sandbox.model.rate = 0
    await shown_whole(world, root, story(20_000))
    first, second = (versions(world, root, message) for message in running)
    is_long = [len(body_of(call)) > 4_000 for call in first]
    pauses = gaps(first)
    assert min(pauses) >= 0.5
    assert min(gaps(second)) >= 0.3
    assert all(
        pause >= 3.0
        for pause, after_long in zip(pauses, is_long, strict=False)
        if after_long
    )
    assert any(is_long)


@with_postgres
async def test_code_that_is_too_long_is_closed_and_opened_again(world: World) -> None:
    lines = [
        f"line_{number} = compute({number}, 'a word or two')" for number in range(250)
    ]
    code = "\n".join(lines)
    world.sandbox.model.rate = 0
    root = await world.ask(
        f"@threadline say exactly: Here it is:\n```python\n{code}\n```\nThat is all."
    )

    await world.answered(root)
    await world.until(lambda: world.said(root)[0].buttons == {})
    parts = [text_of(message) for message in world.said(root)]
    assert len(parts) == 2
    assert parts[0].startswith("Here it is:\n```python\nline_0 ")
    assert parts[0].endswith("\n```")
    assert parts[1].startswith("```python\nline_")
    assert parts[1].endswith("\n```\nThat is all.")
    shown = [line for part in parts for line in part.split("\n") if " = " in line]
    assert shown == lines


@with_sqlite
async def test_each_message_holds_one_table(world: World) -> None:
    tables = [
        f"| Room | {name} |\n|---|---|\n| kitchen | 22 |\n| bedroom | 20 |"
        for name in ("then", "now")
    ]
    root = await world.ask(
        f"@threadline say exactly: {tables[0]}\n\nand\n\n{tables[1]}"
    )

    parts = await shown_whole(world, root, f"{tables[0]}\n\nand\n\n{tables[1]}")
    assert [text_of(part) for part in parts] == [
        f"{tables[0]}\n\nand",
        tables[1],
    ]


@with_postgres
async def test_of_two_messages_posted_at_the_end_only_the_last_is_called_completed(
    world: World,
) -> None:
    # Slack takes one post a second, so the story is whole before its turn comes.
    other = await world.ask("@threadline say exactly: me first")
    await world.answered(other)
    world.sandbox.model.rate = 0
    root = await world.ask("@threadline tell me a very long story")

    await shown_whole(world, root, story(VERY_LONG))
    first, second = (versions(world, root, message) for message in world.said(root))
    assert seen_in(first[-1]) == ""
    assert "completed" not in {seen_in(call)[:9] for call in first}
    assert seen_in(second[-1])[:9] == "completed"


@with_postgres
async def test_text_full_of_signs_that_grow_is_not_cut_short(world: World) -> None:
    sentence = "If a < b & b < c then <a> is below <c>. "
    world.sandbox.model.rate = 0
    root = await world.ask(f"@threadline say exactly: {sentence * 150}The end.")

    text = await world.answered(root)
    assert text.replace("&lt;", "<").count(sentence.strip()) == 150
    assert text.endswith("The end.")
    assert all(len(text_of(part)) <= 12_000 for part in world.said(root))
