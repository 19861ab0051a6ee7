"""Our queue: the roles of its processes."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from app.domain import (
    ChannelKind,
    Ending,
    IncomingMessage,
    ItemKind,
    RunStatus,
    SlackThread,
    ThreadItem,
    Turn,
    TurnState,
)
from app.storage.database import Database
from app.storage.inbox import Added, Inbox
from app.storage.leases import Leases
from app.storage.listener import Listener
from app.storage.policy import AnswerPolicy
from app.storage.turns import TurnStore
from app.storage.wakeup import Hint, Wakeup
from app.turns.answer import Answerer, TurnStop
from app.turns.reply import Reply
from app.turns.side_tasks import SideTasks
from app.turns.worker import Worker, WorkerLimits
from bench.queue_journal import (
    Message,
    Note,
    each_at_its_time,
    many_at_once,
    messages,
    now,
    until_told,
)

# What a process takes on where nothing else is said.
AT_ONCE = WorkerLimits().turns
FILLING = 16
# Ahead of every clock, so that nothing is late.
_FIRST = 4_000_000_000
_DONE = Ending(status=RunStatus.COMPLETED)


@dataclass(frozen=True, slots=True)
class EmptyHandler:
    """Prepares a turn and ends it, as an answer would, with nothing in between."""

    store: TurnStore
    notes: list[Note]

    async def answer(
        self, turn: Turn, _stop: TurnStop, _on_open: Callable[[Reply], None]
    ) -> bool:
        """Note when the turn began, and that it was ended."""
        began = now()
        (message,) = turn.messages
        item = {"author": message.author_id, "text": message.text, "files": []}
        items = [
            ThreadItem(
                kind=ItemKind.WANTED,
                item=item,
                author_id=message.author_id,
                ts=message.ts,
            )
        ]
        await self.store.prepare(turn.lease, items, {})
        ended = now()
        is_more = await self.store.finish(turn.lease, _DONE, TurnState.DONE)
        thread, number, sent = message.text.split()
        self.notes.append(Note(int(thread), int(number), float(sent), began, ended))
        return is_more


def incoming(message: Message) -> IncomingMessage:
    """Return a message as Slack would have told it."""
    root = f"{_FIRST + message.thread}.000100"
    ts = f"{_FIRST + message.thread}.{100 + message.number:06}"
    return IncomingMessage(
        thread=SlackThread(team_id="T0BENCH", channel_id="C0BENCH", thread_ts=root),
        ts=ts,
        author_id=f"U{message.thread}",
        author_team_id="T0BENCH",
        text=f"{message.thread} {message.number} {message.sent}",
        mentioned=True,
        channel_kind=ChannelKind.CHANNEL,
    )


async def _show_queued(*_: object) -> None:
    """Nobody looks."""


async def _worker(database: Database, notes: list[Note]) -> Worker:
    store = TurnStore(database, most_messages=1)
    worker = Worker(
        secrets.token_hex(8),
        store=store,
        leases=Leases(database),
        wakeup=Wakeup(),
        limits=WorkerLimits(turns=AT_ONCE, turns_per_team=AT_ONCE),
        show_queued=_show_queued,
    )
    # Of an answerer a worker asks for nothing else.
    await worker.start(cast(Answerer, EmptyHandler(store, notes)))
    return worker


async def _listening(url: str, database: Database, worker: Worker) -> SideTasks:
    """Hear what other processes tell; returns once it does."""
    tasks, heard = SideTasks(), asyncio.Event()

    def hear(hint: Hint) -> None:
        heard.set()
        worker.hear(hint)

    if not database.is_sqlite:
        tasks.repeat(Listener(url, database, hear).listen)
        await heard.wait()
    return tasks


async def fill(url: str, threads: float, count: float, first: float) -> None:
    """Add what is to be drained."""
    database = await Database.connect(url)
    inbox = Inbox(database, AnswerPolicy())

    async def send(message: Message) -> None:
        await inbox.add(incoming(message), None)

    backlog = messages(int(threads), int(count), int(first))
    await many_at_once(send, backlog, FILLING)
    await database.close()


async def ask(url: str, first: float, end: float) -> None:
    """Begin threads, one message in each."""
    database = await Database.connect(url)
    inbox = Inbox(database, AnswerPolicy())

    async def send(message: Message) -> None:
        await inbox.add(incoming(message), None)

    threads = range(int(first), int(end))
    await many_at_once(send, (Message(each, 0, now()) for each in threads), FILLING)
    await database.close()


async def work(url: str) -> None:
    """Drain, until the parent has heard enough."""
    notes: list[Note] = []
    database = await Database.connect(url)
    worker = await _worker(database, notes)
    listening = await _listening(url, database, worker)
    await until_told(notes)
    await listening.cancel()
    await worker.close()
    await database.close()


async def produce(url: str, threads: float, count: float, pace: float) -> None:
    """Add messages one by one."""
    database = await Database.connect(url)
    inbox = Inbox(database, AnswerPolicy())

    async def send(message: Message) -> Added:
        return await inbox.add(incoming(message), None)

    await each_at_its_time(send, int(threads), int(count), pace)
    await database.close()


async def alone(url: str, threads: float, count: float, pace: float) -> None:
    """Add messages one by one and drain them, in the one process."""
    notes: list[Note] = []
    database = await Database.connect(url)
    inbox = Inbox(database, AnswerPolicy())
    worker = await _worker(database, notes)

    async def send(message: Message) -> None:
        added = await inbox.add(incoming(message), None)
        if added.ready_conversation_id:
            worker.message_added(added.ready_conversation_id, added.thread)

    producing = asyncio.create_task(
        each_at_its_time(send, int(threads), int(count), pace)
    )
    await until_told(notes)
    await producing
    await worker.close()
    await database.close()
