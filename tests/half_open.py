"""A way to a Postgres on which connections can go dead without a word."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

SOCKET = ".s.PGSQL.5432"


@dataclass(kw_only=True)
class Way:
    """Leads to the database at its `url`."""

    url: str
    _open: list[asyncio.Event] = field(default_factory=list)
    _ends: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def go_dead(self) -> None:
        """From now on nothing passes on the connections there are, either way."""
        for is_open in self._open:
            is_open.clear()
        self._open.clear()

    async def _lead(
        self,
        target: str,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        there, back = await asyncio.open_unix_connection(target)
        is_open = asyncio.Event()
        is_open.set()
        self._open.append(is_open)
        self._ends += (back, writer)
        for source, sink in ((reader, back), (there, writer)):
            task = asyncio.create_task(_pass_on(source, sink, is_open))
            self._tasks.add(task)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for end in self._ends:
            end.close()
            with suppress(OSError):
                await end.wait_closed()


async def _pass_on(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, is_open: asyncio.Event
) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            await is_open.wait()
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def way_to(url: str, folder: Path) -> AsyncGenerator[Way]:
    """Listen in `folder`, and lead to the database at `url`."""
    parts = urlsplit(url)
    (home,) = parse_qs(parts.query)["host"]
    way = Way(url=parts._replace(query=urlencode({"host": str(folder)})).geturl())
    server = await asyncio.start_unix_server(
        lambda reader, writer: way._lead(f"{home}/{SOCKET}", reader, writer),
        folder / SOCKET,
    )
    try:
        yield way
    finally:
        server.close()
        await way.close()
