"""procrastinate: the roles of its processes."""

import asyncio
from contextlib import suppress

import procrastinate

from bench.queue_journal import (
    Message,
    Note,
    each_at_its_time,
    many_at_once,
    messages,
    now,
    until_told,
)
from bench.queue_ours import AT_ONCE, FILLING

_POOL = 20


class Peer:
    """Its app with one task, which does nothing, locked by thread."""

    def __init__(self, url: str) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=url, min_size=1, max_size=_POOL
        )
        self.notes: list[Note] = []
        self.app = procrastinate.App(connector=connector)
        self.task = self.app.task(name="handle")(self._handle)

    async def _handle(self, thread: int, number: int, sent: float) -> None:
        began = now()
        self.notes.append(Note(thread, number, sent, began, now()))

    async def send(self, message: Message) -> None:
        """Defer one job."""
        await self.task.configure(lock=f"thread {message.thread}").defer_async(
            thread=message.thread, number=message.number, sent=message.sent
        )


async def set_up(url: str) -> None:
    """Make its tables."""
    peer = Peer(url)
    async with peer.app.open_async():
        await peer.app.schema_manager.apply_schema_async()


async def fill(url: str, threads: float, count: float, first: float) -> None:
    """Defer what is to be drained."""
    peer = Peer(url)
    async with peer.app.open_async():
        backlog = messages(int(threads), int(count), int(first))
        await many_at_once(peer.send, backlog, FILLING)


async def work(url: str) -> None:
    """Drain, until the parent has heard enough."""
    peer = Peer(url)
    async with peer.app.open_async():
        working = asyncio.create_task(
            peer.app.run_worker_async(
                concurrency=AT_ONCE, install_signal_handlers=False
            )
        )
        await until_told(peer.notes)
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def produce(url: str, threads: float, count: float, pace: float) -> None:
    """Defer jobs one by one."""
    peer = Peer(url)
    async with peer.app.open_async():
        await each_at_its_time(peer.send, int(threads), int(count), pace)
