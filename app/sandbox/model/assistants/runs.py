"""The routes of runs: create, stream, cancel, submit, look."""

from aiohttp import web

from app.sandbox.model.assistants.asked import Answered, Asked, page
from app.sandbox.model.assistants.checks import (
    check_calls,
    check_changes,
    check_free,
    check_outputs,
    check_run,
    check_thread_and_run,
)
from app.sandbox.model.assistants.feed import Feed
from app.sandbox.model.assistants.runner import Runner
from app.sandbox.model.assistants.threads import (
    MODEL,
    Run,
    Thread,
    Threads,
    Wire,
    add_message,
    new_run,
    new_thread,
    not_found,
)
from app.sandbox.model.control import Fault, FaultKind, ModelControl
from app.sandbox.model.events import Event
from app.sandbox.model.exchange import begin_stream, cut, is_gone, refuse_by, sse
from app.sandbox.model.pace import HungUp

_DONE = b"event: done\ndata: [DONE]\n\n"
_CUTTING = frozenset({FaultKind.CUT, FaultKind.CLEAN_END})


class Runs:
    """The handlers; a run goes on when its reader hangs up."""

    def __init__(self, control: ModelControl, threads: Threads, runner: Runner) -> None:
        self._control = control
        self._threads = threads
        self._runner = runner

    async def create(self, asked: Asked) -> Answered:
        """`POST /threads/{thread}/runs`."""
        thread = self._thread(asked)
        body = check_run(asked.body)
        check_free(thread, for_run=True)
        fault = self._fault(asked, str(body.get("model") or MODEL))
        for message in body.get("additional_messages") or ():
            add_message(thread, message, self._control.now())
        run = new_run(thread, body, self._control.now())
        feed = self._runner.start(thread, run, fault)
        return await self._answer(asked, run, feed, fault)

    async def create_with_thread(self, asked: Asked) -> Answered:
        """`POST /threads/runs`: its stream begins with the thread."""
        body = check_thread_and_run(asked.body)
        fault = self._fault(asked, str(body.get("model") or MODEL))
        thread = new_thread(body.get("thread") or {}, self._control.now())
        self._threads.add(thread)
        run = new_run(thread, body, self._control.now())
        created: Event = {"type": "thread.created", "data": dict(thread.wire)}
        feed = self._runner.start(thread, run, fault, [created])
        return await self._answer(asked, run, feed, fault)

    async def submit(self, asked: Asked) -> Answered:
        """`POST …/submit_tool_outputs`: all outputs at once."""
        thread = self._thread(asked)
        run = thread.find_run(asked.id("run"))
        outputs = check_outputs(asked.body)["tool_outputs"]
        check_calls(run, outputs)
        fault = self._fault(asked, run.wire["model"])
        given = {output["tool_call_id"]: output["output"] for output in outputs}
        _fill_in(run, given)
        run.wire |= {"status": "queued", "required_action": None}
        feed = self._runner.go_on(thread, run, fault)
        return await self._answer(asked, run, feed, fault)

    async def cancel(self, asked: Asked) -> Answered:
        """`POST …/cancel`: the run is `cancelling` for a moment."""
        thread = self._thread(asked)
        run = thread.find_run(asked.id("run"))
        self._runner.cancel(thread, run)
        return dict(run.wire)

    async def show(self, asked: Asked) -> Answered:
        """`GET …/runs/{run}`."""
        return dict(self._thread(asked).find_run(asked.id("run")).wire)

    async def change(self, asked: Asked) -> Answered:
        """`POST …/runs/{run}`."""
        run = self._thread(asked).find_run(asked.id("run"))
        run.wire |= check_changes(asked.body)
        return dict(run.wire)

    async def index(self, asked: Asked) -> Answered:
        """`GET …/runs`."""
        runs = self._thread(asked).runs.values()
        return page(asked, [run.wire for run in runs])

    async def steps(self, asked: Asked) -> Answered:
        """`GET …/steps`."""
        run = self._thread(asked).find_run(asked.id("run"))
        return page(asked, run.steps)

    async def step(self, asked: Asked) -> Answered:
        """`GET …/steps/{step}`."""
        run = self._thread(asked).find_run(asked.id("run"))
        for step in run.steps:
            if step["id"] == asked.id("step"):
                return step
        raise not_found("run step", asked.id("step"))

    def _thread(self, asked: Asked) -> Thread:
        thread = self._threads.find(asked.id("thread"))
        self._runner.settle(thread)
        return thread

    def _fault(self, asked: Asked, model: str) -> Fault | None:
        fault = self._control.take_fault()
        if fault:
            refuse_by(fault, model, asked.record)
        return fault

    async def _answer(
        self, asked: Asked, run: Run, feed: Feed, fault: Fault | None
    ) -> Answered:
        if isinstance(asked.body, dict) and asked.body.get("stream"):
            try:
                return await self._stream(asked, run, feed, fault)
            finally:
                feed.leave()
        feed.leave()
        if fault and fault.kind in _CUTTING:
            asked.record.ended = fault.kind
            cut(asked.request)
            raise HungUp
        return dict(run.wire)

    async def _stream(
        self, asked: Asked, run: Run, feed: Feed, fault: Fault | None
    ) -> web.StreamResponse:
        response = await begin_stream(asked.request)
        kind = fault.kind if fault and fault.kind in _CUTTING else None
        left = int(fault.value) if fault and kind else None
        while events := await feed.take(lambda: is_gone(asked.request)):
            shown = events if left is None else _before_the_end(events)[:left]
            await response.write(b"".join(_written(event) for event in shown))
            asked.record.events += len(shown)
            if left is not None:
                left -= len(shown)
                if left == 0 or len(shown) < len(events):
                    break
        if kind is FaultKind.CUT:
            cut(asked.request)
        else:
            await response.write_eof(b"" if kind else _DONE)
        asked.record.ended = kind or run.status
        return response


def _fill_in(run: Run, outputs: dict[str, str]) -> None:
    """Put the outputs into the step that waits for them."""
    step: Wire = run.step or {}
    calls = [
        {**call, "function": {**call["function"], "output": outputs[call["id"]]}}
        for call in step["step_details"]["tool_calls"]
    ]
    step["step_details"] = {"type": "tool_calls", "tool_calls": calls}


def _before_the_end(events: list[Event]) -> list[Event]:
    """The events before one after which the stream would end by itself."""
    for place, event in enumerate(events):
        status = event["data"].get("status") if event["type"] != "error" else "failed"
        is_run = event["type"] == "error" or event["data"].get("object") == "thread.run"
        if is_run and status not in {"queued", "in_progress", "cancelling"}:
            return events[:place]
    return events


def _written(event: Event) -> bytes:
    return sse(event["type"], event["data"])
