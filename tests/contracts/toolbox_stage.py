"""A claimed turn with a toolbox, and words for its calls."""

import asyncio
from collections.abc import Sequence

from app.domain import (
    CallState,
    ItemKind,
    LedgerCall,
    Run,
    RunStatus,
    StoredDataMessage,
    ToolCall,
    ToolOutput,
    Turn,
)
from app.storage.database import Database
from app.storage.rooms import Rooms
from app.storage.tool_calls import ToolLedger
from app.tools.home import home_tools
from app.tools.tool import Tool
from app.tools.toolbox import Toolbox

from .queue_words import Queue, items_of, said


class Home:
    """A claimed turn, and a toolbox that people watch."""

    def __init__(self, queue: Queue, turn: Turn) -> None:
        self.queue = queue
        self.turn = turn
        self.rooms = Rooms(queue.database)
        self.ledger = ToolLedger(queue.database)
        self.toolbox = Toolbox(home_tools(self.rooms), self.ledger)
        self.stop = asyncio.Event()
        self.shown: list[StoredDataMessage] = []

    def equip(self, *tools: Tool) -> None:
        self.toolbox = Toolbox(tools, self.ledger)

    async def propose(self, *calls: ToolCall) -> None:
        run = Run(run_id="r", status=RunStatus.REQUIRES_ACTION, tool_calls=calls)
        await self.ledger.commit_pass(self.turn.lease, 1, run)

    async def run(self, *calls: ToolCall) -> list[str]:
        await self.propose(*calls)
        return [output.output for output in await self.go_on(calls)]

    async def go_on(self, calls: Sequence[ToolCall | LedgerCall]) -> list[ToolOutput]:
        return await self.toolbox.call(
            self.turn, 1, calls, stop=self.stop, show=self.shown.append
        )

    async def states(self) -> list[CallState]:
        return [call.state for call in await self.ledger.calls(self.turn.lease)]

    async def outputs_in_history(self) -> list[str]:
        history = await self.queue.store.history(self.turn)
        kept = [item for item in history if item.kind is ItemKind.TOOL_OUTPUT]
        return [item.item["output"] for item in kept]


async def at_home(database: Database) -> Home:
    """Let Ana ask for something, and claim her turn."""
    queue = Queue(database)
    await queue.add(said("set the kitchen to 23", mention=True))
    turn = await queue.claim_one()
    await queue.store.prepare(turn.lease, items_of(turn), {})
    return Home(queue, turn)


def setting(room: str, temperature: str, call_id: str = "c1") -> ToolCall:
    arguments = f'{{"room": "{room}", "temperature": {temperature}}}'
    return ToolCall(call_id=call_id, name="setRoomTemperature", arguments=arguments)


def reading(room: str, call_id: str = "r1") -> ToolCall:
    arguments = f'{{"room": "{room}"}}'
    return ToolCall(call_id=call_id, name="getRoomTemperature", arguments=arguments)


def calling(name: str, call_id: str = "c1", arguments: str = "{}") -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments=arguments)
