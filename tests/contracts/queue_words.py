"""What the queue's contract tests say, in few words."""

import time
from dataclasses import replace
from typing import Any

from sqlalchemy import text

from app.domain import (
    ChannelKind,
    DeletedMessage,
    Ending,
    IncomingMessage,
    ItemKind,
    Lease,
    RunStatus,
    SlackThread,
    ThreadItem,
    Turn,
    TurnState,
)
from app.storage.claims import MOST_MESSAGES
from app.storage.database import Database
from app.storage.inbox import Added, Inbox
from app.storage.leases import Leases
from app.storage.policy import AnswerPolicy
from app.storage.turns import TurnStore

_LEASE = 30.0
_RECEIVED = "inbox SET received_at = received_at"

TEAM = "T1"
ANA, BEN, CAT = "UANA", "UBEN", "UCAT"


# An hour ahead, so that nothing is late, however long the tests take.
START = int(time.time()) + 3_600


def at(seconds: int) -> str:
    """Return a Slack ts, so many seconds after all began."""
    return f"{START + seconds}.000100"


def said(
    words: str = "hello",
    *,
    when: int = 0,
    thread: int | None = None,
    by: str = ANA,
    channel: str = "C1",
    team: str = TEAM,
    mention: bool = False,
    **more: Any,  # noqa: ANN401
) -> IncomingMessage:
    """Return a message; `thread` is when its thread's root was written."""
    root = at(when if thread is None else thread)
    kind = ChannelKind.IM if channel.startswith("D") else ChannelKind.CHANNEL
    return IncomingMessage(
        thread=SlackThread(team_id=team, channel_id=channel, thread_ts=root),
        ts=at(when),
        author_id=by,
        author_team_id=team,
        text=words,
        mentioned=mention,
        channel_kind=more.pop("kind", kind),
        **more,
    )


def edited(message: IncomingMessage, words: str, *, when: int) -> IncomingMessage:
    """Return a later version of a message."""
    return replace(message, text=words, edited_ts=at(when))


def removed(message: IncomingMessage) -> DeletedMessage:
    """Return the removal of a message, as Slack tells it."""
    return DeletedMessage(
        team_id=message.thread.team_id,
        channel_id=message.thread.channel_id,
        ts=message.ts,
        thread_ts=message.thread.thread_ts if message.in_thread else None,
        mentioned=message.mentioned,
    )


def texts(turn: Turn) -> list[str]:
    """Return what a turn answers."""
    return [message.text for message in turn.wanted]


def overheard(turn: Turn) -> list[str]:
    """Return what a turn only knows about."""
    return [message.text for message in turn.messages if not message.wanted]


def items_of(turn: Turn) -> list[ThreadItem]:
    """Return a turn's messages as history items."""
    return [
        ThreadItem(
            kind=ItemKind.WANTED if message.wanted else ItemKind.OVERHEARD,
            item={"author": message.author_id, "text": message.text, "files": []},
            author_id=message.author_id,
            ts=message.ts,
        )
        for message in turn.messages
    ]


class Queue:
    """The storage of one process called `worker`, over a database."""

    def __init__(
        self,
        database: Database,
        policy: AnswerPolicy | None = None,
        worker: str = "worker",
        most_messages: int = MOST_MESSAGES,
    ) -> None:
        self.database = database
        self.inbox = Inbox(database, policy or AnswerPolicy())
        self.store = TurnStore(database, most_messages=most_messages)
        self.leases = Leases(database)
        self.worker = worker

    async def add(self, *messages: IncomingMessage) -> Added:
        """Add messages one after another, all by people nobody knows yet."""
        for message in messages:
            added = await self.inbox.add(message, None)
        return added

    async def claim(self, limit: int = 10, full: tuple[str, ...] = ()) -> list[Turn]:
        """Claim with a live lease."""
        await self.leases.beat(self.worker, "1", _LEASE)
        return await self.store.claim(self.worker, limit, full)

    async def claim_one(self) -> Turn:
        """Claim what must be the only turn."""
        (turn,) = await self.claim()
        return turn

    async def finish(self, turn: Turn | Lease) -> bool:
        """End a turn as answered."""
        lease = turn.lease if isinstance(turn, Turn) else turn
        ending = Ending(status=RunStatus.COMPLETED)
        return await self.store.finish(lease, ending, TurnState.DONE)

    async def answer_all(self) -> list[Turn]:
        """Claim and answer until nothing is ready."""
        answered = []
        while turns := await self.claim():
            for turn in turns:
                await self.finish(turn)
                answered.append(turn)
        return answered

    async def be_away(self, seconds: float) -> None:
        """Let nobody have been alive for so long, and come back."""
        ages = {"long": seconds + _LEASE}
        async with self.database.write() as transaction:
            for column in ("workers SET expires_at = expires_at", _RECEIVED):
                moved = text(f"/* time */ UPDATE {column} - :long")
                await transaction.execute(moved, ages)
        await self.leases.beat(self.worker, "1", _LEASE)

    async def rows(self, query: str) -> list[Any]:
        """Look into the database."""
        async with self.database.read() as transaction:
            return [tuple(row) for row in await transaction.execute(text(query))]

    async def counts(self) -> dict[str, int]:
        """Count the rows that a message can leave."""
        return {
            table: (await self.rows(f"SELECT count(*) FROM {table}"))[0][0]  # noqa: S608
            for table in ("conversations", "inbox", "turns", "thread_items")
        }
