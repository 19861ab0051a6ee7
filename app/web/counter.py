"""Who asks over the web waits here for the turn that answers, and reads it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from app.domain import ItemKind, StopRequest, ThreadItem, Turn
from app.errors import DatabaseUnavailable, LeaseLost
from app.storage.policy import AnswerPolicy
from app.storage.web_threads import WebMessage, WebThreads
from app.turns.answer import Answerer, TurnStop
from app.turns.prepare import Gathered
from app.turns.reply import Reply
from app.turns.worker import Worker
from app.web.lines import Code, Lines
from app.web.reply import LineReply
from app.web.words import BROKEN_OFF, RESTART, RESTARTED

log = logging.getLogger(__name__)

# Connections that are held, and what waits with each, take memory.
MOST_AT_ONCE = 500

# How often somebody looks whose turn may be held up by another process.
_LOOK_AGAIN = 0.5

# What ended a turn that nobody stopped by name.
_LEFT = "reader"


class Counter:
    """Takes messages in, and has each answered in the call that brought it.

    `answerer` is that of the whole process; only what it knows of Slack is replaced.
    The token's owner answers for who asks how often.
    """

    def __init__(
        self,
        *,
        threads: WebThreads,
        worker: Worker,
        answerer: Answerer,
        most_at_once: int = MOST_AT_ONCE,
    ) -> None:
        self._most_at_once = most_at_once
        self._threads = threads
        self._worker = worker
        preparation = replace(
            answerer.preparation,
            gather=gather,
            policy=AnswerPolicy(),
            turns_per_hour=0,
        )
        self._answerer = replace(answerer, preparation=preparation, name_of=_name_of)
        self._stops: set[TurnStop] = set()
        # Of each conversation, the places of those who wait here for their turn.
        self._waiting: defaultdict[int, set[int]] = defaultdict(set)
        self._somebody_left = asyncio.Event()
        self.is_closing = False

    @property
    def is_full(self) -> bool:
        """Whether so many are answered or wait here that nobody should join them."""
        return len(self._stops) >= self._most_at_once

    async def add(self, thread_id: str | None, text: str) -> WebMessage | None:
        """Take a message in; None when there is no such thread of the web surface.

        Raises DatabaseUnavailable when nothing was kept.
        """
        return await self._threads.add(thread_id, text, self._worker.worker_id)

    async def answer(self, message: WebMessage, lines: Lines, stop: TurnStop) -> None:
        """Answer a message once it is its turn; in any case the lines end.

        Once `stop` is set, the run is cancelled, or the message taken back.
        """
        self._stops.add(stop)
        if self.is_closing:
            _end(stop, RESTART)
        ids = {"threadId": message.thread_id, "messageId": message.message_id}
        lines.put(Code.CONTROL, ids)
        told = BROKEN_OFF
        try:
            told = await self._wait_and_answer(message, lines, stop)
        finally:
            self._stops.discard(stop)
            self._next_please()
            lines.put(Code.ERROR, told)
            lines.close()

    def close(self) -> None:
        """Take nothing more, and end what is under way as cancelled."""
        self.is_closing = True
        for stop in self._stops:
            _end(stop, RESTART)

    def reader_left(self, stop: TurnStop) -> None:
        """Cancel an answer that nobody waits for."""
        _end(stop, _LEFT)

    async def _wait_and_answer(
        self, message: WebMessage, lines: Lines, stop: TurnStop
    ) -> str:
        """Return what to say if the reply has not ended the lines itself."""

        async def claim() -> Turn | None:
            return await self._threads.claim(message, self._worker.worker_id)

        async def open_reply(turn: Turn) -> Reply:
            return LineReply(turn, lines, lambda: _end(stop, _LEFT))

        answerer = replace(self._answerer, open_reply=open_reply)
        with self._in_line(message) as is_next:
            while not stop.event.is_set():
                somebody_left = self._somebody_left
                try:
                    if is_next() and await self._worker.answer_here(
                        claim, answerer, stop, team_id=message.team_id
                    ):
                        return BROKEN_OFF
                except LeaseLost:
                    return BROKEN_OFF
                except DatabaseUnavailable:
                    log.warning("message waits, the database does not answer")
                await _either(stop.event, somebody_left)
            await self._drop(message)
            return RESTARTED

    @contextmanager
    def _in_line(self, message: WebMessage) -> Iterator[Callable[[], bool]]:
        """Tell whether the message is the next of its thread, of those that wait here.

        The others need not ask the database whether it is their turn.
        """
        line = self._waiting[message.conversation_id]
        line.add(message.seq)
        try:
            yield lambda: message.seq == min(line)
        finally:
            line.discard(message.seq)
            if not line:
                self._waiting.pop(message.conversation_id, None)

    async def _drop(self, message: WebMessage) -> None:
        """Let those behind the message go on; without a process it holds up nobody."""
        while not self.is_closing:
            try:
                await self._threads.drop(message)
            except DatabaseUnavailable:
                await asyncio.sleep(_LOOK_AGAIN)
            else:
                return

    def _next_please(self) -> None:
        self._somebody_left.set()
        self._somebody_left = asyncio.Event()


async def gather(turn: Turn) -> Gathered:
    """Return a turn's messages as they were written; nobody there has a name."""
    items = tuple(
        ThreadItem(
            kind=ItemKind.WANTED,
            item={"author": "User", "text": message.text, "files": []},
            author_id=message.author_id,
            ts=message.ts,
        )
        for message in turn.wanted
    )
    return Gathered(items=items, people={})


async def _name_of(_team_id: str, user_id: str) -> str:
    return user_id


def _end(stop: TurnStop, by: str) -> None:
    # The turn stops at its event alone, whichever turn it is.
    stop.request(StopRequest(turn_id=0, stopped_by=by))


async def _either(one: asyncio.Event, other: asyncio.Event) -> None:
    waits = [asyncio.create_task(each.wait()) for each in (one, other)]
    try:
        await asyncio.wait(
            waits, timeout=_LOOK_AGAIN, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        for each in waits:
            each.cancel()
        await asyncio.wait(waits)
