"""The proxy of a storm does to connections what it says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from bench.chaos.proxy import FaultProxy, Streams, Weather


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(1_000):
        writer.write(piece)
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = FaultProxy(lambda: asyncio.open_connection("127.0.0.1", port), delay=0.01)
    await proxy.start()
    yield proxy
    await proxy.close()
    server.close()


@asynccontextmanager
async def call(proxy: FaultProxy) -> AsyncGenerator[Streams]:
    """Connect through the proxy until the block is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    yield reader, writer
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def answer(streams: Streams, words: bytes) -> bytes:
    reader, writer = streams
    writer.write(words)
    async with asyncio.timeout(5):
        return await reader.read(1_000)


async def ended(streams: Streams) -> bool:
    """Whether the other side has hung up, in whatever way."""
    try:
        return await streams[0].read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("weather", [Weather.CLEAR, Weather.SLOW])
async def test_in_passable_weather_everything_arrives(
    proxy: FaultProxy, weather: Weather
):
    proxy.turn(weather)
    async with call(proxy) as streams:
        assert await answer(streams, b"hello") == b"hello"


async def test_a_cut_ends_what_is_open_and_what_comes(proxy: FaultProxy):
    async with call(proxy) as before:
        assert await answer(before, b"hello") == b"hello"

        proxy.turn(Weather.CUT)

        assert await ended(before)
    async with call(proxy) as later:
        assert await ended(later)


async def test_a_reset_ends_what_is_open_and_lets_new_ones_in(proxy: FaultProxy):
    async with call(proxy) as before:
        assert await answer(before, b"hello") == b"hello"

        proxy.turn(Weather.RESET)

        with pytest.raises(ConnectionError):
            await before[0].read()
    async with call(proxy) as later:
        assert await answer(later, b"again") == b"again"


async def test_half_open_nothing_arrives_and_nobody_is_told(proxy: FaultProxy):
    async with call(proxy) as streams:
        assert await answer(streams, b"hello") == b"hello"

        proxy.turn(Weather.HALF_OPEN)
        streams[1].write(b"lost?")
        arriving = asyncio.create_task(streams[0].read(1_000))
        done, _ = await asyncio.wait({arriving}, timeout=0.1)
        assert not done

        proxy.turn(Weather.CLEAR)
        assert await arriving == b"lost?"
