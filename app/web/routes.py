"""`POST /api/assistant`: a message in, the answer out as lines."""

import asyncio
import hmac
import json
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import hdrs, web

from app import telemetry
from app.errors import DatabaseUnavailable
from app.storage.web_threads import WebMessage, is_thread_id
from app.turns.answer import TurnStop
from app.turns.side_tasks import SideTasks
from app.web.counter import Counter
from app.web.lines import Lines
from app.web.words import RESTARTED

PATH = "/api/assistant"
MAX_BODY = 256 * 1024
MAX_MESSAGE = 40_000

_READ_LIMIT = 10.0
# Who takes nothing for so long has gone, whatever the connection says.
_WRITE_LIMIT = 30.0
_LOOK_AGAIN = 0.25

_NO_SUCH_THREAD = "There is no such thread here. Begin a new one."
_BLANK = string.whitespace + "\0"

_HEADERS = {
    hdrs.CONTENT_TYPE: "text/plain; charset=utf-8",
    hdrs.CACHE_CONTROL: "no-store",
    # A proxy that gathers a whole answer first would take the life out of it.
    "X-Accel-Buffering": "no",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    thread_id: str | None
    message: str


class _Refused(Exception):
    """Not answered; the client shows `says` as its error."""

    def __init__(self, status: HTTPStatus, says: str) -> None:
        super().__init__(says)
        self.status = status
        self.says = says


def add_web_routes(web_app: web.Application, counter: Counter, token: str) -> None:
    """Let `web_app` answer whoever has the token at `/api/assistant`.

    A request that can't be answered gets a 4xx or 503 with a sentence as its body.
    """

    async def close(_: web.Application) -> None:
        counter.close()

    web_app.router.add_post(PATH, _answering(counter, token))
    web_app.on_shutdown.append(close)


def _answering(
    counter: Counter, token: str
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    tasks = SideTasks()

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            _check(request, token)
            message = await _add(counter, _question(await _body(request)))
        except _Refused as refused:
            telemetry.count(f"web.refused.{refused.status.value}")
            return _refusal(refused)
        lines, stop = Lines(), TurnStop()
        answering = tasks.start(counter.answer(message, lines, stop))
        try:
            return await _write(request, lines)
        finally:
            counter.reader_left(stop)
            lines.give_up()
            # Not with the request: what the turn has begun must be ended first.
            await asyncio.wait([answering])

    return answer


def _check(request: web.Request, token: str) -> None:
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    is_token = hmac.compare_digest(
        given.strip().encode("utf-8", "replace"), token.encode()
    )
    if scheme.lower() != "bearer" or not is_token:
        raise _Refused(
            HTTPStatus.UNAUTHORIZED, "The token is missing or is not the right one."
        )


async def _body(request: web.Request) -> bytes:
    if hdrs.CONTENT_ENCODING in request.headers:
        raise _refused("The body must be sent as it is, not compressed.")
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_LIMIT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    raise _too_large()
    except TimeoutError:
        raise _Refused(
            HTTPStatus.REQUEST_TIMEOUT, "The message took too long to arrive."
        ) from None
    except web.RequestPayloadError:
        raise _refused("The body can't be read.") from None
    return bytes(body)


def _question(body: bytes) -> _Question:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise _refused("The body must be JSON.") from None
    if not isinstance(asked, dict):
        raise _refused("The body must be an object.")
    message, thread_id = asked.get("message"), asked.get("threadId")
    if not isinstance(message, str) or not message.strip(_BLANK):
        raise _refused("The message is empty. Write something first.")
    if len(message) > MAX_MESSAGE:
        raise _too_large()
    if thread_id is not None and not isinstance(thread_id, str):
        raise _refused("threadId must be a string, or null for a new thread.")
    if thread_id is not None and not is_thread_id(thread_id):
        raise _refused(_NO_SUCH_THREAD)
    return _Question(thread_id=thread_id, message=message)


async def _add(counter: Counter, question: _Question) -> WebMessage:
    if counter.is_closing:
        raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, RESTARTED)
    if counter.is_full:
        raise _Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many wait for an answer here. Please try again in a minute.",
        )
    try:
        message = await counter.add(question.thread_id, question.message)
    except DatabaseUnavailable:
        raise _Refused(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Your message could not be saved. Please try again in a moment.",
        ) from None
    if message is None:
        raise _refused(_NO_SUCH_THREAD)
    return message


async def _write(request: web.Request, lines: Lines) -> web.StreamResponse:
    """Send lines as they come until they end or the reader has left."""
    response = web.StreamResponse(headers=_HEADERS)
    try:
        await response.prepare(request)
        while not lines.is_over:
            if waiting := lines.take():
                async with asyncio.timeout(_WRITE_LIMIT):
                    await response.write(waiting)
            elif request.transport is None or request.transport.is_closing():
                return response
            else:
                await lines.wait(_LOOK_AGAIN)
        if lines.is_broken and request.transport:
            # It reads too slowly to be told anything more.
            request.transport.abort()
        else:
            await response.write_eof()
    except (ConnectionError, TimeoutError):
        if request.transport:
            request.transport.abort()
    return response


def _refused(says: str) -> _Refused:
    return _Refused(HTTPStatus.BAD_REQUEST, says)


def _too_large() -> _Refused:
    return _Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"The message is too long: {MAX_MESSAGE} characters are the most.",
    )


def _refusal(refused: _Refused) -> web.Response:
    headers = {}
    if refused.status is HTTPStatus.UNAUTHORIZED:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return web.Response(status=refused.status, text=refused.says, headers=headers)
