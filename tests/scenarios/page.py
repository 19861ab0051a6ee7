"""A page that talks with Threadline through the hook, over real sockets."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.scenarios.use_assistant import UseAssistant
from tests.scenarios.world import World

TOKEN = "a-token-of-our-own"
WITH_WEB = {"WEB_API_TOKEN": TOKEN}


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Opens pages, each with a hook of its own."""

    world: World
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"{self.world.running.address}/api/assistant"

    def open(self, **options: Any) -> UseAssistant:  # noqa: ANN401
        return UseAssistant(session=self.session, url=self.url, **options)

    async def post(self, body: Any, **more: Any) -> tuple[int, str]:  # noqa: ANN401
        """Send a request as it stands; return the status and the body."""
        more = {"json": body} | more
        async with self.session.post(self.url, **more) as response:
            return response.status, await response.text()

    async def asking(self, page: UseAssistant, text: str) -> "asyncio.Task[None]":
        """Begin to ask; return once the first words are there."""
        task, before = asyncio.create_task(page.append(text)), len(page.sent)
        await self.world.until(lambda: len(page.sent) > before and words_of(page))
        return task


@asynccontextmanager
async def browsing(world: World) -> AsyncGenerator[Pages]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield Pages(world=world, session=session)


def words_of(page: UseAssistant) -> str:
    """What the assistant has said on a page since the last question."""
    said: list[str] = []
    for message in page.messages:
        if message.role == "user":
            said = []
        if message.role == "assistant":
            said.append(message.content)
    return "".join(said)


def codes_of(page: UseAssistant) -> str:
    """The kinds of the parts that came, each run of text as one."""
    codes = ""
    for code, _ in page.parts:
        if not (code == "0" and codes.endswith("0")):
            codes += code
    return codes
