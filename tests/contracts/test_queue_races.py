"""Many processes and many messages at once: nothing lost, nothing twice."""

import asyncio
from collections import Counter

from app.domain import IncomingMessage
from app.errors import LeaseLost
from app.storage.database import Database
from tests.contracts.queue_words import Queue, removed, said, texts

THREADS = 4
MESSAGES = 12


def _messages() -> list[IncomingMessage]:
    return [
        said(
            f"{thread}.{number}",
            when=thread * 100 + number,
            thread=thread * 100,
            mention=True,
        )
        for number in range(MESSAGES)
        for thread in range(THREADS)
    ]


async def _work(queue: Queue, answered: Counter[str], done: asyncio.Event) -> None:
    while True:
        is_last_look = done.is_set()
        turns = await queue.claim(limit=2)
        for turn in turns:
            answered.update(texts(turn))
            await queue.finish(turn)
        if is_last_look and not turns:
            return


async def _left_over(queue: Queue) -> list[object]:
    return await queue.rows(
        "SELECT state, wanted_seq, taken_seq FROM conversations"
        " WHERE state <> 'idle' OR wanted_seq > taken_seq"
    )


async def test_no_message_is_lost_between_adding_and_finishing(
    database: Database,
) -> None:
    workers = [Queue(database, worker=f"worker {number}") for number in range(3)]
    answered: Counter[str] = Counter()
    done = asyncio.Event()
    working = [asyncio.create_task(_work(each, answered, done)) for each in workers]

    # Each comes twice, as a mention does.
    await asyncio.gather(
        *(workers[0].add(message) for message in [*_messages(), *_messages()])
    )
    done.set()
    await asyncio.gather(*working)

    assert answered == Counter(message.text for message in _messages())
    assert await _left_over(workers[0]) == []


async def test_adding_and_removing_at_once_leaves_no_text(database: Database) -> None:
    queue = Queue(database)

    await asyncio.gather(
        *(queue.add(message) for message in _messages()),
        *(queue.inbox.delete(removed(message)) for message in _messages()),
    )

    assert await queue.rows("SELECT text FROM inbox WHERE text <> ''") == []
    assert await queue.claim(limit=99) == []
    assert await _left_over(queue) == []


async def test_of_an_owner_and_its_successor_one_ends_the_turn(
    database: Database,
) -> None:
    queue, other = Queue(database), Queue(database, worker="other")
    ended = 0

    async def take_over() -> int:
        await other.leases.reap("worker", [])
        return len([await other.finish(turn) for turn in await other.claim()])

    for number in range(8):
        await queue.add(said("hi", when=number, mention=True))
        first = await queue.claim_one()
        outcome, taken_over = await asyncio.gather(
            queue.finish(first), take_over(), return_exceptions=True
        )
        assert isinstance(outcome, bool | LeaseLost)
        ended += (outcome is False) + (taken_over if taken_over == 1 else 0)

    assert ended == 8
    assert await _left_over(queue) == []
