"""The queue against a plain model of it, in whatever order things happen."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain import IncomingMessage, Turn
from app.errors import LeaseLost
from app.storage.database import Database
from app.storage.tables import metadata
from tests.contracts.queue_words import (
    START,
    Queue,
    edited,
    overheard,
    removed,
    said,
    texts,
)

T = TypeVar("T")
THREADS = st.integers(0, 2)
NUMBERS = st.integers(0, 3)
WORKERS = st.sampled_from(["one", "two"])


@dataclass
class Message:
    """One message as the model knows it."""

    text: str
    version: int = 0
    wanted: bool = False
    removed: bool = False
    taken: bool = False


@dataclass
class Thread:
    """One thread: what was said, and the turn going on in it."""

    messages: dict[int, Message] = field(default_factory=dict)
    turn: dict[int, Message] | None = None
    turn_id: int = 0
    owner: str | None = None
    epoch: int = 0
    had_a_turn: bool = False

    @property
    def untaken(self) -> dict[int, Message]:
        """What the next turn would have."""
        return {
            number: message
            for number, message in self.messages.items()
            if not message.taken and not message.removed
        }

    @property
    def is_wanted(self) -> bool:
        """Whether something waits for the next turn."""
        return any(message.wanted for message in self.untaken.values())

    @property
    def exists(self) -> bool:
        """Whether the bot takes part."""
        return self.had_a_turn or self.is_wanted

    @property
    def is_ready(self) -> bool:
        """Whether it can be claimed."""
        return self.owner is None and (self.turn is not None or self.is_wanted)


def _message(thread: int, number: int, mention: bool) -> IncomingMessage:
    return said(
        f"{thread}.{number}",
        when=thread * 1000 + number,
        thread=thread * 1000,
        mention=mention,
        mentions_other_first=not mention,
    )


class QueueMachine(RuleBasedStateMachine):
    """Both sides are told the same; they must agree on what comes of it."""

    def __init__(self, database: Database, runner: asyncio.Runner) -> None:
        super().__init__()
        self.runner = runner
        self.database = database
        self.queues = {
            worker: Queue(database, worker=worker) for worker in ("one", "two")
        }
        self.queue = self.queues["one"]
        self.threads = {number: Thread() for number in range(3)}
        self.leased: list[tuple[int, Turn]] = []
        self.run(self._empty())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run what belongs to the one loop."""
        return self.runner.run(work)

    async def _empty(self) -> None:
        async with self.database.write() as transaction:
            for table in reversed(metadata.sorted_tables):
                await transaction.execute(table.delete())

    @rule(thread=THREADS, number=NUMBERS, mention=st.booleans())
    def add(self, thread: int, number: int, mention: bool) -> None:
        """A message comes, or comes once more."""
        self._told(thread, number, mention, 0)
        self.run(self.queue.add(_message(thread, number, mention)))

    @rule(thread=THREADS, number=NUMBERS, version=st.integers(1, 3))
    def edit(self, thread: int, number: int, version: int) -> None:
        """A version of a message comes, known before or not."""
        self._told(thread, number, False, version)
        words = f"{thread}.{number} v{version}"
        message = edited(_message(thread, number, False), words, when=9000 + version)
        self.run(self.queue.add(message))

    @rule(thread=THREADS, number=NUMBERS)
    def remove(self, thread: int, number: int) -> None:
        """A message is removed, known or not."""
        known = self.threads[thread].messages
        place_exists = bool(known) or self.threads[thread].had_a_turn
        if number in known:
            known[number].removed = True
            known[number].text = ""
        elif place_exists:
            known[number] = Message(text="", removed=True)
        message = replace(
            removed(_message(thread, number, False)),
            thread_ts=_message(thread, 0, False).ts,
        )
        self.run(self.queue.inbox.delete(message))

    @rule(worker=WORKERS, limit=st.integers(1, 4))
    def claim(self, worker: str, limit: int) -> None:
        """A process takes what it has room for."""
        ready = {n: each for n, each in self.threads.items() if each.is_ready}
        turns = self.run(self.queues[worker].claim(limit=limit))
        assert len(turns) == min(limit, len(ready))
        for turn in turns:
            seconds = int(turn.thread.thread_ts.partition(".")[0]) - START
            self._claimed(seconds // 1000, ready, turn, worker)

    @precondition(lambda self: self.leased)
    @rule(pick=st.integers(0, 99))
    def finish(self, pick: int) -> None:
        """A turn is ended, by its owner or by a former one."""
        number, turn = self.leased[pick % len(self.leased)]
        thread = self.threads[number]
        if not self._holds(thread, turn):
            with pytest.raises(LeaseLost):
                self.run(self.queue.finish(turn))
            return
        assert self.run(self.queue.finish(turn)) == thread.is_wanted
        thread.turn, thread.owner = None, None

    @precondition(lambda self: self.leased)
    @rule(pick=st.integers(0, 99))
    def release(self, pick: int) -> None:
        """A turn is given back, by its owner or by a former one."""
        number, turn = self.leased[pick % len(self.leased)]
        thread = self.threads[number]
        if not self._holds(thread, turn):
            with pytest.raises(LeaseLost):
                self.run(self.queue.store.release(turn.lease))
            return
        self.run(self.queue.store.release(turn.lease))
        thread.owner = None

    @rule(worker=WORKERS)
    def die(self, worker: str) -> None:
        """A process dies, and another one sees it."""
        lost = [each for each in self.threads.values() if each.owner == worker]
        self.run(self.queue.leases.retire(worker))
        self.run(self.queue.leases.beat("somebody else", "1", 30.0))
        assert self.run(self.queue.leases.reap("somebody else")) == len(lost)
        for thread in lost:
            thread.owner = None

    @invariant()
    def nothing_waits_unseen_and_nothing_runs_twice(self) -> None:
        """What must hold after every step, seen in the tables."""
        wrong = self.run(
            self.queue.rows(
                "SELECT id FROM conversations WHERE"
                " (state = 'idle' AND wanted_seq > taken_seq)"
                " OR (state = 'ready' AND turn_id IS NULL AND wanted_seq <= taken_seq)"
                " OR (state = 'running') <> (owner IS NOT NULL)"
                " OR taken_seq > inbox_seq OR wanted_seq > inbox_seq"
            )
        )
        ranges = self.run(
            self.queue.rows(
                "SELECT conversation_id, first_seq, last_seq FROM turns"
                " ORDER BY conversation_id, id"
            )
        )
        ready = self.run(
            self.queue.rows("SELECT count(*) FROM conversations WHERE state='ready'")
        )
        assert wrong == []
        assert ready[0][0] == sum(each.is_ready for each in self.threads.values())
        last: dict[int, int] = {}
        for conversation_id, first_seq, last_seq in ranges:
            assert first_seq == last.get(conversation_id, 0) + 1
            assert last_seq >= first_seq
            last[conversation_id] = last_seq

    def _told(self, thread: int, number: int, mention: bool, version: int) -> None:
        place = self.threads[thread]
        known = place.messages.get(number)
        words = f"{thread}.{number}" + (f" v{version}" if version else "")
        if known is None:
            if mention or place.exists:
                place.messages[number] = Message(
                    text=words, version=version, wanted=mention
                )
            return
        if known.removed:
            return
        if version > known.version:
            known.version = version
            if not known.taken:
                known.text = words
        if mention and not known.wanted:
            known.wanted = True
            if known.taken:
                known.taken = False
                if place.turn is not None:
                    place.turn.pop(number, None)

    def _claimed(
        self, number: int, ready: dict[int, Thread], turn: Turn, worker: str
    ) -> None:
        thread = ready[number]
        if thread.turn is None:
            thread.turn = thread.untaken
            for message in thread.turn.values():
                message.taken = True
            thread.had_a_turn = True
        else:
            assert turn.turn_id == thread.turn_id
        assert turn.lease.epoch > thread.epoch
        thread.turn_id, thread.epoch = turn.turn_id, turn.lease.epoch
        thread.owner = worker
        self.leased.append((number, turn))
        left = [each for _, each in sorted(thread.turn.items()) if not each.removed]
        assert texts(turn) == [each.text for each in left if each.wanted]
        assert overheard(turn) == [each.text for each in left if not each.wanted]

    def _holds(self, thread: Thread, turn: Turn) -> bool:
        return thread.owner is not None and thread.epoch == turn.lease.epoch


def test_the_queue_is_what_the_model_says(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(Database.connect(database_url))
        try:
            run_state_machine_as_test(
                lambda: QueueMachine(database, runner),  # type: ignore[arg-type]
                settings=settings(
                    max_examples=20,
                    stateful_step_count=25,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.close())
