"""One door for every method: token, scope, limit, fault, answer, journal."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from app.sandbox.core import Core
from app.sandbox.faults import Fault, FaultKind
from app.sandbox.records import Json
from app.sandbox.refusal import Refused
from app.sandbox.web_api import (
    agents,
    basics,
    chat,
    conversations,
    modals,
    reactions,
    streams,
)
from app.sandbox.web_api.calls import (
    ApiCall,
    Arguments,
    Method,
    RateLimited,
    missing_scope,
)

METHODS: Mapping[str, Method] = {
    **agents.METHODS,
    **basics.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **modals.METHODS,
    **reactions.METHODS,
    **streams.METHODS,
}
_MARK = "-sandbox-"
_RATE_LIMITED = {"ok": False, "error": "ratelimited"}
_TOO_MANY = 429


@dataclass(slots=True)
class _Request:
    """One request as far as it was understood."""

    name: str
    arguments: dict[str, Any]
    token: str
    warning: str | None = None
    host: str = ""


class WebApi:
    """Serves `/api/{method}` as Slack does."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call; a planned fault may spoil it."""
        name = request.match_info["method"]
        fault = self._core.faults.take(name)
        kind = fault.kind if fault else None
        try:
            understood = await _understood(request)
        except Refused as refused:
            return self._answered(_Request(name, {}, ""), refused.answer())
        if fault is not None and kind is FaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        if fault is not None and kind in (FaultKind.ERROR, FaultKind.STATUS):
            return self._spoiled(understood, fault)
        if kind is FaultKind.DROP_BEFORE:
            self._write(understood, {}, 0, fault)
            return _hang_up(request)
        try:
            body = self._called(understood)
        except RateLimited as limited:
            return self._answered(understood, _RATE_LIMITED, _TOO_MANY, limited.seconds)
        if kind is FaultKind.DROP_AFTER:
            self._write(understood, body, 0, fault)
            return _hang_up(request)
        return self._answered(understood, body, fault=fault)

    def _called(self, request: _Request) -> Json:
        """Do what is asked and return the answer; raises RateLimited."""
        try:
            answer = {"ok": True, **self._done(request)}
        except Refused as refused:
            answer = refused.answer()
        if request.warning is not None:
            answer.setdefault("warning", request.warning)
        return answer

    def _done(self, request: _Request) -> Json:
        method = METHODS.get(request.name)
        if method is None:
            raise Refused("unknown_method", req_method=request.name)
        self._check_token(method, request.token)
        team_id = self._core.workspace.identity.team_id
        wait = self._core.limiter.take(team_id, request.name)
        if wait:
            raise RateLimited(wait)
        self._core.end_old_streams()
        arguments = Arguments(request.arguments)
        return method.handle(ApiCall(self._core, request.name, arguments, request.host))

    def _check_token(self, method: Method, token: str) -> None:
        identity = self._core.workspace.identity
        if not token:
            raise Refused("not_authed")
        if token not in (identity.bot_token, identity.app_token) or _MARK not in token:
            raise Refused("invalid_auth")
        if token == identity.bot_token and self._core.token_refused:
            raise Refused(self._core.token_refused)
        if (token == identity.app_token) != method.is_for_app_token:
            raise Refused("not_allowed_token_type")
        if method.scopes and not self._core.scopes.intersection(method.scopes):
            raise missing_scope(method.scopes, self._core.scopes)

    def _spoiled(self, request: _Request, fault: Fault) -> web.Response:
        if fault.kind is FaultKind.ERROR:
            body = {"ok": False, "error": str(fault.value or "internal_error")}
            return self._answered(request, body, fault=fault)
        match fault.value:
            case (int(status), int(seconds)):
                return self._answered(request, _RATE_LIMITED, status, seconds, fault)
            case 429 | 429.0:
                return self._answered(request, _RATE_LIMITED, _TOO_MANY, 1, fault)
            case value:
                status = int(value) if isinstance(value, int | float) else 500
                self._write(request, {}, status, fault)
                text = "<html><body>Our server had a problem.</body></html>"
                return web.Response(status=status, text=text, content_type="text/html")

    def _answered(
        self,
        request: _Request,
        body: Json,
        status: int = 200,
        retry_after: int = 0,
        fault: Fault | None = None,
    ) -> web.Response:
        self._write(request, body, status, fault)
        headers = {
            "x-slack-req-id": secrets.token_hex(16),
            "x-oauth-scopes": self._scopes_of(request.token),
        }
        method = METHODS.get(request.name)
        if method is not None and method.scopes:
            headers["x-accepted-oauth-scopes"] = ",".join(method.scopes)
        if retry_after:
            headers["Retry-After"] = str(retry_after)
        return web.json_response(body, status=status, headers=headers)

    def _scopes_of(self, token: str) -> str:
        if token == self._core.workspace.identity.app_token:
            return "connections:write"
        return ",".join(sorted(self._core.scopes))

    def _write(
        self, request: _Request, body: Json, status: int, fault: Fault | None
    ) -> None:
        team_id = self._core.workspace.identity.team_id
        known = request.name in METHODS
        self._core.journal.call(
            request.name,
            request.arguments,
            body,
            status,
            fault=fault.kind.value if fault else None,
            left=self._core.limiter.left(team_id, request.name) if known else None,
        )


def _hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _understood(request: web.Request) -> _Request:
    """Read the arguments and the token from wherever Slack takes them."""
    name = request.match_info["method"]
    values: dict[str, Any] = dict(request.query)
    # Slack: a token in the address is not one.
    values.pop("token", None)
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Bearer ").strip() if header[:7] == "Bearer " else ""
    warning = None
    if request.method == "POST" and request.can_read_body:
        body, warning = await _body(request, name)
        form_token = body.pop("token", "")
        # Slack: a token inside JSON is not read.
        is_json = request.content_type == "application/json"
        token = token or ("" if is_json else str(form_token))
        values |= body
    return _Request(name, values, token, warning, request.host)


async def _body(request: web.Request, name: str) -> tuple[dict[str, Any], str | None]:
    match request.content_type:
        case "application/json":
            method = METHODS.get(name)
            # Slack: methods that read take forms and queries; JSON passes unread.
            if method is not None and not method.takes_json:
                return {}, None
            warning = None if request.charset else "missing_charset"
            return _json_object(await request.read()), warning
        case "application/x-www-form-urlencoded" | "multipart/form-data":
            form = await request.post()
            return {key: str(value) for key, value in form.items()}, None
        case "application/octet-stream" if "Content-Type" not in request.headers:
            raise Refused("missing_post_type")
        case _:
            raise Refused("invalid_post_type")


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw or b"{}")
    except (ValueError, RecursionError):
        raise Refused("invalid_json") from None
    if not isinstance(value, dict):
        raise Refused("json_not_object")
    return {name: item for name, item in value.items() if item is not None}
