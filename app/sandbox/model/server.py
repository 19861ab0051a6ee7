"""`POST /v1/responses` and the routes that steer the model."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from aiohttp import web

from app.sandbox.model import conversation
from app.sandbox.model.assistants.routes import add_assistant_routes
from app.sandbox.model.brain import think
from app.sandbox.model.checks import check
from app.sandbox.model.control import Fault, FaultKind, ModelControl, RequestRecord
from app.sandbox.model.events import Answer, Event
from app.sandbox.model.exchange import (
    SORRY,
    TROUBLE,
    begin_stream,
    check_key,
    cut,
    is_gone,
    read_json,
    recorded,
    refuse_by,
    request_id,
    sse,
)
from app.sandbox.model.pace import HungUp, is_token, paced, pause
from app.sandbox.model.plan import Refuse
from app.sandbox.model.refusals import Refused

_NUMBERS = ("rate", "first_token_delay", "clock_ahead", "cancel_delay")


def add_model_routes(app: web.Application, *, token_rate: float) -> ModelControl:
    """Serve the model from `app`, at `token_rate` tokens a second (0: no pacing)."""
    server = _ModelServer(ModelControl(rate=token_rate))
    add_assistant_routes(app, server.control)
    app.router.add_post("/v1/responses", server.respond)
    app.router.add_get("/control/model", server.show)
    app.router.add_post("/control/model", server.steer)
    return server.control


class _ModelServer:
    def __init__(self, control: ModelControl) -> None:
        self.control = control

    async def respond(self, request: web.Request) -> web.StreamResponse:
        return await recorded(request, self.control, self._answer)

    async def _answer(
        self, request: web.Request, record: RequestRecord
    ) -> web.StreamResponse:
        check_key(request)
        record.body = await read_json(request)
        body = check(record.body, self.control.stored_items)
        fault = self.control.take_fault()
        if fault:
            refuse_by(fault, str(body["model"]), record)
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
        response = await begin_stream(request)
        last: Event = {"type": ""}
        async for group in paced(
            _with_fault(answer, fault),
            rate=lambda: self.control.rate,
            delay=self.control.delay(fault),
            is_gone=lambda: is_gone(request),
        ):
            last = group[-1]
            await response.write(b"".join(sse(event["type"], event) for event in group))
            record.events += len(group)
        if fault and fault.kind is FaultKind.CUT:
            record.ended = fault.kind
            cut(request)
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
        await pause(self.control.delay(fault) + writing, lambda: is_gone(request))
        if fault and fault.kind in {FaultKind.CUT, FaultKind.CLEAN_END}:
            record.ended = fault.kind
            cut(request)
            raise HungUp
        if "response" not in events[-1]:
            record.ended = FaultKind.ERROR_EVENT
            raise Refused(500, TROUBLE, type="server_error", code="server_error")
        self._keep(answer, fault, record, events[-1])
        return web.json_response(events[-1]["response"], headers=request_id())

    def _keep(
        self, answer: Answer, fault: Fault | None, record: RequestRecord, last: Event
    ) -> None:
        record.ended = str(last["type"]).removeprefix("response.")
        if fault and fault.kind is FaultKind.CLEAN_END:
            record.ended = fault.kind
        elif answer.request.get("store") is not False:
            self.control.remember(answer.output)

    async def show(self, _: web.Request) -> web.Response:
        return web.json_response(_state(self.control))

    async def steer(self, request: web.Request) -> web.Response:
        """Turn knobs and line up faults; a wrong one changes nothing."""
        try:
            _steer(self.control, await read_json(request))
        except (Refused, ValueError, TypeError) as error:
            problem = {"ok": False, "error": str(error)}
            return web.json_response(problem, status=400)
        return web.json_response(_state(self.control))


def _steer(control: ModelControl, wanted: object) -> None:
    if not isinstance(wanted, dict):
        raise TypeError("Send a JSON object.")
    unknown = set(wanted) - {*_NUMBERS, "fault", "clear_faults"}
    if unknown:
        raise ValueError(f"Unknown knob: {min(unknown)}.")
    numbers = {knob: float(wanted[knob]) for knob in _NUMBERS if knob in wanted}
    if any(not 0 <= number <= 1_000_000 for number in numbers.values()):  # noqa: PLR2004
        raise ValueError(f"{', '.join(_NUMBERS)} are numbers from 0.")
    if wanted.get("clear_faults"):
        control.clear_faults()
    if "fault" in wanted:
        control.fault(**wanted["fault"])
    for knob, number in numbers.items():
        setattr(control, knob, number)


def _state(control: ModelControl) -> dict[str, Any]:
    return {
        "ok": True,
        **{knob: getattr(control, knob) for knob in _NUMBERS},
        "faults": [asdict(fault) for fault in control.faults],
        "kinds": list(FaultKind),
        "requests": [
            {
                "number": record.number,
                "what": record.what,
                "status": record.status,
                "ended": record.ended,
                "events": record.events,
                "ms": round(record.seconds * 1000),
                "error": record.error,
            }
            for record in control.requests
        ],
    }


def _make_answer(body: dict[str, Any], fault: Fault | None) -> Answer:
    talk = conversation.read(body)
    most = body.get("max_output_tokens")
    if fault and fault.kind is FaultKind.INCOMPLETE:
        most = int(fault.value)
    is_refusal = fault is not None and fault.kind is FaultKind.REFUSAL
    plan = (Refuse(SORRY),) if is_refusal else think(talk)
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
            yield answer.failed("server_error", TROUBLE)
        case FaultKind.ERROR_EVENT:
            yield from islice(_before_the_end(answer), first)
            yield answer.error("server_error", TROUBLE)
        case FaultKind.ERROR_NESTED:
            yield from islice(_before_the_end(answer), first)
            flat = answer.error("server_error", TROUBLE)
            wrapped = {key: flat.pop(key) for key in ("code", "message", "param")}
            yield {**flat, "error": wrapped}
        case _:
            yield from answer.events()


def _before_the_end(answer: Answer) -> Iterator[Event]:
    """All events but the terminal one."""
    held: Event | None = None
    for event in answer.events():
        if held is not None:
            yield held
        held = event
