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

from app.domain import IncomingMessage, Refusal, Turn
from app.errors import LeaseLost
from app.storage.database import Database
from app.storage.tables import metadata
from app.storage.web_threads import WebMessage, WebThreads
from tests.contracts.orders import THOROUGH
from tests.contracts.queue_words import (
    BEN,
    START,
    TEAM,
    Queue,
    edited,
    items_of,
    overheard,
    removed,
    said,
    texts,
)

T = TypeVar("T")
THREADS = st.integers(0, 2)
NUMBERS = st.integers(0, 3)
WORKERS = st.sampled_from(["one", "two"])
PICKS = st.integers(0, 99)
# A turn answers no more here, so that the bound is met.
MOST = 2


@dataclass
class Message:
    """One message as the model knows it; `removed` also when refused or dropped."""

    text: str
    seq: int
    version: int = 0
    wanted: bool = False
    removed: bool = False


@dataclass
class Thread:
    """One thread: what was said, and the turn going on in it."""

    messages: dict[int, Message] = field(default_factory=dict)
    last_seq: int = 0
    taken_seq: int = 0
    turn: range | None = None
    turn_id: int = 0
    owner: str | None = None
    epoch: int = 0
    had_a_turn: bool = False
    has_history: bool = False
    prepared: set[int] = field(default_factory=set)

    @property
    def waiting(self) -> list[Message]:
        """What is wanted of the next turns, the oldest first."""
        return sorted(
            (
                message
                for message in self.messages.values()
                if message.wanted and not message.removed and not self.is_taken(message)
            ),
            key=lambda message: message.seq,
        )

    @property
    def exists(self) -> bool:
        """Whether the bot takes part."""
        return self.had_a_turn or bool(self.waiting)

    @property
    def is_busy(self) -> bool:
        """Whether something waits or runs."""
        return self.turn is not None or bool(self.waiting)

    @property
    def is_ready(self) -> bool:
        """Whether it can be claimed."""
        return self.owner is None and self.is_busy

    def is_taken(self, message: Message) -> bool:
        """Whether a turn has it."""
        return message.seq <= self.taken_seq

    def next_seq(self) -> int:
        """Return the number of one more message."""
        self.last_seq += 1
        return self.last_seq

    def take(self) -> None:
        """Make the next turn."""
        waiting = self.waiting
        last = waiting[MOST].seq - 1 if len(waiting) > MOST else self.last_seq
        self.turn = range(self.taken_seq + 1, last + 1)
        self.taken_seq = last
        self.had_a_turn = True

    def contents(self) -> tuple[list[str], list[str]]:
        """What the turn answers and what it overhears, in the order of writing."""
        of_turn = [
            (number, message)
            for number, message in sorted(self.messages.items())
            if self.turn and message.seq in self.turn and not message.removed
        ]
        wanted = [message.text for _, message in of_turn if message.wanted]
        aside = [message for _, message in of_turn if not message.wanted]
        room = MOST - len(wanted)
        newest = sorted(message.seq for message in aside)[len(aside) - room :]
        kept = aside if room >= len(aside) else [m for m in aside if m.seq in newest]
        return wanted, [message.text for message in kept]


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
            worker: Queue(database, worker=worker, most_messages=MOST)
            for worker in ("one", "two")
        }
        self.queue = self.queues["one"]
        self.threads = {number: Thread() for number in range(3)}
        self.leased: list[tuple[int, Turn]] = []
        self.pages = WebThreads(database, TEAM)
        self.page: list[WebMessage] = []
        self.page_turn: Turn | None = None
        self.page_thread: str | None = None
        self.run(self._empty())
        self.run(self.queue.leases.beat("page", "1", 600.0))

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

    @rule(
        thread=THREADS,
        number=NUMBERS,
        version=st.integers(1, 3),
        mention=st.booleans(),
    )
    def edit(self, thread: int, number: int, version: int, mention: bool) -> None:
        """A version of a message comes, known before or not; it may add the mention."""
        self._told(thread, number, mention, version)
        words = f"{thread}.{number} v{version}"
        message = edited(_message(thread, number, mention), words, when=9000 + version)
        self.run(self.queue.add(message))

    @rule(thread=THREADS, number=NUMBERS)
    def remove(self, thread: int, number: int) -> None:
        """A message is removed, known or not."""
        place = self.threads[thread]
        known = place.messages.get(number)
        if known:
            known.removed = True
        elif place.messages or place.had_a_turn:
            gone = Message(text="", seq=place.next_seq(), removed=True)
            place.messages[number] = gone
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

    @rule(thread=THREADS)
    def say_stop(self, thread: int) -> None:
        """The word stop: it takes back what waits, or is a question like any other."""
        place = self.threads[thread]
        number = 100 + len(place.messages)
        message = replace(_message(thread, number, True), text="stop")
        added = self.run(self.queue.add(message))
        is_stop = place.is_busy
        for each in place.waiting if is_stop else ():
            each.removed = True
        place.messages[number] = Message(
            text="stop", seq=place.next_seq(), wanted=not is_stop, removed=is_stop
        )
        assert bool(added.stop) == (is_stop and place.turn is not None)

    @precondition(lambda self: self.leased)
    @rule(pick=PICKS)
    def click_stop(self, pick: int) -> None:
        """A button, new or old: it means its own turn and no newer one."""
        number, turn = self.leased[pick % len(self.leased)]
        thread = self.threads[number]
        is_current = thread.turn is not None and thread.turn_id == turn.turn_id
        asked = self.run(self.queue.inbox.request_stop(TEAM, turn.turn_id, BEN))
        assert asked == is_current

    @precondition(lambda self: self.leased)
    @rule(pick=PICKS, refuses=st.booleans())
    def prepare(self, pick: int, refuses: bool) -> None:
        """A turn's messages are written down, and its oldest author may be refused."""
        number, turn = self.leased[pick % len(self.leased)]
        thread = self.threads[number]
        refused = {turn.wanted[0].ts: Refusal.GUEST} if refuses and turn.wanted else {}
        items = [item for item in items_of(turn) if item.ts not in refused]
        work = self.queue.store.prepare(turn.lease, items, refused)
        if not self._holds(thread, turn):
            with pytest.raises(LeaseLost):
                self.run(work)
            return
        self.run(work)
        if turn.turn_id in thread.prepared:
            return
        for message in thread.messages.values():
            is_refused = refused and message.text == turn.wanted[0].text
            message.removed = message.removed or bool(is_refused)
        self._left(thread, has_items=bool(items), has_refused=bool(refused))
        if items:
            thread.prepared.add(turn.turn_id)

    def _left(self, thread: Thread, *, has_items: bool, has_refused: bool) -> None:
        """Where nobody was ever answered, a refusal of all ends taking part."""
        is_left = has_refused and not has_items and not thread.has_history
        if is_left and not thread.waiting:
            thread.had_a_turn = False
        thread.has_history = thread.has_history or has_items

    @precondition(lambda self: self.leased)
    @rule(pick=PICKS)
    def finish(self, pick: int) -> None:
        """A turn is ended, by its owner or by a former one."""
        number, turn = self.leased[pick % len(self.leased)]
        thread = self.threads[number]
        if not self._holds(thread, turn):
            with pytest.raises(LeaseLost):
                self.run(self.queue.finish(turn))
            return
        assert self.run(self.queue.finish(turn)) == bool(thread.waiting)
        thread.turn, thread.owner = None, None

    @precondition(lambda self: self.leased)
    @rule(pick=PICKS)
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

    @rule(worker=WORKERS)
    def lose_track(self, worker: str) -> None:
        """A process finds that turns are its own which it does not answer."""
        lost = [each for each in self.threads.values() if each.owner == worker]
        self.run(self.queue.leases.beat(worker, "1", 30.0))
        assert self.run(self.queue.leases.reap(worker)) == len(lost)
        for thread in lost:
            thread.owner = None

    @rule()
    def say_on_a_page(self) -> None:
        """A request of the web comes, and waits."""
        thread_id = self.page_thread
        message = self.run(self.pages.add(thread_id, str(len(self.page)), "page"))
        assert message
        self.page_thread = message.thread_id
        self.page.append(message)

    @precondition(lambda self: self.page)
    @rule(pick=PICKS)
    def claim_for_a_page(self, pick: int) -> None:
        """A request asks whether it is its turn: one at a time, the oldest first."""
        message = self.page[pick % len(self.page)]
        turn = self.run(self.pages.claim(message, "page"))
        is_next = self.page_turn is None and message is self.page[0]
        assert (turn is not None) == is_next
        if turn:
            assert len(turn.messages) == 1
            self.page_turn = turn
            self.page.pop(0)

    @precondition(lambda self: self.page_turn)
    @rule()
    def finish_on_a_page(self) -> None:
        """The web's turn ends; what waits there is nobody else's to claim."""
        assert self.page_turn
        assert not self.run(self.queue.finish(self.page_turn))
        self.page_turn = None

    @invariant()
    def nothing_waits_unseen_and_nothing_runs_twice(self) -> None:
        """What must hold after every step, seen in the tables."""
        wrong = self.run(
            self.queue.rows(
                "SELECT id FROM conversations WHERE"
                " (state = 'idle' AND wanted_seq > taken_seq AND surface = 'slack')"
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
                    text=words, seq=place.next_seq(), version=version, wanted=mention
                )
            return
        if known.removed:
            return
        gains = mention and not known.wanted
        is_taken = place.is_taken(known)
        if version > known.version:
            known.version = version
            if gains or not is_taken:
                known.text = words
        if gains:
            known.wanted = True
            if is_taken:
                known.seq = place.next_seq()

    def _claimed(
        self, number: int, ready: dict[int, Thread], turn: Turn, worker: str
    ) -> None:
        thread = ready[number]
        if thread.turn is None:
            thread.take()
        else:
            assert turn.turn_id == thread.turn_id
        assert turn.lease.epoch > thread.epoch
        thread.turn_id, thread.epoch = turn.turn_id, turn.lease.epoch
        thread.owner = worker
        self.leased.append((number, turn))
        assert (texts(turn), overheard(turn)) == thread.contents()

    def _holds(self, thread: Thread, turn: Turn) -> bool:
        return thread.owner is not None and thread.epoch == turn.lease.epoch


def test_the_queue_is_what_the_model_says(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(Database.connect(database_url))
        try:
            run_state_machine_as_test(
                lambda: QueueMachine(database, runner),  # type: ignore[arg-type]
                settings=settings(
                    max_examples=500 if THOROUGH else 20,
                    stateful_step_count=50 if THOROUGH else 25,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.close())
