"""A sandbox that soon sends again, without limits, and apps that listen to it."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from app.sandbox.server import Sandbox
from tests.contracts.sandbox_stage import Connect, Listener, Socket, address


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    running = await Sandbox.start(retry_scale=0.001, answer_within=0.4)
    running.limit("*", enabled=False)
    yield running
    await running.close()


@pytest.fixture
async def connect(sandbox: Sandbox, session: aiohttp.ClientSession) -> Connect:
    async def open_one() -> Socket:
        socket = Socket(await session.ws_connect(await address(sandbox, session)))
        assert (await socket.next())["type"] == "hello"
        return socket

    return open_one


@pytest.fixture
async def listener(connect: Connect) -> AsyncIterator[Listener]:
    listening = Listener(await connect())
    task = asyncio.create_task(listening.run())
    yield listening
    task.cancel()
