"""What all routes of the model share: key, JSON, early refusals, the socket."""

import json
import secrets
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from app.sandbox.model.control import Fault, FaultKind, ModelControl, RequestRecord
from app.sandbox.model.kept.shelf import locked
from app.sandbox.model.pace import HungUp
from app.sandbox.model.refusals import Refused

_LARGEST_BODY = 32 * 1024 * 1024
# A connection that is gone has no status; nginx's word for it stands in the log only.
_CLIENT_GONE = 499
SORRY = "I'm sorry, but I can't help with that."
TROUBLE = "The server had an error while processing your request. Sorry about that!"
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an"
    " Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_TOO_FAST = "Rate limit reached for {model}. Please try again in {seconds:g}s."
_NO_CREDIT = (
    "You exceeded your current quota, please check your plan and billing details."
)


async def recorded(
    request: web.Request,
    control: ModelControl,
    answer: Callable[[web.Request, RequestRecord], Awaitable[web.StreamResponse]],
) -> web.StreamResponse:
    """Answer a request, and note in `control` how it went."""
    started = time.monotonic()
    record = control.begin(f"{request.method} {request.path}")
    try:
        return await answer(request, record)
    except Refused as refused:
        record.ended = record.ended or "refused"
        record.status, record.error = refused.status, str(refused)
        headers = refused.headers | request_id()
        return web.json_response(refused.body, status=refused.status, headers=headers)
    except (HungUp, ConnectionError):
        return web.Response(status=_CLIENT_GONE)
    finally:
        record.ended = record.ended or "hung up"
        record.seconds = time.monotonic() - started
        await control.tell()


async def begin_stream(request: web.Request) -> web.StreamResponse:
    """Send the head of a stream of events."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
        }
        | request_id()
    )
    await response.prepare(request)
    return response


def sse(name: str, data: object) -> bytes:
    """One event as it is written."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode()


def check_key(request: web.Request) -> None:
    """Raise `Refused` for a request without a key; any key opens the sandbox."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused(401, _NO_KEY)


async def read_json(request: web.Request) -> object:
    """Read the body; raise `Refused` if it is no JSON or too large."""
    if request.content_type != "application/json":
        message = (
            "Unsupported content type. This API method only accepts"
            " 'application/json' requests."
        )
        raise Refused(400, message, code="unsupported_content_type")
    try:
        raw = await request.clone(client_max_size=_LARGEST_BODY).read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, "The request is too large.") from None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        message = "We could not parse the JSON body of your request."
        raise Refused(400, message) from None


def refuse_by(fault: Fault, model: str, record: RequestRecord) -> None:
    """Raise the answers that come before any stream."""
    match fault.kind:
        case FaultKind.HTTP_429:
            record.ended = fault.kind
            seconds = max(1, round(fault.value))
            message = _TOO_FAST.format(model=model, seconds=fault.value)
            raise Refused(
                429,
                message,
                type="tokens",
                code="rate_limit_exceeded",
                headers={"Retry-After": str(seconds)},
            )
        case FaultKind.QUOTA:
            record.ended = fault.kind
            code = "insufficient_quota"
            raise Refused(429, _NO_CREDIT, type=code, code=code)
        case FaultKind.LOCKED:
            record.ended = fault.kind
            raise locked()
        case FaultKind.HTTP_500:
            record.ended = fault.kind
            raise Refused(500, TROUBLE, type="server_error", code="server_error")
        case _:
            return


def is_gone(request: web.Request) -> bool:
    """Whether the client has closed its connection."""
    return request.transport is None or request.transport.is_closing()


def cut(request: web.Request) -> None:
    """Close the socket in the middle of the answer; what was written still goes out."""
    if request.transport is not None:
        request.transport.close()


def request_id() -> dict[str, str]:
    """The header by which OpenAI's support finds a request."""
    return {"x-request-id": f"req_{secrets.token_hex(16)}"}
