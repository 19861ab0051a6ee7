"""What a growing answer costs the database: each look at it, and no piece of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from app.domain import (
    DataMessage,
    Ending,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    StoredDataMessage,
    TextDelta,
    Turn,
)
from app.slack.replies.replies import Replies
from app.storage.data_messages import DataMessages
from app.storage.database import Database
from app.storage.reply_parts import ReplyParts
from app.turns.response import AssistantResponse
from bench.virtual import Clock
from tests.contracts.queue_words import Queue, said
from tests.contracts.statements import Statement, watched
from tests.unit.slack.outward.slack_in_memory import SlackInMemory

TEXT = "The kitchen is at 22 °C. " * 40


async def test_a_text_in_a_thousand_pieces_costs_no_more_than_one_in_ten(
    database: Database,
) -> None:
    queue = Queue(database)
    for when in range(2):
        await queue.add(said(when=when, mention=True))
    one, other = await queue.claim()

    few = await _written(database, one, pieces=10)
    many = await _written(database, other, pieces=1_000)

    assert few
    assert _words(many) == _words(few)


def _words(statements: Sequence[Statement]) -> list[str]:
    return [statement for statement, _ in statements]


async def _written(database: Database, turn: Turn, pieces: int) -> list[Statement]:
    """The statements sent while `TEXT` comes in so many pieces, and until its end."""
    replies = Replies(
        outbound=SlackInMemory(Clock(), latency=0.0),
        parts=ReplyParts(database),
        data_messages=DataMessages(database),
        name_of=_name_of,
    )
    reply = await replies.open(turn, holds_lease=lambda: True)
    response = AssistantResponse(reply, store_data=_store, stop=asyncio.Event())
    with watched(database) as seen:
        await response.forward_stream(_stream(pieces))
        await reply.finish(Ending(status=RunStatus.COMPLETED))
    await replies.close()
    return seen


async def _stream(pieces: int) -> AsyncGenerator[RunEvent]:
    size = len(TEXT) // pieces
    for start in range(0, len(TEXT), size):
        yield TextDelta("thread.message.delta", TEXT[start : start + size])
    run = Run(run_id="r", status=RunStatus.COMPLETED)
    yield RunUpdate("thread.run.completed", run)


async def _name_of(_team_id: str, user_id: str) -> str:
    return user_id


async def _store(message: DataMessage) -> StoredDataMessage:
    raise AssertionError(f"nothing else is shown: {message}")
