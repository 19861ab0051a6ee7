"""Reads the histories: any database by its URL, and a sandbox in this process."""

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import asyncpg

from app.sandbox.records import Json
from app.sandbox.server import Sandbox
from tests.invariants.histories import ModelHistory, Row, SlackHistory, Stored

_TABLES = (
    "conversations",
    "inbox",
    "turns",
    "thread_items",
    "reply_parts",
    "tool_calls",
    "data_messages",
    "rooms",
    "room_changes",
    "workers",
    "late_notes",
)
_JSON = {"item", "data", "humans", "files"}


async def stored(url: str) -> Stored:
    """All rows of the bot's tables, as they are committed at one moment."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        return Stored(tables=await asyncio.to_thread(_of_file, path))
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return Stored(
                tables={
                    table: [
                        _decoded(dict(row))
                        for row in await connection.fetch(f"SELECT * FROM {table}")  # noqa: S608
                    ]
                    for table in _TABLES
                }
            )
    finally:
        await connection.close()


def slack_history(
    sandbox: Sandbox, *, answers_in: frozenset[str] | None = None
) -> SlackHistory:
    """What the sandbox's Slack has written down, and what stands there now."""
    core = sandbox.core
    messages = [
        asdict(message)
        for channel in core.workspace.channels.values()
        for message in core.workspace.messages(channel.channel_id)
    ]
    return SlackHistory(
        bot_user_id=sandbox.bot_user_id,
        calls=[_call(asdict(call)) for call in core.journal.calls],
        deliveries=[asdict(delivery) for delivery in core.journal.deliveries],
        messages=messages,
        statuses=core.statuses.all(),
        pending=core.dispatcher.pending,
        members=frozenset(
            person.user_id
            for person in core.workspace.people.values()
            if not (person.is_bot or person.is_restricted or person.is_stranger)
            and not person.is_ultra_restricted
            and person.team_id == sandbox.team_id
        ),
        answers_in=answers_in,
        secrets=(sandbox.bot_token, sandbox.app_token, sandbox.signing_secret),
        is_real_time=core.clock is time.time,
    )


def model_history(sandbox: Sandbox) -> ModelHistory:
    """The requests that the sandbox's model remembers."""
    return ModelHistory(requests=[asdict(each) for each in sandbox.model.requests])


def _of_file(path: Path) -> Mapping[str, Sequence[Row]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        return {
            table: [
                _decoded(dict(row))
                for row in connection.execute(f"SELECT * FROM {table}")  # noqa: S608
            ]
            for table in _TABLES
        }


def _decoded(row: Json) -> Row:
    return {
        name: json.loads(value) if name in _JSON and value else value
        for name, value in row.items()
    }


def _call(call: dict[str, Any]) -> Row:
    return {**call, "arguments": dict(call["arguments"])}
