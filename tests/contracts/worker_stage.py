"""A worker whose turns wait at their beginning, on either database."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain import Turn
from app.storage.data_messages import DataMessages
from app.storage.database import Database
from app.storage.doubts import Doubts
from app.storage.leases import Leases
from app.storage.policy import AnswerPolicy
from app.storage.rooms import Rooms
from app.storage.tool_calls import ToolLedger
from app.storage.turns import TurnStore
from app.storage.wakeup import Wakeup
from app.tools.home import home_tools
from app.tools.toolbox import Toolbox
from app.turns.answer import Answerer
from app.turns.prepare import Gathered, Preparation
from app.turns.run_turn import TurnRunner
from app.turns.worker import Worker, WorkerLimits
from tests.contracts.queue_words import Queue, said
from tests.fakes import RecordingReply, ScriptedAssistant

LIMITS = WorkerLimits(turns=10, turns_per_team=3, sweep=60)


@dataclass(kw_only=True)
class Shift:
    """A worker whose turns all stop at their very beginning, until they are let on."""

    queue: Queue
    worker: Worker
    begun: list[Turn] = field(default_factory=list)
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    one_more: asyncio.Event = field(default_factory=asyncio.Event)

    async def open_reply(self, turn: Turn) -> RecordingReply:
        self.begun.append(turn)
        self.one_more.set()
        gate = self.gates.setdefault(turn.lease.epoch, asyncio.Event())
        await gate.wait()
        return RecordingReply()

    async def ask(self, *when: int, thread: int | None = None) -> None:
        for each in when:
            message = said("hello", when=each, thread=thread, mention=True)
            await self.queue.add(message)
            self.worker.message_added(0, message.thread)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.one_more.clear()
                await self.one_more.wait()

    async def worker_is(self, *, alive: bool) -> None:
        async with asyncio.timeout(10):
            while self.worker.is_alive != alive:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    def answerer(self, database: Database) -> Answerer:
        ledger, store = ToolLedger(database), TurnStore(database)

        async def name_of(_: str, user_id: str) -> str:
            return user_id

        async def gather(_: Turn) -> Gathered:
            return Gathered(items=(), people={})

        async def tell(*_: object, in_thread: bool) -> None:
            """Nobody is refused here."""

        return Answerer(
            open_reply=self.open_reply,
            name_of=name_of,
            preparation=Preparation(
                store=store,
                gather=gather,
                tell_refusal=tell,
                policy=AnswerPolicy(),
                turns_per_hour=0,
            ),
            runner=TurnRunner(
                assistant=ScriptedAssistant(),
                toolbox=Toolbox(home_tools(Rooms(database)), ledger),
                ledger=ledger,
            ),
            store=store,
            data_messages=DataMessages(database),
            doubts=Doubts(database),
        )


async def _show_queued(*_: object) -> None:
    """Nobody looks."""


async def working(
    database: Database,
    store: TurnStore | None = None,
    leases: Leases | None = None,
    limits: WorkerLimits = LIMITS,
) -> Shift:
    worker = Worker(
        "worker-1",
        store=store or TurnStore(database),
        leases=leases or Leases(database),
        wakeup=Wakeup(),
        limits=limits,
        show_queued=_show_queued,
    )
    shift = Shift(queue=Queue(database), worker=worker)
    await worker.start(shift.answerer(database))
    return shift
