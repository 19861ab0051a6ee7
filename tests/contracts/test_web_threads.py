"""Threads of the web surface in the queue: each message a turn, by whoever waits."""

import asyncio

import pytest

from app.domain import Turn
from app.errors import LeaseLost
from app.storage.database import Database
from app.storage.web_threads import WebMessage, WebThreads, is_thread_id
from tests.contracts.queue_words import TEAM, Queue, said, texts

NO_THREAD = "thread_" + "0" * 32


class Web(Queue):
    """One process that takes requests in."""

    def __init__(self, database: Database, worker: str = "worker") -> None:
        super().__init__(database, worker=worker)
        self.threads = WebThreads(database, TEAM)

    async def ask(self, words: str, thread_id: str | None = None) -> WebMessage:
        message = await self.threads.add(thread_id, words, self.worker)
        assert message
        return message

    async def take(self, message: WebMessage) -> Turn | None:
        await self.leases.beat(self.worker, "1", 30.0)
        return await self.threads.claim(message, self.worker)

    async def take_now(self, message: WebMessage) -> Turn:
        turn = await self.take(message)
        assert turn
        return turn

    async def die(self) -> None:
        await self.leases.retire(self.worker)


@pytest.fixture
def web(database: Database) -> Web:
    return Web(database)


async def test_a_message_makes_a_thread_and_the_next_one_finds_it(web: Web) -> None:
    first = await web.ask("one")
    await web.finish(await web.take_now(first))
    second = await web.ask("two", first.thread_id)
    turn = await web.take_now(second)

    assert is_thread_id(first.thread_id)
    assert second.thread_id == first.thread_id
    assert first.message_id != second.message_id
    assert texts(turn) == ["two"]
    assert not turn.has_read_untrusted


async def test_two_threads_have_different_ids_for_all_their_messages(web: Web) -> None:
    asked = [await web.ask(words) for words in ("one", "two")]

    assert len({each.thread_id for each in asked}) == 2
    assert len({each.message_id for each in asked}) == 2


async def test_a_thread_that_was_never_made_takes_nothing(web: Web) -> None:
    assert await web.threads.add(NO_THREAD, "hello", web.worker) is None
    assert (await web.counts())["inbox"] == 0


async def test_the_threads_of_slack_and_of_others_are_not_to_be_had(web: Web) -> None:
    await web.add(said("hello", channel="D1"))
    mine = await web.ask("hello")
    others = WebThreads(web.database, "T2")

    assert await web.threads.add("D1", "hello", web.worker) is None
    assert await others.add(mine.thread_id, "hello", web.worker) is None


async def test_the_claim_of_the_whole_queue_never_meets_them(web: Web) -> None:
    first = await web.ask("one")
    assert await web.claim() == []
    turn = await web.take_now(first)
    await web.ask("two", first.thread_id)
    assert await web.finish(turn) is False
    assert await web.claim() == []


async def test_a_turn_answers_exactly_the_oldest_message(web: Web) -> None:
    first = await web.ask("one")
    second = await web.ask("two", first.thread_id)

    assert await web.take(second) is None
    turn = await web.take_now(first)
    assert texts(turn) == ["one"]
    assert await web.take(second) is None
    await web.finish(turn)
    assert texts(await web.take_now(second)) == ["two"]


async def test_many_who_ask_at_once_are_answered_in_the_order_they_came(
    web: Web,
) -> None:
    first = await web.ask("0")
    waiting = [first] + [await web.ask(str(n), first.thread_id) for n in range(1, 5)]
    answered = []
    while waiting:
        turns = await asyncio.gather(*(web.take(each) for each in waiting))
        (turn,) = [each for each in turns if each]
        answered += texts(turn)
        waiting = [
            each for each, taken in zip(waiting, turns, strict=True) if not taken
        ]
        await web.finish(turn)

    assert answered == ["0", "1", "2", "3", "4"]


async def test_who_leaves_while_waiting_holds_up_nobody(web: Web) -> None:
    first = await web.ask("one")
    second = await web.ask("two", first.thread_id)
    await web.threads.drop(first)

    assert texts(await web.take_now(second)) == ["two"]


async def test_the_last_one_to_leave_leaves_nothing_to_do(web: Web) -> None:
    first = await web.ask("one")
    await web.threads.drop(first)

    with pytest.raises(LeaseLost):
        await web.take(first)
    assert await web.rows("SELECT state, wanted_seq FROM conversations") == [
        ("idle", 0)
    ]


async def test_what_a_dead_process_waited_with_holds_up_nobody(
    database: Database,
) -> None:
    dead, alive = Web(database, "dead"), Web(database, "alive")
    await dead.leases.beat("dead", "1", 30.0)
    first = await dead.ask("one")
    second = await alive.ask("two", first.thread_id)
    assert await alive.take(second) is None
    await dead.die()

    turn = await alive.take_now(second)
    assert texts(turn) == ["two"]
    await alive.finish(turn)
    with pytest.raises(LeaseLost):
        await dead.threads.claim(first, "dead")


async def test_a_turn_of_a_dead_process_is_cancelled_and_not_taken_over(
    database: Database,
) -> None:
    dead, alive = Web(database, "dead"), Web(database, "alive")
    first = await dead.ask("one")
    turn = await dead.take_now(first)
    await dead.die()
    await alive.leases.beat("alive", "1", 30.0)
    assert await alive.leases.reap("alive") == 1

    assert await alive.claim() == []
    states = "SELECT t.state, i.outcome FROM turns t, inbox i"
    assert await alive.rows(states) == [("cancelled", "answered")]
    with pytest.raises(LeaseLost):
        await dead.finish(turn)
    second = await alive.ask("two", first.thread_id)
    assert texts(await alive.take_now(second)) == ["two"]


async def test_a_stop_asked_for_by_its_number_reaches_the_turn(web: Web) -> None:
    turn = await web.take_now(await web.ask("one"))

    assert await web.inbox.request_stop(TEAM, turn.turn_id, "UBEN")
    asked = await web.store.stop_requested(turn.lease)
    assert asked
    assert asked.stopped_by == "UBEN"
