"""What the contract tests of assistants share: a turn, a history, a client."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx2
from openai import AsyncOpenAI

from app.assistants.patience import Limits
from app.assistants.responses_api import Capabilities, ResponsesAssistant
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


class Stage:
    """An assistant in front of a server, with a history to be written."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        capabilities: Capabilities | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.history: list[ThreadItem] = []
        self.pauses: list[float] = []
        self.assistant = ResponsesAssistant(
            client,
            model="a-model",
            instructions="Be brief.",
            tools=TOOLS,
            history=self._read,
            capabilities=capabilities,
            limits=limits,
            sleep=self._sleep,
        )

    async def _read(self, assistant_thread_id: int) -> Sequence[ThreadItem]:
        assert assistant_thread_id == TURN.assistant_thread_id
        return self.history

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def say(self, text: str, *, kind: ItemKind = ItemKind.WANTED) -> None:
        item = {"author": "Ana", "text": text, "files": []}
        self.history.append(ThreadItem(kind=kind, item=item))

    def add_pass(self, run: Run, outputs: dict[str, str]) -> None:
        for item in run.output:
            self.history.append(ThreadItem(kind=ItemKind.OUTPUT, item=item))
        for call_id, output in outputs.items():
            item = {"call_id": call_id, "output": output}
            self.history.append(ThreadItem(kind=ItemKind.TOOL_OUTPUT, item=item))


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
    http = httpx2.AsyncClient(trust_env=False)
    async with AsyncOpenAI(
        api_key="sk-sandbox-key", base_url=base_url, http_client=http
    ) as client:
        yield client
