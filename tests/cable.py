"""A cable between a program and its Postgres, for pulling out."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

_SOCKET = ".s.PGSQL.5432"
_AT_ONCE = 65_536


class Cable:
    """Leads from a port of this machine to the database at `url`.

    `address` is the same database, seen through the cable.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        (folder,) = parse_qs(parts.query)["host"]
        self._target = f"{folder}/{_SOCKET}"
        self._database = parts.path
        self._is_plugged = True
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    def pull(self) -> None:
        """Break every connection, and refuse new ones."""
        self._is_plugged = False
        for writer in self._writers:
            writer.transport.abort()

    def plug(self) -> None:
        """Let connections be made again."""
        self._is_plugged = True

    def freeze(self) -> None:
        """Let nothing pass any more, and nobody know: neither an answer nor an end."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let everything pass that was held up."""
        self._flows.set()

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.address = f"postgresql://postgres@127.0.0.1:{port}{self._database}"
        return server

    async def close(self) -> None:
        self.pull()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not self._is_plugged:
            writer.transport.abort()
            return
        there, back = await asyncio.open_unix_connection(self._target)
        self._writers |= {writer, back}
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await source.read(_AT_ONCE):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)


@asynccontextmanager
async def cable_to(url: str) -> AsyncGenerator[Cable]:
    """Lay a cable to the Postgres at `url` until the block is left."""
    cable = Cable(url)
    server = await cable.serve()
    try:
        yield cable
    finally:
        server.close()
        await cable.close()
