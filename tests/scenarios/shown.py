"""What the bot sent to Slack, call by call, as the sandbox has written it down."""

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select

from app.sandbox.journal import Call
from app.sandbox.records import Message, visible_text
from app.storage.database import Database
from app.storage.tables import room_changes
from tests.scenarios.world import World, payload_of, text_of

POST = "chat.postMessage"
UPDATE = "chat.update"
STATUS = "assistant.threads.setStatus"

# What hangs neither on the delivery nor on the database is tried with one pair.
with_sqlite = pytest.mark.parametrize("setting", ["socket mode, sqlite"], indirect=True)
with_postgres = pytest.mark.parametrize("setting", ["http, postgres"], indirect=True)


def posts(world: World, thread_ts: str) -> list[Call]:
    """The posts that Slack took in a thread."""
    return [
        call
        for call in world.sandbox.calls(POST)
        if call.ok and call.arguments["thread_ts"] == thread_ts
    ]


def edits(world: World, message: Message) -> list[Call]:
    """The edits of a message that Slack took."""
    return [
        call
        for call in world.sandbox.calls(UPDATE)
        if call.ok and call.arguments["ts"] == message.ts
    ]


def statuses(world: World, thread_ts: str) -> list[str]:
    """What was said beside the bot's name in a thread, one after another."""
    return [
        call.arguments["status"]
        for call in world.sandbox.calls(STATUS)
        if call.ok and call.arguments["thread_ts"] == thread_ts
    ]


def versions(world: World, thread_ts: str, message: Message) -> list[Call]:
    """Everything that a message has shown: its post, and then its edits."""
    (post,) = (
        call for call in posts(world, thread_ts) if call.response["ts"] == message.ts
    )
    return [post, *edits(world, message)]


def body_of(call: Call) -> str:
    """The answer's own words in a call."""
    return "".join(
        block["text"]
        for block in payload_of(call)["blocks"]
        if block["type"] == "markdown"
    )


def seen_in(call: Call) -> str:
    """All that a reader sees after a call but the answer's own words."""
    blocks = payload_of(call)["blocks"]
    return "\n".join(
        visible_text(block) for block in blocks if block["type"] != "markdown"
    )


def gaps(calls: Iterable[Call]) -> list[float]:
    """The seconds between calls that follow each other."""
    return [later.at - earlier.at for earlier, later in pairwise(calls)]


def refused(world: World, *methods: str) -> list[Call]:
    """The calls that came too fast for Slack."""
    return [
        call
        for call in world.sandbox.calls()
        if call.status == 429 and (not methods or call.method in methods)
    ]


def line_shown(world: World, thread_ts: str) -> Callable[[str], bool]:
    """Ask whether some words stand under the newest message of a thread now."""

    def is_shown(words: str) -> bool:
        messages = world.said(thread_ts)
        return bool(messages) and words in messages[-1].seen

    return is_shown


def shown_data(message: Message) -> list[dict[str, Any]]:
    """The coloured bars of a message, as they were sent."""
    return [dict(attachment) for attachment in message.attachments]


@asynccontextmanager
async def rooms_locked(world: World) -> AsyncGenerator[None]:
    """Let every tool that touches a room wait until the block is left (Postgres)."""
    url = world.settings.database_url.get_secret_value()
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE rooms IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def rooms_changed(world: World) -> list[tuple[str, float, float, str]]:
    """Every change of a room by its name: from, to, and who asked for it."""
    names = {each.user_id: each.name for each in world.sandbox.people.values()}
    database = await Database.connect(world.settings.database_url.get_secret_value())
    async with database.read() as transaction:
        rows = await transaction.execute(
            select(room_changes).order_by(room_changes.c.room)
        )
        changes = [(row.room, row.old, row.new, names[row.changed_by]) for row in rows]
    await database.close()
    return changes


async def shown_whole(
    world: World, thread_ts: str, text: str, channel: str = "#general"
) -> list[Message]:
    """Wait until a thread's only answer has ended and all of `text` is in view."""
    await world.answered(thread_ts, channel)

    def parts() -> list[Message] | None:
        said = world.said(thread_ts, channel)
        words = "\n\n".join(filter(None, map(text_of, said)))
        is_over = all(message.buttons == {} for message in said)
        return said if is_over and words == text else None

    return await world.until(parts)
