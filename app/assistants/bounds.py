"""What a model's server may send: no more than can be held, and nothing packed.

Each event of a stream is bounded where it is decoded.
"""

from collections.abc import AsyncIterator
from typing import cast

import httpx2

from app.assistants import failures
from app.assistants.sse import MAX_EVENT_BYTES

# Of one pass: calls, items of any kind, and characters of text. Models write less.
MOST_CALLS = 128
MOST_PUT_OUT = 1_000
MOST_TEXT = 1_000_000
# Of one stream, in bytes: a character of text travels in a hundred.
MOST_STREAMED = 256 * 1024 * 1024
STREAM_TYPE = "text/event-stream"
# What comes packed can't be bounded before it is unpacked.
PLAIN = {"Accept-Encoding": "identity"}


async def bound(response: httpx2.Response) -> None:
    """Let an answer, once it is read, raise AssistantRefused when it is too large.

    Raises AssistantRefused at once for one that is packed, which nobody asked for.
    """
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        await response.aclose()
        raise failures.unreadable(response.headers.get("x-request-id"))
    is_stream = response.request.headers.get("accept") == STREAM_TYPE
    if not (is_stream and response.is_success):
        response.stream = _Bounded(response)


class _Bounded(httpx2.AsyncByteStream):
    """The body of an answer that is read as a whole."""

    def __init__(self, response: httpx2.Response) -> None:
        self._request_id = response.headers.get("x-request-id")
        # The transport of an asynchronous client gives no other kind.
        self._stream = cast("httpx2.AsyncByteStream", response.stream)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_EVENT_BYTES
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise failures.too_large(self._request_id)
            yield chunk

    async def aclose(self) -> None:
        """Hang up, or leave the connection to the next request."""
        await self._stream.aclose()
