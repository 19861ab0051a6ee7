"""Threads and all that stands in them, kept in memory: the newest thousand.

The objects have the fields of OpenAI's published specification. Nested values are
replaced and never changed, so that a flat copy of an object stays as it was.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.model.refusals import Refused

Wire = dict[str, Any]

ACTIVE = frozenset({"queued", "in_progress", "requires_action", "cancelling"})
ASSISTANT_ID = "asst_offline"
MODEL = "offline"
KEPT_THREADS = 1_000
KEPT_ENTRIES = 2_000
_LIFE = 600


def new_id(prefix: str) -> str:
    """A new id such as `thread_…`."""
    return f"{prefix}_{secrets.token_hex(12)}"


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """A run, its steps in their order, and what of it is open right now."""

    wire: Wire
    most_tokens: int | None
    steps: list[Wire] = field(default_factory=list)
    step: Wire | None = None
    message: Wire | None = None
    kind: str = "text"
    said: str = ""
    tokens: int = 0

    @property
    def id(self) -> str:
        """The id on the wire."""
        return str(self.wire["id"])

    @property
    def status(self) -> str:
        """The status as it was last seen; one that expired meanwhile is still old."""
        return str(self.wire["status"])

    def is_late(self, now: int) -> bool:
        """Whether the run should have ended before `now`."""
        return self.status in ACTIVE and now >= self.wire["expires_at"]


@dataclass(slots=True, kw_only=True, eq=False)
class Thread:
    """A thread; `log` holds its messages and tool steps in the order they came."""

    wire: Wire
    log: list[Wire] = field(default_factory=list)
    runs: dict[str, Run] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id on the wire."""
        return str(self.wire["id"])

    @property
    def messages(self) -> list[Wire]:
        """The messages, oldest first."""
        return [entry for entry in self.log if entry["object"] == "thread.message"]

    def active(self) -> Run | None:
        """The run that is not over, if any."""
        newest = next(reversed(self.runs.values()), None)
        return newest if newest and newest.status in ACTIVE else None

    def add(self, entry: Wire) -> None:
        """Put a message or a tool step at the end; the oldest fall out."""
        self.log.append(entry)
        del self.log[:-KEPT_ENTRIES]

    def find_run(self, run_id: str) -> Run:
        """Find a run; `Refused` (404) if there is none."""
        if run_id not in self.runs:
            raise not_found("run", run_id)
        return self.runs[run_id]


class Threads:
    """All threads; the oldest fall out when there are too many."""

    def __init__(self) -> None:
        self._threads: dict[str, Thread] = {}

    def add(self, thread: Thread) -> None:
        """Keep a thread."""
        self._threads[thread.id] = thread
        while len(self._threads) > KEPT_THREADS:
            del self._threads[next(iter(self._threads))]

    def find(self, thread_id: str) -> Thread:
        """Find a thread; `Refused` (404) if there is none."""
        if thread_id not in self._threads:
            raise not_found("thread", thread_id)
        return self._threads[thread_id]

    def remove(self, thread_id: str) -> Thread:
        """Take a thread out; `Refused` (404) if there is none."""
        thread = self.find(thread_id)
        del self._threads[thread_id]
        return thread


def not_found(what: str, wanted: str) -> Refused:
    """The refusal of an id that nobody knows."""
    return Refused(404, f"No {what} found with id '{wanted}'.")


def new_thread(body: Mapping[str, Any], now: int) -> Thread:
    """Make a thread with the messages that `body` begins it with."""
    thread = Thread(
        wire={
            "id": new_id("thread"),
            "object": "thread",
            "created_at": now,
            "metadata": body.get("metadata") or {},
            "tool_resources": body.get("tool_resources") or {},
        }
    )
    for message in body.get("messages") or ():
        add_message(thread, message, now)
    return thread


def add_message(thread: Thread, body: Mapping[str, Any], now: int) -> Wire:
    """Put a message that was sent into the thread."""
    given = body["content"]
    parts = [{"type": "text", "text": given}] if isinstance(given, str) else given
    message = _message(thread, str(body["role"]), now) | {
        "content": [_stored(part) for part in parts],
        "attachments": body.get("attachments") or [],
        "metadata": body.get("metadata") or {},
    }
    thread.add(message)
    return message


def open_message(thread: Thread, run: Run, now: int) -> Wire:
    """Put the message that a run begins to write into the thread."""
    message = _message(thread, "assistant", now) | {
        "assistant_id": run.wire["assistant_id"],
        "run_id": run.id,
        "status": "in_progress",
        "completed_at": None,
    }
    thread.add(message)
    return message


def open_step(run: Run, details: Wire, now: int) -> Wire:
    """Put a step that begins into the run; its type is the one of its details."""
    step = {
        "id": new_id("step"),
        "object": "thread.run.step",
        "created_at": now,
        "run_id": run.id,
        "assistant_id": run.wire["assistant_id"],
        "thread_id": run.wire["thread_id"],
        "type": details["type"],
        "status": "in_progress",
        "cancelled_at": None,
        "completed_at": None,
        "expired_at": None,
        "failed_at": None,
        "last_error": None,
        "metadata": {},
        "step_details": details,
        "usage": None,
    }
    run.steps.append(step)
    return step


def new_run(thread: Thread, body: Mapping[str, Any], now: int) -> Run:
    """Put a run into the thread, queued, with what `body` asks of it."""
    most = body.get("max_completion_tokens")
    told = [body.get("instructions"), body.get("additional_instructions")]
    run = Run(
        wire={
            "id": new_id("run"),
            "object": "thread.run",
            "created_at": now,
            "assistant_id": body["assistant_id"],
            "thread_id": thread.id,
            "status": "queued",
            "started_at": None,
            "expires_at": now + _LIFE,
            "cancelled_at": None,
            "failed_at": None,
            "completed_at": None,
            "required_action": None,
            "last_error": None,
            "model": body.get("model") or MODEL,
            "instructions": "\n".join(text for text in told if text),
            "tools": body.get("tools") or [],
            "tool_resources": body.get("tool_resources") or {},
            "metadata": body.get("metadata") or {},
            "temperature": _or(body.get("temperature"), 1.0),
            "top_p": _or(body.get("top_p"), 1.0),
            "reasoning_effort": body.get("reasoning_effort"),
            "max_completion_tokens": most,
            "max_prompt_tokens": body.get("max_prompt_tokens"),
            "truncation_strategy": {"type": "auto", "last_messages": None}
            | (body.get("truncation_strategy") or {}),
            "incomplete_details": None,
            "usage": None,
            "response_format": body.get("response_format") or "auto",
            "tool_choice": body.get("tool_choice") or "auto",
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        },
        most_tokens=most,
    )
    thread.runs[run.id] = run
    while len(thread.runs) > KEPT_ENTRIES:
        del thread.runs[next(iter(thread.runs))]
    return run


def the_assistant() -> Wire:
    """The only assistant there is."""
    return {
        "id": ASSISTANT_ID,
        "object": "assistant",
        "created_at": 1_700_000_000,
        "name": "The offline assistant",
        "description": None,
        "model": MODEL,
        "instructions": None,
        "tools": [],
        "tool_resources": {},
        "metadata": {},
        "top_p": 1.0,
        "temperature": 1.0,
        "reasoning_effort": None,
        "response_format": "auto",
    }


def _message(thread: Thread, role: str, now: int) -> Wire:
    return {
        "id": new_id("msg"),
        "object": "thread.message",
        "created_at": now,
        "assistant_id": None,
        "thread_id": thread.id,
        "run_id": None,
        "role": role,
        "status": "completed",
        "incomplete_details": None,
        "incomplete_at": None,
        "completed_at": now,
        "content": [],
        "attachments": [],
        "metadata": {},
    }


def _stored(part: Mapping[str, Any]) -> Wire:
    if part["type"] == "text":
        return {"type": "text", "text": {"value": part["text"], "annotations": []}}
    return dict(part)


def _or(given: float | None, usual: float) -> float:
    return usual if given is None else given
