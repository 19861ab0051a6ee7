"""A small TCP proxy that stands between a process and what it needs, and fails."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from enum import StrEnum

_CHUNK = 65_536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Reach = Callable[[], Awaitable[Streams]]


class Weather(StrEnum):
    """What becomes of connections."""

    CLEAR = "clear"
    SLOW = "slow"  # each piece comes late
    HALF_OPEN = "half-open"  # nothing comes through, and nobody is told
    CUT = "cut"  # all are closed, new ones too
    RESET = "reset"  # all are reset, new ones work


class FaultProxy:
    """Listens on a port of this machine and passes on to what `reach` opens."""

    def __init__(self, reach: Reach, *, delay: float = 0.3) -> None:
        self._reach = reach
        self._delay = delay
        self._weather = Weather.CLEAR
        self._may_pass = asyncio.Event()
        self._may_pass.set()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def is_clear(self) -> bool:
        """Whether everything comes through."""
        return self._weather is Weather.CLEAR

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def turn(self, weather: Weather) -> None:
        """Let the weather change, for open connections as for new ones."""
        self._weather = weather
        if weather is Weather.HALF_OPEN:
            self._may_pass.clear()
        else:
            self._may_pass.set()
        if weather in (Weather.CUT, Weather.RESET):
            for writer in self._open:
                _abort(writer, reset=weather is Weather.RESET)

    async def close(self) -> None:
        """Listen no longer and close what is open."""
        self.turn(Weather.CUT)
        if self._server:
            self._server.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._weather is Weather.CUT:
            writer.transport.abort()
            return
        try:
            there = await self._reach()
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, there[1]}
        ways = [self._pass(reader, there[1]), self._pass(there[0], writer)]
        try:
            tasks = [asyncio.create_task(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._open -= {writer, there[1]}
            for each in (writer, there[1]):
                each.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_CHUNK):
                await self._may_pass.wait()
                if self._weather is Weather.SLOW:
                    await asyncio.sleep(self._delay)
                writer.write(piece)
                await writer.drain()
            # What was written before the end still arrives.
            writer.write_eof()


def _abort(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    plain = writer.get_extra_info("socket")
    if reset and plain is not None and plain.family == socket.AF_INET:
        # Without lingering, closing is a reset.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
