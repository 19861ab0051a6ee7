"""A run on its way: each event comes when its change has been made.

The order of the events and the fields of the objects are those of the published
reference of assistant streaming.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.sandbox.model.assistants.threads import (
    Run,
    Thread,
    Wire,
    new_id,
    open_message,
    open_step,
)
from app.sandbox.model.events import Event, tokens_of
from app.sandbox.model.plan import Call, Output, Refuse, Say

_ENDED_AT = {
    "completed": "completed_at",
    "failed": "failed_at",
    "cancelled": "cancelled_at",
    "expired": "expired_at",
}
_MESSAGE_REASONS = {
    "failed": "run_failed",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
}


@dataclass(slots=True, kw_only=True, eq=False)
class Progress:
    """One stretch of a run: until it is over or waits for the outputs of its calls.

    `most_tokens` is for the whole run; `prompt` counts what the model reads.
    """

    thread: Thread
    run: Run
    now: Callable[[], int]
    prompt: int
    most_tokens: int | None
    is_cut: bool = False

    def queued(self) -> Iterator[Event]:
        """Begin a new run."""
        yield _event("thread.run.created", self.run.wire)
        yield _event("thread.run.queued", self.run.wire)

    def queued_again(self) -> Iterator[Event]:
        """Go on with a run that has got the outputs of its calls."""
        yield from self._close_step("completed")
        yield _event("thread.run.queued", self.run.wire)

    def answer(self, plan: Sequence[Output]) -> Iterator[Event]:
        """Put out the plan, up to what ends the stretch."""
        started = self.run.wire["started_at"] or self.now()
        yield self.move("in_progress", started_at=started)
        if self._is_too_long():
            return
        for output in plan:
            if isinstance(output, Say | Refuse) and not self.is_cut:
                yield from self._message(output)
        calls = [output for output in plan if isinstance(output, Call)]
        if not self.run.wire["parallel_tool_calls"]:
            del calls[1:]
        if calls and not self.is_cut:
            yield from self._calls(calls)

    def finish(self) -> Iterator[Event]:
        """End the stretch after its answer."""
        if self._is_too_long():
            yield self._end("incomplete", "max_prompt_tokens")
        elif self.is_cut:
            yield from self._close_step("completed")
            yield self._end("incomplete", "max_completion_tokens")
        elif self.run.step is not None:
            yield self.move("requires_action", required_action=_asked(self.run.step))
        else:
            yield self._end("completed")

    def break_off(self, status: str, error: Wire | None = None) -> Iterator[Event]:
        """End the run as failed, cancelled or expired, wherever it stands."""
        if self.run.message is not None:
            yield self._cut_message(_MESSAGE_REASONS[status], self.run.said)
        yield from self._close_step(status, error)
        if error is not None:
            self.run.wire["last_error"] = error
        yield self._end(status)

    def move(self, status: str, **changes: object) -> Event:
        """Change the run's status."""
        self.run.wire |= {"status": status, **changes}
        return _event(f"thread.run.{status}", self.run.wire)

    def _end(self, status: str, reason: str | None = None) -> Event:
        at = _ENDED_AT.get(status)
        changes: Wire = {at: self.now()} if at in self.run.wire else {}
        if reason:
            changes["incomplete_details"] = {"reason": reason}
        if status != "expired":
            changes["expires_at"] = None
        usage = self._usage()
        return self.move(status, required_action=None, usage=usage, **changes)

    def _usage(self) -> Wire:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.run.tokens,
            "total_tokens": self.prompt + self.run.tokens,
        }

    def _is_too_long(self) -> bool:
        most = self.run.wire["max_prompt_tokens"]
        return most is not None and self.prompt > most

    def _take(self, text: str) -> Iterator[str]:
        for token in tokens_of(text):
            if self.most_tokens is not None and self.run.tokens >= self.most_tokens:
                self.is_cut = True
                return
            self.run.tokens += 1
            yield token

    def _open_step(self, details: Wire) -> Iterator[Event]:
        self.run.step = open_step(self.run, details, self.now())
        yield _event("thread.run.step.created", self.run.step)
        yield _event("thread.run.step.in_progress", self.run.step)

    def _close_step(self, status: str, error: Wire | None = None) -> Iterator[Event]:
        step, self.run.step = self.run.step, None
        if step is not None:
            step |= {"status": status, "last_error": error, "usage": self._usage()}
            step[_ENDED_AT[status]] = self.now()
            yield _event(f"thread.run.step.{status}", step)

    def _message(self, output: Say | Refuse) -> Iterator[Event]:
        kind = "refusal" if isinstance(output, Refuse) else "text"
        message = open_message(self.thread, self.run, self.now())
        creation = {"message_id": message["id"]}
        yield from self._open_step(
            {"type": "message_creation", "message_creation": creation}
        )
        self.run.message, self.run.kind, self.run.said = message, kind, ""
        yield _event("thread.message.created", message)
        yield _event("thread.message.in_progress", message)
        said = ""
        for token in self._take(output.text):
            yield _message_delta(message, kind, token, is_first=not said)
            said += token
        if self.is_cut:
            yield self._cut_message("max_tokens", said)
            return
        self.run.message = None
        message |= {"status": "completed", "completed_at": self.now()}
        message["content"] = [_part(kind, said)]
        yield _event("thread.message.completed", message)
        yield from self._close_step("completed")

    def _cut_message(self, reason: str, said: str) -> Event:
        message, self.run.message = self.run.message or {}, None
        message |= {
            "status": "incomplete",
            "incomplete_details": {"reason": reason},
            "incomplete_at": self.now(),
            "content": [_part(self.run.kind, said)] if said else [],
        }
        return _event("thread.message.incomplete", message)

    def _calls(self, calls: Sequence[Call]) -> Iterator[Event]:
        yield from self._open_step({"type": "tool_calls", "tool_calls": []})
        step = self.run.step or {}
        self.thread.add(step)
        made: list[Wire] = []
        for index, call in enumerate(calls):
            call_id, written = new_id("call"), ""
            name = {"name": call.name, "arguments": "", "output": None}
            yield _call_delta(step, {"index": index, "id": call_id, "function": name})
            for token in self._take(call.arguments):
                written += token
                piece = {"arguments": token}
                yield _call_delta(step, {"index": index, "function": piece})
            function = {"name": call.name, "arguments": written, "output": None}
            made.append({"id": call_id, "type": "function", "function": function})
            step["step_details"] = {"type": "tool_calls", "tool_calls": list(made)}
            if self.is_cut:
                return


def _event(kind: str, wire: Wire) -> Event:
    return {"type": kind, "data": dict(wire)}


def _part(kind: str, said: str) -> Wire:
    if kind == "refusal":
        return {"type": "refusal", "refusal": said}
    return {"type": "text", "text": {"value": said, "annotations": []}}


def _message_delta(message: Wire, kind: str, token: str, *, is_first: bool) -> Event:
    part: Wire = {"index": 0, "type": kind}
    if kind == "refusal":
        part["refusal"] = token
    else:
        part["text"] = {"value": token} | ({"annotations": []} if is_first else {})
    return _event(
        "thread.message.delta",
        {
            "id": message["id"],
            "object": "thread.message.delta",
            "delta": {"content": [part]},
        },
    )


def _call_delta(step: Wire, call: Wire) -> Event:
    details = {"type": "tool_calls", "tool_calls": [{"type": "function", **call}]}
    return _event(
        "thread.run.step.delta",
        {
            "id": step["id"],
            "object": "thread.run.step.delta",
            "delta": {"step_details": details},
        },
    )


def _asked(step: Wire) -> Wire:
    calls = [
        {
            "id": call["id"],
            "type": "function",
            "function": {
                "name": call["function"]["name"],
                "arguments": call["function"]["arguments"],
            },
        }
        for call in step["step_details"]["tool_calls"]
    ]
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
