"""One streamed POST: bounded in time, its errors ours, its socket always let go of."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import aiohttp
import httpx2
import openai
from openai._types import RequestOptions

from app.assistants import failures
from app.assistants.bounds import MOST_STREAMED, STREAM_TYPE
from app.assistants.patience import Limits, Patience, Silence
from app.assistants.sse import EventDecoder, ServerEvent
from app.errors import AssistantError

_NO_STREAM = ("application/json", "text/html")
_LAST_WORDS = 0.1
_WRITE = 30.0
_POOL = 10.0
_SHORT = 30.0
_GET_RETRIES = 2

# aiohttp's own errors are those that the openai client's transport does not translate:
# an answer that is no HTTP, from its first line or from somewhere in the middle.
_CUT = (httpx2.RequestError, ssl.SSLError, aiohttp.ClientError)


class ServerStream:
    """An open stream of server events; `request_id` is the server's name for it."""

    def __init__(
        self, response: httpx2.Response, limits: Limits, patience: Patience
    ) -> None:
        self.request_id = response.headers.get("x-request-id")
        self._response = response
        self._limits = limits
        self._patience = patience

    async def batches(self) -> AsyncGenerator[list[ServerEvent]]:
        """Yield the events that came in together, until the server ends the stream.

        Raises StreamEndedEarly when it is cut or silent for too long, AssistantRefused
        when it is too much, TimeoutError when the run's deadline has passed.
        """
        decoder = EventDecoder()
        wait_for, seconds = self._patience.wait_for, self._limits.first_event
        left = MOST_STREAMED
        try:
            async with aclosing(self._response.aiter_bytes()) as chunks:
                while chunk := await wait_for(anext(chunks, b""), seconds):
                    left -= len(chunk)
                    if left < 0:
                        raise failures.too_large()
                    if batch := decoder.feed(chunk):
                        seconds = self._limits.gap
                        yield batch
        except _CUT as error:
            raise failures.broke_off() from error
        except Silence as error:
            raise failures.fell_silent() from error


async def hear_out(batches: AsyncGenerator[list[ServerEvent]]) -> None:
    """Read what follows a terminal event, briefly: an ended connection is reusable."""
    try:
        async with asyncio.timeout(_LAST_WORDS):
            async for _ in batches:
                pass
    except (TimeoutError, AssistantError):
        # Servers do cut after the terminal event; all that matters was said.
        pass


@asynccontextmanager
async def open_stream(
    client: openai.AsyncOpenAI,
    path: str,
    body: Mapping[str, Any],
    *,
    headers: Mapping[str, str],
    limits: Limits,
    deadline: float,
) -> AsyncIterator[ServerStream]:
    """Post `body` once and hold the answer open; `deadline` is the loop's time.

    Raises AssistantError when the server can't be reached or refuses, TimeoutError
    when the deadline has passed.
    """
    patience = Patience(deadline)
    try:
        request = _post(client, path, body, headers, limits)
        response = await _answer(request, limits, patience)
        try:
            content_type = response.headers.get("content-type", "")
            if content_type.startswith(_NO_STREAM):
                raise failures.unreadable(response.headers.get("x-request-id"))
            yield ServerStream(response, limits, patience)
        finally:
            await response.aclose()
    finally:
        patience.close()


async def ask(
    client: openai.AsyncOpenAI,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    headers: Mapping[str, str],
    limits: Limits,
    deadline: float,
) -> bytes:
    """Return the answer to one short request: a POST with `body`, a GET without.

    Only a GET, which changes nothing, is sent again by itself. Raises AssistantError
    and TimeoutError as `open_stream` does.
    """
    patience = Patience(deadline)
    options: RequestOptions = {
        "headers": dict(headers),
        "timeout": httpx2.Timeout(
            connect=limits.connect, read=_SHORT, write=_WRITE, pool=_POOL
        ),
        "max_retries": _GET_RETRIES if body is None else 0,
    }
    cast_to = httpx2.Response
    try:
        if body is None:
            request = client.get(path, cast_to=cast_to, options=options)
        else:
            request = client.post(
                path, body=dict(body), cast_to=cast_to, options=options
            )
        return (await _answer(request, limits, patience)).content
    finally:
        patience.close()


async def _answer(
    request: Coroutine[Any, Any, httpx2.Response], limits: Limits, patience: Patience
) -> httpx2.Response:
    try:
        return await patience.wait_for(request, limits.first_event)
    except openai.APIStatusError as error:
        raise failures.refused_request(error) from error
    except (openai.APIConnectionError, aiohttp.ClientError) as error:
        raise failures.unreachable() from error
    except Silence as error:
        raise failures.fell_silent() from error


async def _post(
    client: openai.AsyncOpenAI,
    path: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    limits: Limits,
) -> httpx2.Response:
    # Silence is bounded by our own timer, which knows the run's deadline too.
    timeout = httpx2.Timeout(
        connect=limits.connect, read=None, write=_WRITE, pool=_POOL
    )
    answer = await client.post(
        path,
        body=dict(body),
        cast_to=httpx2.Response,
        options={
            "headers": {"Accept": STREAM_TYPE, **headers},
            "timeout": timeout,
            # Asked again, a server would run again: retries are decided by the caller.
            "max_retries": 0,
        },
        stream=True,
        stream_cls=openai.AsyncStream[object],
    )
    # With this cast_to the client hands out the response itself, still unread.
    return cast("httpx2.Response", answer)
