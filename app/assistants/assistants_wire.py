"""The requests of the Assistants protocol, version 2, that are answered at once."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from openai import AsyncOpenAI

from app.assistants.assistants_events import (
    MessageBody,
    MessageList,
    RunBody,
    RunList,
)
from app.assistants.patience import Limits
from app.assistants.short_requests import ShortRequests, status_of, was_refused
from app.domain import RunStatus
from app.errors import AssistantError

HEADERS = {"OpenAI-Beta": "assistants=v2"}

_ACTIVE = frozenset(
    {
        RunStatus.QUEUED,
        RunStatus.IN_PROGRESS,
        RunStatus.REQUIRES_ACTION,
        RunStatus.CANCELLING,
    }
)
_REFUSED, _NOT_FOUND = 400, 404
# The server has no code for it, only these words.
_BUSY = re.compile(r"\brun_\S+ is active\b|already has an active run\b", re.IGNORECASE)
_THREAD = re.compile(r"\bthread\b", re.IGNORECASE)
_PAGE = 20

_runs = msgspec.json.Decoder(RunList)
_messages = msgspec.json.Decoder(MessageList)
_run = msgspec.json.Decoder(RunBody)


class AssistantsWire:
    """Asks the server about threads, messages and runs.

    Raises AssistantError, and TimeoutError once the deadline, in the loop's time, has
    passed.
    """

    def __init__(self, client: AsyncOpenAI, limits: Limits) -> None:
        self._requests = ShortRequests(client, limits, HEADERS)

    async def add_message(
        self, thread_id: str, content: str, turn_id: int, *, deadline: float
    ) -> None:
        """Add what people said; the turn is noted with it."""
        body = {"role": "user", "content": content, "metadata": named(turn_id)}
        path = f"{thread_path(thread_id)}/messages"
        await self._requests.post(path, body, deadline=deadline)

    async def run(self, thread_id: str, run_id: str, *, deadline: float) -> RunBody:
        """Return the run as it stands."""
        path = run_path(thread_id, run_id)
        return await self._requests.get(path, _run, deadline=deadline)

    async def runs(self, thread_id: str, *, deadline: float) -> Sequence[RunBody]:
        """Return the newest runs of a thread, the newest first."""
        path = f"{thread_path(thread_id)}/runs"
        asked = {"order": "desc", "limit": _PAGE}
        path = f"{path}?{urlencode(asked)}"
        return (await self._requests.get(path, _runs, deadline=deadline)).data

    async def messages(
        self, thread_id: str, run_id: str | None = None, *, deadline: float
    ) -> Sequence[MessageBody]:
        """Return the newest messages of a thread, or of one run, the oldest first."""
        asked: dict[str, Any] = {"order": "desc", "limit": _PAGE}
        if run_id:
            asked["run_id"] = run_id
        path = f"{thread_path(thread_id)}/messages?{urlencode(asked)}"
        found = await self._requests.get(path, _messages, deadline=deadline)
        return found.data[::-1]

    async def cancel(self, thread_id: str, run_id: str, *, deadline: float) -> None:
        """Have the run end; it takes a while, as `cancelling`."""
        path = f"{run_path(thread_id, run_id)}/cancel"
        await self._requests.post(path, {}, deadline=deadline)


def thread_path(thread_id: str) -> str:
    """Return where a thread is."""
    return f"/threads/{quote(thread_id, safe='')}"


def run_path(thread_id: str, run_id: str) -> str:
    """Return where a run is."""
    return f"{thread_path(thread_id)}/runs/{quote(run_id, safe='')}"


def named(turn_id: int) -> dict[str, str]:
    """Return the metadata by which what was sent for a turn is found again."""
    return {"threadline_turn": str(turn_id)}


def is_active(run: RunBody) -> bool:
    """Whether the run keeps its thread from taking messages and other runs."""
    return run.status in _ACTIVE


def is_busy(error: AssistantError) -> bool:
    """Whether a request was refused because its thread has an active run."""
    return was_refused(error, _REFUSED, _BUSY)


def is_refused(error: AssistantError) -> bool:
    """Whether the server did not take a request as things stand there."""
    return status_of(error) == _REFUSED


def is_gone(error: AssistantError) -> bool:
    """Whether the server does not have the thread any more."""
    return was_refused(error, _NOT_FOUND, _THREAD)
