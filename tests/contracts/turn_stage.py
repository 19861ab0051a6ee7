"""A thread in which somebody wrote, with its real history, ledger and rooms."""

from dataclasses import dataclass, field
from typing import Any

from app.domain import (
    ItemKind,
    MessageStarted,
    Person,
    Refusal,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    SlackThread,
    TextDelta,
    TextDone,
    ThreadItem,
    ToolCall,
    Turn,
)
from app.storage.data_messages import DataMessages
from app.storage.database import Database
from app.storage.doubts import Doubts
from app.storage.inbox import Inbox
from app.storage.leases import Leases
from app.storage.policy import AnswerPolicy
from app.storage.rooms import Rooms
from app.storage.tool_calls import ToolLedger
from app.storage.turns import TurnStore
from app.tools.home import home_tools
from app.tools.tool import Tool
from app.tools.toolbox import Toolbox
from app.turns.answer import Answerer, TurnStop
from app.turns.prepare import Gather, Gathered, Preparation
from app.turns.run_turn import TurnRunner
from tests.contracts.queue_words import ANA, BEN, TEAM, said
from tests.fakes import RecordingReply, ScriptedAssistant

WORKER = "worker-1"


def update(status: RunStatus, *calls: ToolCall, text: str = "") -> RunUpdate:
    output = [
        {"type": "function_call", "call_id": call.call_id, "name": call.name}
        for call in calls
    ]
    if text:
        content = [{"type": "output_text", "text": text}]
        message = {"type": "message", "role": "assistant", "content": content}
        output.insert(0, message)  # type: ignore[arg-type]
    run = Run(run_id="r1", status=status, tool_calls=calls, output=tuple(output))
    return RunUpdate(f"thread.run.{status}", run)


def saying(text: str) -> list[RunEvent]:
    return [
        MessageStarted("thread.message.created", "m1"),
        TextDelta("thread.message.delta", text),
        TextDone("thread.message.completed", text),
        update(RunStatus.COMPLETED, text=text),
    ]


def setting(room: str, temperature: float, call_id: str = "c1") -> ToolCall:
    return ToolCall(
        call_id=call_id,
        name="setRoomTemperature",
        arguments=f'{{"room": "{room}", "temperature": {temperature}}}',
    )


def calling(*calls: ToolCall) -> list[RunEvent]:
    return [update(RunStatus.REQUIRES_ACTION, *calls)]


@dataclass(kw_only=True)
class Stage:
    """A thread in which Ana has just written to the bot."""

    database: Database
    reply: RecordingReply = field(default_factory=RecordingReply)
    people: dict[str, Person] = field(default_factory=dict)
    told: list[tuple[str, Refusal]] = field(default_factory=list)
    history_refused: str | None = None
    turns_per_hour: int = 0
    tools: tuple[Tool, ...] = ()
    gathering: Gather | None = None

    def __post_init__(self) -> None:
        self.store = TurnStore(self.database)
        self.ledger = ToolLedger(self.database)
        self.data_messages = DataMessages(self.database)
        self.inbox = Inbox(self.database, AnswerPolicy())
        self.rooms = Rooms(self.database)

    async def turn(
        self,
        text: str = "set the kitchen to 23",
        **more: Any,  # noqa: ANN401 - what `said` takes
    ) -> Turn:
        await self.inbox.add(said(text, mention=True, **more), None)
        return await self.claimed()

    async def claimed(self) -> Turn:
        await Leases(self.database).beat(WORKER, "1", 60)
        [turn] = await self.store.claim(WORKER, 1)
        return turn

    async def answer(
        self, turn: Turn, assistant: ScriptedAssistant, stop: TurnStop | None = None
    ) -> bool:
        async def open_reply(_: Turn) -> RecordingReply:
            await self.reply.open()
            return self.reply

        async def name_of(_: str, user_id: str) -> str:
            return {ANA: "Ana", BEN: "Ben"}[user_id]

        async def tell_refusal(
            thread: SlackThread, user_id: str, refusal: Refusal, *, in_thread: bool
        ) -> None:
            assert thread.team_id == TEAM
            assert not in_thread
            self.told.append((user_id, refusal))

        answerer = Answerer(
            open_reply=open_reply,
            name_of=name_of,
            preparation=Preparation(
                store=self.store,
                gather=self.gathering or self.gather,
                tell_refusal=tell_refusal,
                policy=AnswerPolicy(),
                turns_per_hour=self.turns_per_hour,
            ),
            runner=TurnRunner(
                assistant=assistant, toolbox=self.toolbox, ledger=self.ledger
            ),
            store=self.store,
            data_messages=self.data_messages,
            doubts=Doubts(self.database),
        )
        return await answerer.answer(turn, stop or TurnStop(), lambda _: None)

    @property
    def toolbox(self) -> Toolbox:
        return Toolbox([*home_tools(self.rooms), *self.tools], self.ledger)

    async def gather(self, turn: Turn) -> Gathered:
        items = tuple(
            ThreadItem(
                kind=ItemKind.WANTED if message.wanted else ItemKind.OVERHEARD,
                item={"author": message.author_id, "text": message.text, "files": []},
                author_id=message.author_id,
                ts=message.ts,
            )
            for message in turn.messages
        )
        return Gathered(
            items=items, people=self.people, history_refused=self.history_refused
        )

    async def outputs(self, turn: Turn) -> list[str]:
        return [
            item.item["output"]
            for item in await self.store.history(turn)
            if item.kind is ItemKind.TOOL_OUTPUT
        ]
