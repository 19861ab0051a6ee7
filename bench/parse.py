"""CPU for each delta of a streamed answer, ours against the openai client's ways."""

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from openai import AsyncOpenAI, AsyncStream

from app.assistants.assistants_wire import HEADERS
from app.connections import model_transport
from app.loop import new_event_loop
from bench.children import child
from bench.model_server import DELTAS
from bench.report import Check, judged
from bench.table import median, show
from tests.contracts.assistant_stage import Stage, ThreadsStage

ROUNDS = 7
MOST_OF_TYPED = 1 / 8

_THREAD = "thread_bench"

Read = Callable[[AsyncOpenAI], Awaitable[int]]


async def _ours(client: AsyncOpenAI) -> int:
    return await _our_events(Stage(client))


async def _our_runs(client: AsyncOpenAI) -> int:
    return await _our_events(ThreadsStage(client))


async def _our_events(stage: Stage | ThreadsStage) -> int:
    """The whole way from the socket to the events that a reply is made of."""
    stage.say("how warm is the kitchen?")
    return await _count(stage.assistant.run(stage.turn))


async def _typed(client: AsyncOpenAI) -> int:
    return await _count(
        await client.responses.create(model="a-model", input="hello", stream=True)
    )


async def _typed_runs(client: AsyncOpenAI) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        runs = client.beta.threads.runs
    return await _count(
        await runs.create(_THREAD, assistant_id="asst_bench", stream=True)
    )


async def _raw(client: AsyncOpenAI) -> int:
    body = {"model": "a-model", "input": "hello", "stream": True}
    return await _count(
        await client.post(
            "/responses",
            body=body,
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
    )


async def _raw_runs(client: AsyncOpenAI) -> int:
    return await _count(
        await client.post(
            f"/threads/{_THREAD}/runs",
            body={"assistant_id": "asst_bench", "stream": True},
            cast_to=object,
            options={"headers": HEADERS, "synthesize_event_and_data": True},
            stream=True,
            stream_cls=AsyncStream[object],
        )
    )


async def _count(events: AsyncIterator[Any]) -> int:
    count = 0
    async for _ in events:
        count += 1
    return count


_WAYS: dict[str, dict[str, Read]] = {
    "responses": {"ours": _ours, "openai raw": _raw, "openai typed": _typed},
    "assistants": {
        "ours": _our_runs,
        "openai raw": _raw_runs,
        "openai typed": _typed_runs,
    },
}


@asynccontextmanager
async def _client() -> AsyncIterator[AsyncOpenAI]:
    async with (
        child("bench.model_server") as address,
        AsyncOpenAI(
            api_key="none",
            base_url=f"{address}/at-once/v1",
            http_client=model_transport(None),
        ) as client,
    ):
        yield client


async def _seconds(read: Read, client: AsyncOpenAI) -> float:
    """CPU seconds of this process for one answer."""
    began = time.process_time()
    count = await read(client)
    took = time.process_time() - began
    if count < DELTAS:
        raise RuntimeError(f"only {count} events were read")
    return took


async def _measure() -> dict[str, dict[str, float]]:
    """Microseconds for a delta: protocol → way → median of the rounds."""
    async with _client() as client:
        measured: dict[str, dict[str, float]] = {}
        for protocol, ways in _WAYS.items():
            for read in ways.values():
                await read(client)
            times: dict[str, list[float]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, read in ways.items():
                    times[name].append(await _seconds(read, client))
            measured[protocol] = {
                name: median(each) / DELTAS * 1e6 for name, each in times.items()
            }
        return measured


def run() -> bool:
    """Print the table; false when the target is missed."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        measured = runner.run(_measure())
    rows, checks = [], []
    for protocol, ways in measured.items():
        typed = ways["openai typed"]
        share = ways["ours"] / typed
        checks.append(
            Check(what=f"{protocol}: of typed", was=share, must=MOST_OF_TYPED)
        )
        for name, each in ways.items():
            rows.append((protocol, name, f"{each:.1f}", f"1/{typed / each:.1f}"))
    show(
        f"parse: CPU for each of {DELTAS} deltas, from the socket to its event "
        f"(must: ours ≤ 1/{1 / MOST_OF_TYPED:.0f} of typed)",
        ("protocol", "way", "µs", "of typed"),
        rows,
    )
    return judged(checks)
