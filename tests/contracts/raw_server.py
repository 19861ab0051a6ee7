"""A model's server that says exactly the bytes it is given, HTTP or not.

Only to who asks what a conversation holds it says properly that there is nothing.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

_PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
STREAM = _PLAIN + b"Transfer-Encoding: chunked\r\n\r\n"
ENDED = b"0\r\n\r\n"
_EMPTY = b'{"data":[],"has_more":false}'
NOTHING_HELD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(_EMPTY), _EMPTY)
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@dataclass
class RawServer:
    """Says `words` to each request, one write after another, and then does `then`.

    To a GET it says `held` in one write.
    """

    base_url: str
    words: Sequence[bytes] = ()
    then: Literal["close", "reset", "wait"] = "wait"
    held: bytes = NOTHING_HELD
    asked: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def speak(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET "):
                writer.write(self.held)
                writer.close()
                return
            self.asked += 1
            for word in self.words:
                writer.write(word)
                await writer.drain()
            if self.then == "wait":
                # The body of the question, and then the end of the line.
                while await reader.read(65_536):
                    pass
        self.left.set()
        if self.then == "reset":
            linger = struct.pack("ii", 1, 0)
            its = writer.get_extra_info("socket")
            its.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.close()


@asynccontextmanager
async def raw_server() -> AsyncIterator[RawServer]:
    raw = RawServer("")
    server = await asyncio.start_server(raw.speak, "127.0.0.1", 0)
    raw.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield raw
