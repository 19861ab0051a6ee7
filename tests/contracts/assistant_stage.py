"""What the contract tests of assistants share: a turn, a history, a client."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from openai import AsyncOpenAI

from app.assistants.assistants_api import AssistantsAssistant
from app.assistants.conversation_api import ConversationAssistant
from app.assistants.patience import Limits
from app.assistants.responses_api import ResponsesAssistant
from app.assistants.responses_profile import Capabilities
from app.connections import model_transport
from app.domain import (
    ChannelKind,
    ItemKind,
    Lease,
    MessageStarted,
    Run,
    RunEvent,
    RunUpdate,
    SlackThread,
    TextDelta,
    TextDone,
    ThreadItem,
    Turn,
)
from app.storage.remote_threads import RemoteThread
from app.storage.window import Window
from app.tools.tool import Tool, ToolContext, tool

TURN = Turn(
    lease=Lease(team_id="T1", conversation_id=1, turn_id=7, epoch=1),
    thread=SlackThread(team_id="T1", channel_id="C1", thread_ts="1.000001"),
    assistant_thread_id=3,
    messages=(),
    channel_kind=ChannelKind.CHANNEL,
)


@tool(name="getRoomTemperature", effect="read", label="reading {room}")
async def get_room_temperature(context: ToolContext, room: str) -> str:
    """Get the temperature of a room, in °C."""
    return f"The {room} is at 22 °C."


@tool(name="setRoomTemperature", effect="write", label="setting {room}")
async def set_room_temperature(
    context: ToolContext, room: str, temperature: float
) -> str:
    """Set the temperature of a room, in °C."""
    return f"The {room} is at {temperature:g} °C now; it was at 20 °C."


TOOLS: tuple[Tool, ...] = (get_room_temperature, set_room_temperature)


class Played:
    """A history to be written, turn by turn, and the pauses that were taken."""

    def __init__(self) -> None:
        self.history: list[ThreadItem] = []
        self.pauses: list[float] = []
        self.turn = TURN
        self.kept_from: int | None = None

    async def read(self, turn: Turn) -> Window:
        assert turn.assistant_thread_id == TURN.assistant_thread_id
        items = [item for item in self.history if item.turn_id >= (self.kept_from or 0)]
        return Window(items=items, is_cut=self.kept_from is not None)

    async def begin_at(self, turn: Turn, first_turn: int) -> None:
        assert turn.assistant_thread_id == TURN.assistant_thread_id
        self.kept_from = first_turn

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def say(self, text: str, *, kind: ItemKind = ItemKind.WANTED) -> None:
        said = (ItemKind.WANTED, ItemKind.OVERHEARD)
        if self.history and self.history[-1].kind not in said:
            lease = replace(self.turn.lease, turn_id=self.turn.turn_id + 1)
            self.turn = replace(self.turn, lease=lease)
        item = {"author": "Ana", "text": text, "files": []}
        self.add(ThreadItem(kind=kind, item=item))

    def add(self, item: ThreadItem) -> None:
        self.history.append(replace(item, turn_id=self.turn.turn_id))

    def add_pass(self, run: Run, outputs: Mapping[str, str]) -> None:
        for item in run.output:
            self.add(ThreadItem(kind=ItemKind.OUTPUT, item=item))
        for call_id, output in outputs.items():
            item = {"call_id": call_id, "output": output}
            self.add(ThreadItem(kind=ItemKind.TOOL_OUTPUT, item=item))


class Stage(Played):
    """The Responses API's assistant in front of a server."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        capabilities: Capabilities | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__()
        self.assistant = ResponsesAssistant(
            client,
            model="a-model",
            instructions="Be brief.",
            tools=TOOLS,
            histories=self,
            capabilities=capabilities,
            limits=limits,
            sleep=self.sleep,
        )


class ConversationStage(Played):
    """The Responses API's assistant, in a conversation that its provider keeps."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        capabilities: Capabilities | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__()
        self.conversation: RemoteThread | None = None
        self.assistant = ConversationAssistant(
            client,
            model="a-model",
            instructions="Be brief.",
            tools=TOOLS,
            conversations=self,
            histories=self,
            capabilities=capabilities,
            limits=limits,
            sleep=self.sleep,
        )

    async def find(self, turn: Turn) -> RemoteThread | None:
        assert turn.assistant_thread_id == TURN.assistant_thread_id
        return self.conversation

    async def told(
        self, turn: Turn, thread_id: str, *, up_to: int | None = None
    ) -> None:
        told = turn.turn_id if up_to is None else up_to
        self.conversation = RemoteThread(thread_id=thread_id, told_turn_id=told)


class ThreadsStage(Played):
    """The Assistants API's assistant in front of a server, and what is noted of it."""

    def __init__(self, client: AsyncOpenAI, *, limits: Limits | None = None) -> None:
        super().__init__()
        self.thread: RemoteThread | None = None
        self.run_ids: dict[int, str] = {}
        self.assistant = AssistantsAssistant(
            client,
            assistant_id="asst_offline",
            instructions="Be brief.",
            tools=TOOLS,
            threads=self,
            limits=limits,
            sleep=self.sleep,
        )

    async def find(self, turn: Turn) -> RemoteThread | None:
        if self.thread is None:
            return None
        return replace(self.thread, run_id=self.run_ids.get(turn.turn_id, ""))

    async def told(self, turn: Turn, thread_id: str) -> None:
        self.thread = RemoteThread(thread_id=thread_id, told_turn_id=turn.turn_id)

    async def began(self, turn: Turn, run_id: str) -> None:
        self.run_ids[turn.turn_id] = run_id

    async def items(self, turn: Turn, *, after_turn: int = 0) -> Sequence[ThreadItem]:
        window = await self.read(turn)
        return [item for item in window.items if item.turn_id > after_turn]


class Heard:
    """All that one stream said."""

    def __init__(self, events: Sequence[RunEvent]) -> None:
        self.events = events
        self.names = [event.name for event in events]
        self.runs = [event.run for event in events if isinstance(event, RunUpdate)]

    @property
    def run(self) -> Run:
        """How the run stands at the end of the stream."""
        assert isinstance(self.events[-1], RunUpdate)
        return self.runs[-1]

    @property
    def text(self) -> str:
        """What a reader sees: deltas grow a message, its whole text replaces it."""
        messages: list[str] = []
        for event in self.events:
            match event:
                case MessageStarted():
                    messages.append("")
                case TextDelta(text=text):
                    messages[-1] += text
                case TextDone(text=text):
                    messages[-1] = text
        return "\n".join(messages)


async def hear(stream: AsyncGenerator[RunEvent]) -> Heard:
    return Heard([event async for event in stream])


@asynccontextmanager
async def client_of(base_url: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(
        api_key="sk-sandbox-key", base_url=base_url, http_client=model_transport(None)
    ) as client:
        yield client
