"""`POST /v1/responses` and the routes that steer it."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from aiohttp import web

from app.sandbox.model import conversation
from app.sandbox.model.brain import think
from app.sandbox.model.checks import Refused, check
from app.sandbox.model.control import Fault, FaultKind, ModelControl, RequestRecord
from app.sandbox.model.events import Answer, Event
from app.sandbox.model.pace import HungUp, is_token, paced, pause
from app.sandbox.model.plan import Refuse

_LARGEST_BODY = 32 * 1024 * 1024
_SORRY = "I'm sorry, but I can't help with that."
_TROUBLE = "The server had an error while processing your request. Sorry about that!"
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an"
    " Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
_TOO_FAST = "Rate limit reached for {model}. Please try again in {seconds:g}s."
_NO_CREDIT = (
    "You exceeded your current quota, please check your plan and billing details."
)
# A connection that is gone has no status; nginx's word for it stands in the log only.
_CLIENT_GONE = 499


def add_model_routes(app: web.Application, *, token_rate: float) -> ModelControl:
    """Serve the model from `app`, at `token_rate` tokens a second (0: no pacing)."""
    server = _ModelServer(ModelControl(rate=token_rate))
    app.router.add_post("/v1/responses", server.respond)
    app.router.add_get("/control/model", server.show)
    app.router.add_post("/control/model", server.steer)
    return server.control


class _ModelServer:
    def __init__(self, control: ModelControl) -> None:
        self.control = control

    async def respond(self, request: web.Request) -> web.StreamResponse:
        started = time.monotonic()
        record = self.control.begin()
        try:
            return await self._answer(request, record)
        except Refused as refused:
            record.ended = record.ended or "refused"
            record.status, record.error = refused.status, str(refused)
            headers = refused.headers | _request_id()
            return web.json_response(
                refused.body, status=refused.status, headers=headers
            )
        except (HungUp, ConnectionError):
            return web.Response(status=_CLIENT_GONE)
        finally:
            record.ended = record.ended or "hung up"
            record.seconds = time.monotonic() - started
            await self.control.tell()

    async def _answer(
        self, request: web.Request, record: RequestRecord
    ) -> web.StreamResponse:
        _check_key(request)
        record.body = await _read_json(request)
        body = check(record.body, self.control.stored_items)
        fault = self.control.take_fault()
        if fault:
            _refuse_by(fault, str(body["model"]), record)
        answer = _make_answer(body, fault)
        if body.get("stream"):
            return await self._stream(request, answer, fault, record)
        return await self._whole(request, answer, fault, record)

    async def _stream(
        self,
        request: web.Request,
        answer: Answer,
        fault: Fault | None,
        record: RequestRecord,
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
            }
            | _request_id()
        )
        await response.prepare(request)
        last: Event = {"type": ""}
        async for group in paced(
            _with_fault(answer, fault),
            rate=lambda: self.control.rate,
            delay=self._delay(fault),
            is_gone=lambda: _is_gone(request),
        ):
            last = group[-1]
            await response.write(b"".join(_sse(event) for event in group))
            record.events += len(group)
        if fault and fault.kind is FaultKind.CUT:
            record.ended = fault.kind
            _cut(request)
            return response
        await response.write_eof()
        self._keep(answer, fault, record, last)
        return response

    async def _whole(
        self,
        request: web.Request,
        answer: Answer,
        fault: Fault | None,
        record: RequestRecord,
    ) -> web.StreamResponse:
        """Answer at once, after the time that the tokens would have taken."""
        events = list(_with_fault(answer, fault))
        record.events = len(events)
        rate = self.control.rate
        writing = sum(map(is_token, events)) / rate if rate else 0.0
        await pause(self._delay(fault) + writing, lambda: _is_gone(request))
        if fault and fault.kind in {FaultKind.CUT, FaultKind.CLEAN_END}:
            record.ended = fault.kind
            _cut(request)
            raise HungUp
        if "response" not in events[-1]:
            record.ended = FaultKind.ERROR_EVENT
            raise Refused(500, _TROUBLE, type="server_error", code="server_error")
        self._keep(answer, fault, record, events[-1])
        return web.json_response(events[-1]["response"], headers=_request_id())

    def _keep(
        self, answer: Answer, fault: Fault | None, record: RequestRecord, last: Event
    ) -> None:
        record.ended = str(last["type"]).removeprefix("response.")
        if fault and fault.kind is FaultKind.CLEAN_END:
            record.ended = fault.kind
        elif answer.request.get("store") is not False:
            self.control.remember(answer.output)

    def _delay(self, fault: Fault | None) -> float:
        if fault and fault.kind is FaultKind.SLOW_FIRST_TOKEN:
            return fault.value
        return self.control.first_token_delay

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response(_state(self.control))

    async def steer(self, request: web.Request) -> web.Response:
        """Turn knobs and line up faults; a wrong one changes nothing."""
        try:
            _steer(self.control, await _read_json(request))
        except (Refused, ValueError, TypeError) as error:
            problem = {"ok": False, "error": str(error)}
            return web.json_response(problem, status=400)
        return web.json_response(_state(self.control))


def _steer(control: ModelControl, wanted: object) -> None:
    if not isinstance(wanted, dict):
        raise TypeError("Send a JSON object.")
    unknown = set(wanted) - {"rate", "first_token_delay", "fault", "clear_faults"}
    if unknown:
        raise ValueError(f"Unknown knob: {min(unknown)}.")
    numbers = {
        knob: float(wanted[knob])
        for knob in ("rate", "first_token_delay")
        if knob in wanted
    }
    if any(not 0 <= number <= 1_000_000 for number in numbers.values()):  # noqa: PLR2004
        raise ValueError("rate and first_token_delay are numbers from 0.")
    if wanted.get("clear_faults"):
        control.clear_faults()
    if "fault" in wanted:
        control.fault(**wanted["fault"])
    for knob, number in numbers.items():
        setattr(control, knob, number)


def _state(control: ModelControl) -> dict[str, Any]:
    return {
        "ok": True,
        "rate": control.rate,
        "first_token_delay": control.first_token_delay,
        "faults": [asdict(fault) for fault in control.faults],
        "kinds": list(FaultKind),
        "requests": [
            {
                "number": record.number,
                "status": record.status,
                "ended": record.ended,
                "events": record.events,
                "ms": round(record.seconds * 1000),
                "error": record.error,
            }
            for record in control.requests
        ],
    }


def _check_key(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refused(401, _NO_KEY)


async def _read_json(request: web.Request) -> object:
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


def _refuse_by(fault: Fault, model: str, record: RequestRecord) -> None:
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
        case FaultKind.HTTP_500:
            record.ended = fault.kind
            raise Refused(500, _TROUBLE, type="server_error", code="server_error")
        case _:
            return


def _make_answer(body: dict[str, Any], fault: Fault | None) -> Answer:
    talk = conversation.read(body)
    most = body.get("max_output_tokens")
    if fault and fault.kind is FaultKind.INCOMPLETE:
        most = int(fault.value)
    is_refusal = fault is not None and fault.kind is FaultKind.REFUSAL
    plan = (Refuse(_SORRY),) if is_refusal else think(talk)
    return Answer(body, plan, wants_reasoning=talk.wants_reasoning, most_tokens=most)


def _with_fault(answer: Answer, fault: Fault | None) -> Iterator[Event]:
    """The events of an answer as far as the fault lets them through."""
    if fault is None:
        yield from answer.events()
        return
    first = int(fault.value)
    match fault.kind:
        case FaultKind.CUT | FaultKind.CLEAN_END:
            yield from islice(_before_the_end(answer), first)
        case FaultKind.FAILED:
            yield from islice(_before_the_end(answer), first)
            yield answer.failed("server_error", _TROUBLE)
        case FaultKind.ERROR_EVENT:
            yield from islice(_before_the_end(answer), first)
            yield answer.error("server_error", _TROUBLE)
        case _:
            yield from answer.events()


def _before_the_end(answer: Answer) -> Iterator[Event]:
    """All events but the terminal one."""
    held: Event | None = None
    for event in answer.events():
        if held is not None:
            yield held
        held = event


def _sse(event: Event) -> bytes:
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _cut(request: web.Request) -> None:
    """Close the socket in the middle of the answer; what was written still goes out."""
    if request.transport is not None:
        request.transport.close()


def _request_id() -> dict[str, str]:
    return {"x-request-id": f"req_{secrets.token_hex(16)}"}
