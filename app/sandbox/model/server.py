"""`POST /v1/responses` and the routes that steer the model."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from aiohttp import web

from app.sandbox.model import conversation
from app.sandbox.model.assistants.routes import add_assistant_routes
from app.sandbox.model.brain import think
from app.sandbox.model.checks import check, check_new, check_pairs
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
from app.sandbox.model.kept.routes import add_kept_routes
from app.sandbox.model.kept.shelf import Shelf, items_of
from app.sandbox.model.kept.writing import Writing, writing
from app.sandbox.model.pace import HungUp, is_token, paced, pause
from app.sandbox.model.plan import Refuse
from app.sandbox.model.refusals import Refused

_NUMBERS = (
    "rate",
    "first_token_delay",
    "clock_ahead",
    "cancel_delay",
    "context_tokens",
)
_ENDS = ("response.completed", "response.incomplete", "response.failed")
_TOO_LONG = (
    "Your input exceeds the context window of this model. Please adjust your input and"
    " try again."
)


def add_model_routes(app: web.Application, *, token_rate: float) -> ModelControl:
    """Serve the model from `app`, at `token_rate` tokens a second (0: no pacing)."""
    server = _ModelServer(ModelControl(rate=token_rate))
    add_assistant_routes(app, server.control)
    add_kept_routes(app, server.control, server.shelf)
    app.router.add_post("/v1/responses", server.respond)
    app.router.add_get("/control/model", server.show)
    app.router.add_post("/control/model", server.steer)
    return server.control


class _ModelServer:
    def __init__(self, control: ModelControl) -> None:
        self.control = control
        self.shelf = Shelf()

    async def respond(self, request: web.Request) -> web.StreamResponse:
        return await recorded(request, self.control, self._answer)

    async def _answer(
        self, request: web.Request, record: RequestRecord
    ) -> web.StreamResponse:
        check_key(request)
        record.body = await read_json(request)
        body = check(record.body, self.shelf.item_ids)
        place = self.shelf.place(body)
        items = items_of(body.get("input"))
        check_new(place.before, items)
        check_pairs([*place.before, *items])
        fault = self.control.take_fault()
        if fault:
            refuse_by(fault, str(body["model"]), record)
        answer = _make_answer({**body, "input": [*place.before, *items]}, fault)
        self._check_length(answer)
        its = writing(
            self.shelf,
            place,
            body,
            items,
            lingers=lambda: self.control.cancel_delay,
        )
        with its as kept:
            kept.begun(answer)
            try:
                if body.get("stream"):
                    return await self._stream(request, answer, fault, record, kept)
                return await self._whole(request, answer, fault, record, kept)
            finally:
                if not kept.was_heard:
                    kept.unheard(answer)

    def _check_length(self, answer: Answer) -> None:
        most = self.control.context_tokens
        if most and answer.input_tokens > most:
            code = "context_length_exceeded"
            raise Refused(400, _TOO_LONG, param="input", code=code)

    async def _stream(
        self,
        request: web.Request,
        answer: Answer,
        fault: Fault | None,
        record: RequestRecord,
        kept: Writing,
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
            if last["type"] in _ENDS and not _is_cut(fault):
                # Whoever reads the end may go on at once.
                kept.over(last["response"])
            await response.write(b"".join(sse(event["type"], event) for event in group))
            record.events += len(group)
        if fault and fault.kind is FaultKind.CUT:
            record.ended = fault.kind
            cut(request)
            return response
        await response.write_eof()
        record.ended = _ending(fault, last)
        return response

    async def _whole(
        self,
        request: web.Request,
        answer: Answer,
        fault: Fault | None,
        record: RequestRecord,
        kept: Writing,
    ) -> web.StreamResponse:
        """Answer at once, after the time that the tokens would have taken."""
        events = list(_with_fault(answer, fault))
        record.events = len(events)
        rate = self.control.rate
        writing_for = sum(map(is_token, events)) / rate if rate else 0.0
        await pause(self.control.delay(fault) + writing_for, lambda: is_gone(request))
        if _is_cut(fault):
            record.ended = fault.kind if fault else ""
            cut(request)
            raise HungUp
        last = events[-1]
        if "response" not in last:
            record.ended = FaultKind.ERROR_EVENT
            raise Refused(500, TROUBLE, type="server_error", code="server_error")
        kept.over(last["response"])
        record.ended = _ending(fault, last)
        return web.json_response(last["response"], headers=request_id())

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


def _is_cut(fault: Fault | None) -> bool:
    return fault is not None and fault.kind in {FaultKind.CUT, FaultKind.CLEAN_END}


def _ending(fault: Fault | None, last: Event) -> str:
    if fault and fault.kind is FaultKind.CLEAN_END:
        return fault.kind
    return str(last["type"]).removeprefix("response.")


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
