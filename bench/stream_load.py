"""Many replies at once in a process of its own; prints how the event loop fared.

Each reply goes the whole way, from the model's socket to the messages in Slack; only
the few rows that it would write are kept in memory.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
from openai import AsyncOpenAI
from slack_sdk.web.async_client import AsyncWebClient

from app.assistants.responses_api import ResponsesAssistant
from app.connections import model_transport
from app.domain import (
    DataMessage,
    Lease,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    SlackThread,
    StoredDataMessage,
    TextDelta,
    Turn,
)
from app.loop import new_event_loop
from app.slack.outbound import Outbound
from app.slack.replies.edited import EditedReply
from app.slack.replies.replies import Replies
from app.telemetry import configure_logging
from app.turns.response import AssistantResponse
from bench.model_server import CHARACTERS, RATE
from bench.table import percentile
from tests.contracts.assistant_stage import TURN, Stage
from tests.unit.slack.outward.slack_in_memory import DataInMemory, PartsInMemory

SECONDS = 3.0
_WARM_UP = 5
_STARTS_PER_SECOND = 250
_TICK = 0.005
# Every workspace has budgets of its own; so many replies share one here.
_REPLIES_PER_TEAM = 10
_PAGE = os.sysconf("SC_PAGE_SIZE")


class TypedAssistant:
    """The openai client's own typed stream, told in the program's words."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self._client = client

    async def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream one answer."""
        run = Run(run_id=f"run_{turn.turn_id}", status=RunStatus.IN_PROGRESS)
        yield RunUpdate("thread.run.in_progress", run)
        stream = await self._client.responses.create(
            model="a-model", input="hello", stream=True
        )
        async with stream:
            async for event in stream:
                if event.type == "response.output_text.delta":
                    yield TextDelta("thread.message.delta", event.delta)


@dataclass
class _Load:
    """Opens replies, one after another, and lets them grow."""

    assistant: ResponsesAssistant | TypedAssistant
    replies: Replies
    opened: list[EditedReply]
    running: list[asyncio.Task[Run]]

    async def grow(self, count: int) -> None:
        """Open so many more replies, and wait until each of them has text."""
        for _ in range(count):
            self.running.append(asyncio.create_task(self._reply(len(self.running))))
            await asyncio.sleep(1 / _STARTS_PER_SECOND)
        # Asking is the only way to know: a reply tells nobody of its text.
        while not self._all_have_text(count):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    def _all_have_text(self, count: int) -> bool:
        if broken := next((each for each in self.running if each.done()), None):
            raise RuntimeError(f"a reply has ended: {broken.result()}")
        return len(self.opened) >= count and all(each.text for each in self.opened)

    @property
    def characters(self) -> int:
        """The length of all texts together."""
        return sum(len(each.text) for each in self.opened)

    async def _reply(self, number: int) -> Run:
        turn = _turn(number)
        reply = await self.replies.open(turn, holds_lease=lambda: True)
        response = AssistantResponse(reply, store_data=_nothing, stop=asyncio.Event())
        self.opened.append(reply)
        return await response.forward_stream(self.assistant.run(turn))

    async def aclose(self) -> None:
        """Let go of all."""
        for each in self.running:
            each.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
        await self.replies.close()


def _turn(number: int) -> Turn:
    team_id = f"T{number // _REPLIES_PER_TEAM}"
    return replace(
        TURN,
        lease=Lease(team_id=team_id, conversation_id=number, turn_id=number, epoch=1),
        thread=SlackThread(
            team_id=team_id,
            channel_id=f"C{number}",
            thread_ts=f"{1_790_000_000 + number}.000100",
        ),
    )


async def _nothing(_: DataMessage) -> StoredDataMessage:
    raise AssertionError("no data message is sent here")


async def _name_of(_team_id: str, user_id: str) -> str:
    return user_id


async def _lags(seconds: float) -> list[float]:
    """How late the loop came back to a task that was due, again and again."""
    lags, ends = [], time.monotonic() + seconds
    while (due := time.monotonic() + _TICK) < ends:
        await asyncio.sleep(_TICK)
        lags.append(time.monotonic() - due)
    return lags


async def _measured(load: _Load, count: int) -> dict[str, float]:
    await load.grow(_WARM_UP)
    before = resident()
    await load.grow(count - _WARM_UP)
    await asyncio.sleep(1)
    said, busy, began = load.characters, time.process_time(), time.monotonic()
    lags = await _lags(SECONDS)
    took = time.monotonic() - began
    busy = time.process_time() - busy
    deltas = (load.characters - said) / CHARACTERS
    return {
        "p50": percentile(lags, 0.5),
        "p99": percentile(lags, 0.99),
        "pace": deltas / took / count / RATE,
        "busy": busy / took,
        "resident": (resident() - before) / (count - _WARM_UP),
    }


def resident() -> float:
    """Bytes of memory that this process holds; 0 where nobody tells."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * _PAGE if told.exists() else 0


async def _run(address: str, which: str, count: int) -> None:
    async with (
        aiohttp.ClientSession() as session,
        AsyncOpenAI(
            api_key="none",
            base_url=f"{address}/paced/v1",
            http_client=model_transport(None),
        ) as client,
    ):
        slack = AsyncWebClient(
            token="xoxb-bench",  # noqa: S106 - opens nothing
            base_url=f"{address}/api/",
            session=session,
            retry_handlers=[],
        )
        slack.proxy = None
        load = _Load(_assistant(which, client), _replies(slack), [], [])
        async with aclosing(load):
            print(json.dumps(await _measured(load, count)), flush=True)


def _assistant(which: str, client: AsyncOpenAI) -> ResponsesAssistant | TypedAssistant:
    if which == "typed":
        return TypedAssistant(client)
    stage = Stage(client)
    stage.say("how warm is the kitchen?")
    return stage.assistant


def _replies(slack: AsyncWebClient) -> Replies:
    return Replies(
        outbound=Outbound(slack),
        parts=PartsInMemory(),
        data_messages=DataInMemory(),
        name_of=_name_of,
    )


if __name__ == "__main__":
    configure_logging()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_run(sys.argv[1], sys.argv[2], int(sys.argv[3])))
