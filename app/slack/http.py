"""The route where Slack delivers over HTTP: events, clicks and commands alike."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp

from app import telemetry
from app.slack.bolt import dispatch
from app.slack.payloads import parse_body
from app.slack.verify import header_refusal, refusal

PATH = "/slack/events"
MAX_BODY = 1024 * 1024

_READ_LIMIT = 10.0


def add_slack_routes(
    web_app: web.Application,
    bolt: AsyncApp,
    signing_secret: str,
    *,
    now: Callable[[], float] = time.time,
) -> None:
    """Let `web_app` take what Slack sends to `/slack/events`.

    Whatever is not signed by Slack, too large, or none of its forms gets a 4xx and
    leaves nothing. The rest gets 200, or 500 when it could not be stored.
    """
    web_app.router.add_post(PATH, _receiver(bolt, signing_secret, now))


def _receiver(
    bolt: AsyncApp, secret: str, now: Callable[[], float]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def receive(request: web.Request) -> web.StreamResponse:
        body = await _signed_body(request, secret, now)
        if isinstance(body, HTTPStatus):
            return _refused(body)
        payload = parse_body(body)
        if payload is None:
            return _refused(HTTPStatus.BAD_REQUEST)
        return await to_aiohttp_response(await dispatch(bolt, payload))

    return receive


async def _signed_body(
    request: web.Request, secret: str, now: Callable[[], float]
) -> bytes | HTTPStatus:
    # Nothing of a body is read whose headers already rule it out.
    if header_refusal(request.headers, now()):
        return HTTPStatus.UNAUTHORIZED
    # Slack signs what it sends and sends it as it is.
    if hdrs.CONTENT_ENCODING in request.headers:
        return HTTPStatus.BAD_REQUEST
    body = await _read(request)
    if isinstance(body, bytes) and refusal(request.headers, body, secret, now()):
        return HTTPStatus.UNAUTHORIZED
    return body


async def _read(request: web.Request) -> bytes | HTTPStatus:
    if (request.content_length or 0) > MAX_BODY:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    body = bytearray()
    try:
        async with asyncio.timeout(_READ_LIMIT):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY:
                    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    except TimeoutError:
        return HTTPStatus.REQUEST_TIMEOUT
    return bytes(body)


def _refused(status: HTTPStatus) -> web.Response:
    telemetry.count(f"slack.refused.{status.value}")
    return web.Response(status=status)
