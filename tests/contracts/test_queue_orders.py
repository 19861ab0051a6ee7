"""Whatever order the statements come in: nothing is lost, nothing is answered twice."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from app.domain import Turn
from app.storage.database import Database
from app.storage.inbox import Added
from tests.contracts.orders import Orders, Work
from tests.contracts.queue_words import Queue, removed, said, texts


@pytest.fixture
async def orders(database: Database, database_url: str) -> AsyncIterator[Orders]:
    observer = await Database.connect(database_url)
    yield Orders(database, observer)
    await observer.close()


class Stage:
    """A thread of its own for each order."""

    def __init__(self, database: Database) -> None:
        self.queue = Queue(database)
        self.other = Queue(database, worker="other")
        self.count = 0

    @property
    def root(self) -> int:
        return self.count * 10

    async def begin(self) -> None:
        self.count += 1
        await self.queue.leases.beat("other", "1", 30.0)
        await self.queue.add(said("first", when=self.root, mention=True))

    def second(self) -> Work:
        message = said("second", when=self.root + 1, thread=self.root, mention=True)
        return partial(self.queue.add, message)

    def claim(self) -> Work:
        return partial(self.other.store.claim, "other", 10)

    async def rest(self, claimed: Sequence[Turn] = ()) -> list[list[str]]:
        """End what was claimed and all that is left; what they answered, in order."""
        answered = []
        while claimed:
            for turn in claimed:
                answered.append(texts(turn))
                await self.queue.finish(turn)
            claimed = await self.queue.claim()
        answered += [texts(turn) for turn in await self.queue.answer_all()]
        return answered

    async def states(self) -> list[tuple[str, int]]:
        return await self.queue.rows(
            "SELECT state, wanted_seq - taken_seq FROM conversations"
            " WHERE state <> 'idle' OR wanted_seq > taken_seq"
        )


async def test_a_message_that_comes_while_a_turn_ends_is_answered_next(
    database: Database, orders: Orders
) -> None:
    stage = Stage(database)

    async def set_up() -> list[Work]:
        await stage.begin()
        turn = await stage.queue.claim_one()
        return [stage.second(), partial(stage.queue.finish, turn)]

    async for added, is_more in orders.all(set_up):
        assert isinstance(added, Added)
        # Whoever makes it ready knows, and wakes those who claim.
        assert bool(added.ready_conversation_id) != is_more
        assert await stage.states() == [("ready", 1)]
        assert await stage.rest() == [["second"]]

    assert stage.count >= 10


async def test_a_message_that_comes_during_a_claim_is_answered_once(
    database: Database, orders: Orders
) -> None:
    stage = Stage(database)

    async def set_up() -> list[Work]:
        await stage.begin()
        return [stage.second(), stage.claim()]

    seen = set()
    async for _, claimed in orders.all(set_up):
        answered = await stage.rest(claimed)
        assert answered in ([["first", "second"]], [["first"], ["second"]])
        assert await stage.states() == []
        seen.add(len(answered))

    assert seen == {1, 2}
    assert stage.count >= 10


async def test_a_message_an_end_and_a_claim_at_once_leave_nothing_unseen(
    database: Database, orders: Orders
) -> None:
    stage = Stage(database)

    async def set_up() -> list[Work]:
        await stage.begin()
        turn = await stage.queue.claim_one()
        return [stage.second(), partial(stage.queue.finish, turn), stage.claim()]

    async for added, is_more, claimed in orders.all(set_up, sampled=True):
        # Whoever makes it ready knows, and wakes those who claim.
        assert bool(added.ready_conversation_id) != is_more
        is_left = ("running", 0) if claimed else ("ready", 1)
        assert await stage.states() == [is_left]
        assert await stage.rest(claimed) == [["second"]]
    assert stage.count >= 10


async def test_a_message_removed_during_a_claim_is_not_answered_and_leaves_no_text(
    database: Database, orders: Orders
) -> None:
    stage = Stage(database)

    async def set_up() -> list[Work]:
        await stage.begin()
        first = said("first", when=stage.root, mention=True)
        return [partial(stage.queue.inbox.delete, removed(first)), stage.claim()]

    async for removal, claimed in orders.all(set_up, sampled=True):
        for turn in claimed:
            # Taken before it went: then its turn is told to end.
            assert removal.stop or texts(turn) == []
            await stage.queue.finish(turn)
        assert await stage.queue.claim() == []
        assert await stage.states() == []
    assert stage.count >= 10
