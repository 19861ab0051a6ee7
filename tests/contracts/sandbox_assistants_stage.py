"""The offline Assistants API on a real socket, and two clients: bare, and OpenAI's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import openai
from aiohttp import web

from app.sandbox.model.control import ModelControl
from app.sandbox.model.server import add_model_routes

Wire = dict[str, Any]
Heard = list[tuple[str, Any]]

ASSISTANT = "asst_offline"
KEY = "sk-sandbox-key"
BETA = {"OpenAI-Beta": "assistants=v2"}
OVER = ("completed", "failed", "cancelled", "incomplete", "expired")
TWO_ROOMS = "Ana: set the kitchen to 23 and the bedroom to 19"
STORY = "Ana: tell me a story"
ROOM = {"room": {"type": "string"}}


def tool(name: str, properties: Mapping[str, object]) -> Wire:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    function = {"name": name, "strict": True, "parameters": parameters}
    return {"type": "function", "function": function}


TOOLS: Any = [
    tool("getRoomTemperature", ROOM),
    tool("setRoomTemperature", ROOM | {"temperature": {"type": "number"}}),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    control: ModelControl
    client: openai.AsyncOpenAI
    session: aiohttp.ClientSession
    url: str
    close: Callable[[], Awaitable[None]]

    async def ask(
        self, method: str, path: str, body: object = None, **query: str
    ) -> Wire:
        """Call, expecting that it is answered."""
        status, answer = await self.call(method, path, body, **query)
        assert status == 200, answer
        return answer

    async def refused(self, method: str, path: str, body: object = None) -> Wire:
        """Call, expecting a refusal: its status with the fields of its error."""
        status, answer = await self.call(method, path, body)
        assert answer.keys() == {"error"}
        assert answer["error"].keys() == {"message", "type", "param", "code"}
        return {"status": status, **answer["error"]}

    async def call(
        self, method: str, path: str, body: object = None, **query: str
    ) -> tuple[int, Wire]:
        async with self.session.request(
            method, self.url + path, json=body, params=query
        ) as response:
            return response.status, await response.json()

    async def thread(self, *texts: str) -> str:
        messages = [{"role": "user", "content": text} for text in texts]
        return str((await self.ask("POST", "/threads", {"messages": messages}))["id"])

    async def run(self, thread: str, **body: object) -> Wire:
        asked = {"assistant_id": ASSISTANT, **body}
        return await self.ask("POST", f"/threads/{thread}/runs", asked)

    async def stream(self, path: str, body: Mapping[str, object]) -> Heard:
        """Read a stream to its end; what was written in its last half line is lost."""
        asked = {"stream": True, **body}
        async with self.session.post(self.url + path, json=asked) as response:
            assert response.content_type == "text/event-stream"
            return heard((await response.read()).decode())

    async def stream_run(self, thread: str, **body: object) -> Heard:
        asked = {"assistant_id": ASSISTANT, **body}
        return await self.stream(f"/threads/{thread}/runs", asked)

    async def waiting_run(self) -> Wire:
        """A run that waits for the outputs of two calls."""
        events = await self.stream_run(await self.thread(TWO_ROOMS), tools=TOOLS)
        return last(events, "thread.run.requires_action")

    async def ended(self, thread: str, run: str, *statuses: str) -> Wire:
        """Wait until the run has one of the statuses (any end, if none is named)."""
        path = f"/threads/{thread}/runs/{run}"
        now = await self.ask("GET", path)
        while now["status"] not in (statuses or OVER):
            await asyncio.sleep(0.005)
            now = await self.ask("GET", path)
        return now

    async def texts(self, thread: str) -> list[str]:
        """What stands in the thread, oldest first."""
        path = f"/threads/{thread}/messages"
        messages = (await self.ask("GET", path, order="asc"))["data"]
        return [part["text"]["value"] for one in messages for part in one["content"]]


def path_of(run: Wire) -> str:
    return f"/threads/{run['thread_id']}/runs/{run['id']}"


async def read_until(response: aiohttp.ClientResponse, wanted: str) -> str:
    """Read until an event of that name has come, whole."""
    raw = ""
    async for line in response.content:
        raw += line.decode()
        if wanted in raw and raw.endswith("\n\n"):
            break
    return raw


def heard(raw: str) -> Heard:
    found: Heard = []
    for block in raw.split("\n\n")[:-1]:
        name, data = block.split("\n")
        text = data.removeprefix("data: ")
        event = name.removeprefix("event: ")
        found.append((event, text if text == "[DONE]" else json.loads(text)))
    return found


def order(events: Heard) -> list[str]:
    """The names without `thread.`, with runs of deltas as one."""
    names = [name.removeprefix("thread.") for name, _ in events]
    return [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def last(events: Heard, name: str) -> Wire:
    found: Wire = [data for event, data in events if event == name][-1]
    return found


def said(events: Heard) -> str:
    """The text of all deltas together."""
    parts = [
        data["delta"]["content"][0]
        for name, data in events
        if name == "thread.message.delta"
    ]
    return "".join(part["text"]["value"] for part in parts)


def calls_of(run: Wire) -> list[Wire]:
    calls: list[Wire] = run["required_action"]["submit_tool_outputs"]["tool_calls"]
    return calls


def outputs_for(run: Wire) -> list[Wire]:
    outputs = []
    for call in calls_of(run):
        room = json.loads(call["function"]["arguments"])["room"]
        outputs.append({"tool_call_id": call["id"], "output": f"The {room} is set."})
    return outputs


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    app = web.Application()
    control = add_model_routes(app, token_rate=0)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    headers = {"Authorization": f"Bearer {KEY}", **BETA}
    async with (
        aiohttp.ClientSession(headers=headers, trust_env=False) as session,
        openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0) as client,
    ):
        yield Stage(
            control=control,
            client=client,
            session=session,
            url=url,
            close=runner.cleanup,
        )
    await runner.cleanup()
