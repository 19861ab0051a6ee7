"""One claimed turn, from the first sign to the freed thread."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from app import telemetry
from app.crash import crash
from app.domain import (
    REPLY_DELETED,
    DataMessage,
    Doubt,
    Ending,
    Run,
    RunError,
    RunStatus,
    StopRequest,
    StoredDataMessage,
    Turn,
    TurnState,
    Usage,
)
from app.errors import AssistantError, DatabaseUnavailable, LeaseLost
from app.storage.data_messages import DataMessages
from app.storage.doubts import Doubts
from app.storage.turns import TurnStore
from app.turns.prepare import Ask, Nothing, Preparation, Say
from app.turns.reply import Reply
from app.turns.run_turn import TurnRun, TurnRunner, usage_of
from app.turns.stopping import until_stopped

T = TypeVar("T")

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
_NOT_THROUGH = "I tried three times and did not get through."
_PATIENCE = 1.0
# How long a stop waits for the question to be in the history, and nobody longer.
_GRACE = 1.0

OpenReply = Callable[[Turn], Awaitable[Reply]]
Bill = Callable[[Usage], str]
NameOf = Callable[[str, str], Awaitable[str]]

_STATES = {
    RunStatus.COMPLETED: TurnState.DONE,
    RunStatus.INCOMPLETE: TurnState.DONE,
    RunStatus.CANCELLED: TurnState.CANCELLED,
}


class TurnStop:
    """Whether, and by whom, the end of a running turn was asked for."""

    def __init__(self) -> None:
        self.event = asyncio.Event()
        self.stopped_by: str | None = None

    @property
    def is_question_deleted(self) -> bool:
        """Whether the turn is to end because what it answers is gone."""
        return self.stopped_by == ""

    @property
    def is_reply_deleted(self) -> bool:
        """Whether the turn is to end because somebody removed its answer."""
        return self.stopped_by == REPLY_DELETED

    @property
    def person(self) -> str | None:
        """Who asked for it, if that is known."""
        return None if self.is_reply_deleted else self.stopped_by or None

    def request(self, stop: StopRequest) -> None:
        """Ask for the end; only the first to ask is named."""
        if not self.event.is_set():
            self.stopped_by = stop.stopped_by
            self.event.set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """Answers claimed turns; what becomes of one never touches another.

    `bill` says what an answer has cost, where people are to know.
    """

    open_reply: OpenReply
    name_of: NameOf
    preparation: Preparation
    runner: TurnRunner
    store: TurnStore
    data_messages: DataMessages
    doubts: Doubts
    bill: Bill | None = None

    async def answer(
        self, turn: Turn, stop: TurnStop, on_open: Callable[[Reply], None]
    ) -> bool:
        """Answer `turn` and free its conversation; true when more is wanted there.

        Raises LeaseLost, having written nothing more, when somebody else goes on, and
        DatabaseUnavailable when the turn must go on later from its last commit.
        """
        crash("C3")
        if turn.attempt > MAX_ATTEMPTS + 1:
            # Not even its reply can be opened.
            ending = turn.ending or _GIVEN_UP
            return await self._free(turn, replace(ending, blocked_by="crashed"))
        started = time.monotonic() - turn.age
        reply = await self.open_reply(turn)
        on_open(reply)
        if turn.ending:
            await self._show_again(turn, reply)
            return await self._tell(turn, reply, turn.ending)
        ended = await self._guarded(turn, stop, reply)
        if ended is None:
            return await self._withdraw(turn, reply, _NOTHING_SAID)
        if stop.is_question_deleted and await self._said_nothing(turn, ended):
            return await self._withdraw(turn, reply, _ABANDONED)
        if ended.doubt and await self._is_asked(turn, reply, ended.doubt):
            return await self.doubts.suspend(turn.lease)
        ending = await self._ending(turn, stop, ended, time.monotonic() - started)

        async def conclude() -> None:
            await self.store.conclude(
                turn.lease, ending, ended.run.output, ended.unfinished_text
            )

        await _written(turn, conclude)
        return await self._tell(turn, reply, ending)

    async def _is_asked(self, turn: Turn, reply: Reply, doubt: Doubt) -> bool:
        await self.doubts.raise_doubt(turn.lease, doubt)
        return await reply.ask(doubt)

    async def _withdraw(self, turn: Turn, reply: Reply, ending: Ending) -> bool:
        blocked_by = await reply.withdraw()
        return await self._free(turn, replace(ending, blocked_by=blocked_by))

    async def _tell(self, turn: Turn, reply: Reply, ending: Ending) -> bool:
        if turn.attempt > MAX_ATTEMPTS:
            # Even saying that it failed has failed: let the next message have its turn.
            return await self._free(turn, replace(ending, blocked_by="crashed"))
        crash("C13")
        blocked_by = await reply.finish(ending)
        crash("C14")
        return await self._free(turn, replace(ending, blocked_by=blocked_by))

    async def _guarded(
        self, turn: Turn, stop: TurnStop, reply: Reply
    ) -> TurnRun | None:
        try:
            return await self._run(turn, stop, reply)
        except (LeaseLost, DatabaseUnavailable):
            raise
        except AssistantError as error:
            return _failed(error.code, error.message)
        except Exception as error:  # noqa: BLE001 - the edge of one turn
            facts = telemetry.fault(error)
            log.error(  # noqa: TRY400 - the error's own words may quote a message
                "turn failed", extra={"turn_id": turn.turn_id, **facts}
            )
            return _failed("internal", "Something went wrong on my side.")

    async def _run(self, turn: Turn, stop: TurnStop, reply: Reply) -> TurnRun | None:
        if turn.attempt >= MAX_ATTEMPTS:
            if turn.attempt == MAX_ATTEMPTS:
                await self._show_again(turn, reply)
            return _failed("crashed", _NOT_THROUGH)
        if earlier := await self.store.stop_requested(turn.lease):
            stop.request(earlier)
        prepared = await until_stopped(
            self.preparation.prepare(turn), stop.event, grace=_GRACE
        )
        match prepared:
            case Nothing() if not stop.is_question_deleted:
                return None
            case None | Nothing():
                return await self._abandoned(turn, reply)
            case Ask() if stop.event.is_set():
                # Stopped before anything was asked.
                return await self._abandoned(turn, reply)
            case Say(text=text):
                reply.append(text)
                completed = Run(run_id="", status=RunStatus.COMPLETED)
                return TurnRun(run=completed, unfinished_text=text)
            case Ask(turn=asked, notice=notice):
                return await self._ask(asked, stop, reply, notice)

    async def _ask(
        self, turn: Turn, stop: TurnStop, reply: Reply, notice: DataMessage | None
    ) -> TurnRun:
        async def store_data(message: DataMessage) -> StoredDataMessage:
            return await self.data_messages.store(turn.lease, message)

        if notice:
            await store_data(notice)
        await self._show_again(turn, reply)
        return await self.runner.run_turn(
            turn, reply=reply, store_data=store_data, stop=stop.event
        )

    async def _show_again(self, turn: Turn, reply: Reply) -> None:
        """Tell the reply what a former owner of the turn has committed."""
        # What joins a card comes before the text below it.
        for message in await self.data_messages.unshown(turn.lease):
            reply.attach(message)
        if turn.is_prepared:
            await self.runner.replay(turn, reply)

    async def _abandoned(self, turn: Turn, reply: Reply) -> TurnRun:
        await self._show_again(turn, reply)
        return await self.runner.abandon(turn)

    async def _said_nothing(self, turn: Turn, ended: TurnRun) -> bool:
        """Whether people would miss nothing if the reply went away."""
        return (
            ended.run.status is RunStatus.CANCELLED
            and not ended.unfinished_text
            and not await self.data_messages.of_turn(turn.lease)
            and not await self.runner.assistant.said(turn)
        )

    async def _ending(
        self, turn: Turn, stop: TurnStop, ended: TurnRun, seconds: float
    ) -> Ending:
        run = ended.run
        error_id = None
        if run.error:
            error_id = secrets.token_hex(2)
            log.warning(
                "run failed",
                extra={
                    "error_id": error_id,
                    "turn_id": turn.turn_id,
                    "run_id": run.run_id,
                    "code": run.error.code,
                    "request_id": run.error.request_id,
                },
            )
        telemetry.count(f"turns.{run.status}")
        usage = usage_of(turn, run)
        stopped_by = None
        if run.status is RunStatus.CANCELLED and stop.person:
            stopped_by = await self.name_of(turn.lease.team_id, stop.person)
        is_broken = run.status in (RunStatus.FAILED, RunStatus.EXPIRED)
        return Ending(
            status=run.status,
            seconds=seconds,
            usage=usage,
            bill=self.bill(usage) if self.bill and usage else "",
            error=run.error,
            error_id=error_id,
            incomplete_reason=run.incomplete_reason,
            stopped_by=stopped_by,
            question_deleted=stop.is_question_deleted,
            reply_deleted=stop.is_reply_deleted,
            changed_something=is_broken and await self.runner.has_changed(turn),
        )

    async def _free(self, turn: Turn, ending: Ending) -> bool:
        state = _STATES.get(ending.status, TurnState.FAILED)

        async def finish() -> bool:
            return await self.store.finish(turn.lease, ending, state)

        return await _written(turn, finish)


_NOTHING_SAID = Ending(status=RunStatus.COMPLETED)
_GIVEN_UP = Ending(
    status=RunStatus.FAILED,
    error=RunError(code="crashed", message=_NOT_THROUGH),
)
_ABANDONED = Ending(status=RunStatus.CANCELLED, question_deleted=True)


async def _written(turn: Turn, write: Callable[[], Awaitable[T]]) -> T:
    """Write the end; while the database is away, try until the lease is lost."""
    while True:
        try:
            return await write()
        except DatabaseUnavailable:
            log.warning("turn end not saved", extra={"turn_id": turn.turn_id})
            await asyncio.sleep(_PATIENCE)


def _failed(code: str, message: str) -> TurnRun:
    error = RunError(code=code, message=message)
    return TurnRun(run=Run(run_id="", status=RunStatus.FAILED, error=error))
