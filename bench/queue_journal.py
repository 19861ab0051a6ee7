"""What a process under measurement notes of its turns, and how it tells its parent.

Times are of the clock that all processes of a machine share.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import astuple, dataclass

_LOOK = 0.1

now = time.monotonic


@dataclass(frozen=True, slots=True)
class Note:
    """One turn of a thread: its message's number there, and when what happened."""

    thread: int
    number: int
    sent: float
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent through a queue: number by number, thread after thread."""

    thread: int
    number: int
    sent: float


def messages(threads: int, count: int, first: int = 0) -> Iterable[Message]:
    """Yield messages of threads in no particular order, the same ones each time.

    The threads are numbered from `first` on.
    """
    chance = random.Random(1)  # noqa: S311 - nobody is kept out by it
    said = Counter[int]()
    for _ in range(count):
        thread = first + chance.randrange(threads)
        yield Message(thread, said[thread], now())
        said[thread] += 1


async def until_told(notes: list[Note]) -> None:
    """Tell how many turns there were until the parent has heard enough, then all."""
    told = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not told.done():
        print(len(notes), flush=True)
        await asyncio.wait([told], timeout=_LOOK)
    print(json.dumps([astuple(each) for each in notes]), flush=True)


async def each_at_its_time(
    send: Callable[[Message], Awaitable[object]], threads: int, count: int, pace: float
) -> None:
    """Send messages, one every `pace` seconds, whatever happens meanwhile."""
    began, sending = now(), []
    for each, message in enumerate(messages(threads, count), 1):
        sending.append(asyncio.ensure_future(send(message)))
        await asyncio.sleep(began + each * pace - now())
    await asyncio.gather(*sending)


async def many_at_once(
    send: Callable[[Message], Awaitable[object]],
    waiting: Iterable[Message],
    at_once: int,
) -> None:
    """Send all, with a fixed number under way, and those of a thread in their order."""
    shares: list[list[Message]] = [[] for _ in range(at_once)]
    for message in waiting:
        shares[message.thread % at_once].append(message)

    async def sender(share: Iterable[Message]) -> None:
        for message in share:
            await send(message)

    await asyncio.gather(*map(sender, shares))


def broken(notes: Sequence[Note]) -> int:
    """Count the turns that did not wait for one before them in their thread."""
    count = 0
    last: dict[int, Note] = {}
    for each in sorted(notes, key=lambda each: each.began):
        before = last.get(each.thread)
        if before is not None:
            count += each.number <= before.number or each.began < before.ended
        last[each.thread] = each
    return count
