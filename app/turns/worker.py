"""What drains the queue: claims turns, keeps the lease, lets go when it is lost."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from app import telemetry
from app.crash import crash
from app.domain import (
    Ending,
    Lease,
    RunStatus,
    SlackThread,
    StopRequest,
    Surface,
    Turn,
    TurnState,
)
from app.errors import AccessLost, DatabaseUnavailable, LeaseLost
from app.storage.leases import Leases
from app.storage.news import News
from app.storage.turns import TurnStore
from app.storage.wakeup import Changed, Hint, Joined, Missed, Ready, Wakeup
from app.turns.answer import Answerer, TurnStop
from app.turns.reply import Reply
from app.turns.side_tasks import SideTasks
from app.turns.tenure import Tenure

log = logging.getLogger(__name__)

ShowQueued = Callable[
    [SlackThread, Callable[[], Awaitable[bool]]], Coroutine[Any, Any, None]
]

ClaimOne = Callable[[], Awaitable[Turn | None]]

_QUEUED_AFTER = 1.0
# Beyond this Slack would not let us tell them in time.
_MOST_QUEUED_TOLD = 100
_AFTER_A_FAILURE = 1.0
# Seconds: what runs us may grant ten between the word to end and the kill.
_LEAVING = 3.5
_RETIRING = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """How much one process takes on; times in seconds."""

    turns: int = 200
    turns_per_team: int = 50
    lease: float = 4.0
    beat: float = 1.0
    reap: float = 0.5
    sweep: float = 2.0


@dataclass(slots=True, kw_only=True)
class _Running:
    """A turn of ours, and what the rest of the process may do to it."""

    turn: Turn
    stop: TurnStop = field(default_factory=TurnStop)
    reply: Reply | None = None
    task: asyncio.Task[None] | None = None

    def learn(self, news: News) -> None:
        if news.stop:
            self.stop.request(news.stop)
        if self.reply:
            self.reply.show_waiting(news.waiting)


class Worker:
    """Answers turns of many threads at once, one at a time for each thread."""

    def __init__(
        self,
        worker_id: str,
        *,
        store: TurnStore,
        leases: Leases,
        wakeup: Wakeup,
        limits: WorkerLimits | None = None,
        show_queued: ShowQueued,
        quiet: Callable[[], Awaitable[None]] | None = None,
        has_access: Callable[[], bool] = lambda: True,
    ) -> None:
        """`quiet` waits a moment for the calls to Slack that are under way.

        Nothing of the queue is claimed while `has_access` is false.
        """
        self._worker_id = worker_id
        self._store = store
        self._leases = leases
        self._wakeup = wakeup
        self._limits = limits or WorkerLimits()
        self._show_queued = show_queued
        self._quiet = quiet
        self._has_access = has_access
        self._handing_over: asyncio.Task[None] | None = None
        self._running: dict[int, _Running] = {}
        self._changed: set[int] = set()
        self._news = Wakeup()
        self._looks_around_at = 0.0
        self._tenure = Tenure(
            worker_id,
            leases,
            lease=self._limits.lease,
            beat=self._limits.beat,
            on_lapse=self._let_go,
        )
        self._tasks = SideTasks()
        self._queued = SideTasks()
        self._claiming = asyncio.Lock()

    async def start(self, answerer: Answerer) -> None:
        """Take the lease, then begin to claim turns and to answer them."""
        await self._tenure.begin()
        self._tasks.repeat(self._tenure.keep)
        self._tasks.repeat(self._reap)
        self._tasks.repeat(lambda: self._drain(answerer))
        self._tasks.repeat(self._catch_up)

    def hand_over(self) -> None:
        """Claim nothing more; let others go on with the turns of Slack at once."""
        if self._handing_over is None:
            self._handing_over = self._tasks.start(self._leave())

    async def close(self) -> None:
        """Hand over, end what only this process could answer, and give up the lease.

        Takes seconds, not more: what a database that is away keeps us from handing over
        is taken up once the lease has run out.
        """
        self.hand_over()
        if self._handing_over:
            await asyncio.wait([self._handing_over])
        left = list(self._running.values())
        await self._queued.cancel(_RETIRING)
        await self._tasks.cancel(_RETIRING)
        crash("C15")
        try:
            async with asyncio.timeout(_RETIRING):
                for each in left:
                    await self._release(each.turn)
                await self._tenure.end()
        except TimeoutError:
            log.warning(
                "others take over in some seconds, the database does not answer"
            )

    @property
    def worker_id(self) -> str:
        """The name of this process among all that work on the queue."""
        return self._worker_id

    def holds(self, lease: Lease) -> bool:
        """Whether this process may still write for the turn, by its own clock."""
        running = self._running.get(lease.conversation_id)
        return (
            running is not None
            and running.turn.lease == lease
            and self._tenure.is_alive
        )

    async def answer_here(
        self, claim: ClaimOne, answerer: Answerer, stop: TurnStop, *, team_id: str
    ) -> bool:
        """Answer the one turn of a team that `claim` takes, within this call.

        False when there was none to take, or no place or lease to take it with. Raises
        DatabaseUnavailable when nothing was taken; what happens later is the reply's.
        """
        async with self._claiming:
            free = self._may_claim and not self._is_full(team_id)
            lapses = self._tenure.lapses
            turn = await claim() if free else None
            if turn is None or not self._holds_since(lapses):
                return False
            running = self._take(turn, answerer, stop)
        if running.task:
            await asyncio.wait([running.task])
        return True

    @property
    def is_alive(self) -> bool:
        """Whether the lease of this process holds."""
        return self._tenure.is_alive

    @property
    def _may_claim(self) -> bool:
        return self.is_alive and self._handing_over is None

    def request_stop(self, stop: StopRequest) -> bool:
        """End the turn, normally, as cancelled; false when it does not run here."""
        for running in self._running.values():
            if running.turn.turn_id == stop.turn_id:
                running.stop.request(stop)
                return True
        return False

    def message_added(self, conversation_id: int, thread: SlackThread) -> None:
        """Claim soon; where no place is free let the people see that they wait."""
        self._wakeup.wake()
        if not self._is_full(thread.team_id):
            return
        if len(self._queued) < _MOST_QUEUED_TOLD:
            self._queued.start(self._say_queued(conversation_id, thread))
        else:
            telemetry.count("worker.queued_not_shown")

    def conversation_changed(self, conversation_id: int) -> None:
        """See whether its turn is to stop, and how many messages wait for its end."""
        if conversation_id in self._running:
            self._changed.add(conversation_id)
            self._news.wake()

    def hear(self, hint: Hint) -> None:
        """Do at once what would be done at the next look around."""
        match hint:
            case Ready():
                self._wakeup.wake()
            case Changed(conversation_id=conversation_id):
                self.conversation_changed(conversation_id)
            case Missed():
                self._wakeup.wake()
                self._looks_around_at = 0.0
                self._news.wake()
            case Joined():
                # That is for answers to say, and changes no turn.
                pass

    async def _drain(self, answerer: Answerer) -> None:
        free = self._limits.turns - len(self._running)
        async with self._claiming:
            lapses = self._tenure.lapses
            may_claim = self._may_claim and self._has_access()
            claimed = await self._claim(free) if free and may_claim else []
            # What came too late is not touched: the reaper finds it.
            for turn in claimed if self._holds_since(lapses) else ():
                self._take(turn, answerer)
        if not claimed:
            await self._wakeup.wait(self._limits.sweep)

    async def _catch_up(self) -> None:
        """Bring our turns what was said to have happened; from time to time, anything.

        Whether it was said here, elsewhere or not at all, the tables know.
        """
        await self._news.wait(max(0.0, self._looks_around_at - time.monotonic()))
        changed, self._changed = self._changed, set()
        running = {key: each for key, each in self._running.items() if key in changed}
        if time.monotonic() >= self._looks_around_at:
            self._looks_around_at = time.monotonic() + self._limits.sweep
            running = dict(self._running)
        if not running:
            return
        try:
            news = await self._store.news(
                [each.turn.lease for each in running.values()]
            )
        except DatabaseUnavailable:
            log.warning("no news of turns, the database does not answer")
            return
        by_turn = {each.turn.turn_id: each for each in running.values()}
        for each in news:
            if of_turn := by_turn.get(each.turn_id):
                of_turn.learn(each)

    def _holds_since(self, lapses: int) -> bool:
        return self.is_alive and self._tenure.lapses == lapses

    async def _claim(self, free: int) -> list[Turn]:
        teams = Counter(each.turn.lease.team_id for each in self._running.values())
        most = self._limits.turns_per_team
        full = [team_id for team_id, count in teams.items() if count >= most]
        # All that is claimed may be of the team that has the least room.
        room = most - max(
            (count for count in teams.values() if count < most), default=0
        )
        try:
            return await self._store.claim(self._worker_id, min(free, room), full)
        except DatabaseUnavailable:
            log.warning("nothing claimed, the database does not answer")
            return []

    def _take(
        self, turn: Turn, answerer: Answerer, stop: TurnStop | None = None
    ) -> _Running:
        running = _Running(turn=turn, stop=stop or TurnStop())
        self._running[turn.lease.conversation_id] = running
        if turn.attempt:
            telemetry.count("turns.taken_over")
        running.task = self._tasks.start(self._answer(running, answerer))
        return running

    async def _answer(self, running: _Running, answerer: Answerer) -> None:
        lease = running.turn.lease

        def opened(reply: Reply) -> None:
            running.reply = reply

        try:
            await answerer.answer(running.turn, running.stop, opened)
        except LeaseLost:
            log.info("turn lost to another process", extra={"turn_id": lease.turn_id})
        except (DatabaseUnavailable, AccessLost):
            log.warning("turn broken off", extra={"turn_id": lease.turn_id})
            await self._give_back(running.turn)
        finally:
            # The thread may be ours anew already, with its next turn.
            if self._running.get(lease.conversation_id) is running:
                del self._running[lease.conversation_id]
            self._wakeup.wake()

    async def _reap(self) -> None:
        await asyncio.sleep(self._limits.reap)
        if not self._tenure.may_judge:
            return
        try:
            # Not while a claim is under way: its turns would look abandoned by us.
            async with self._claiming:
                if not self._may_claim:
                    return
                reaped = await self._leases.reap(self._worker_id, list(self._running))
        except DatabaseUnavailable:
            log.warning("no look at the others, the database does not answer")
            return
        if reaped:
            self._wakeup.wake()

    def _let_go(self) -> None:
        """End what is under way at once; nothing is written for it any more."""
        for running in self._running.values():
            if running.task:
                running.task.cancel()
        self._running.clear()

    async def _give_back(self, turn: Turn) -> None:
        """Let the turn go on from its last commit, as soon as the database is back."""
        while self.holds(turn.lease):
            try:
                await self._hand_over(turn)
            except DatabaseUnavailable:
                await asyncio.sleep(_AFTER_A_FAILURE)
            except LeaseLost:
                return
            else:
                return

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(_LEAVING):
                # A claim under way still brings its turns.
                async with self._claiming:
                    ours = list(self._running.values())
                slack = [each for each in ours if each.turn.surface is Surface.SLACK]
                await asyncio.gather(*(self._let_others_go_on(each) for each in slack))
        except TimeoutError:
            log.warning("turns not handed over in time")

    async def _let_others_go_on(self, running: _Running) -> None:
        if running.task:
            running.task.cancel()
            await asyncio.wait([running.task])
        if self._quiet:
            # Else what is on its way to Slack might land after another's newer text.
            await self._quiet()
        await self._release(running.turn)

    async def _release(self, turn: Turn) -> None:
        try:
            await self._hand_over(turn)
        except LeaseLost:
            log.debug("turn had ended already", extra={"turn_id": turn.turn_id})
        except DatabaseUnavailable:
            # Whoever misses our heartbeat takes it up.
            log.warning("turn not handed over", extra={"turn_id": turn.turn_id})

    async def _hand_over(self, turn: Turn) -> None:
        if turn.surface is Surface.SLACK:
            await self._store.release(turn.lease)
            return
        # Its reader waits here, and nobody else could answer there.
        ending = Ending(status=RunStatus.CANCELLED)
        await self._store.finish(turn.lease, ending, TurnState.CANCELLED)

    def _is_full(self, team_id: str) -> bool:
        of_team = sum(
            each.turn.lease.team_id == team_id for each in self._running.values()
        )
        return (
            len(self._running) >= self._limits.turns
            or of_team >= self._limits.turns_per_team
        )

    async def _say_queued(self, conversation_id: int, thread: SlackThread) -> None:
        await asyncio.sleep(_QUEUED_AFTER)

        async def is_queued() -> bool:
            return await self._store.is_ready(thread.team_id, conversation_id)

        await self._show_queued(thread, is_queued)
