"""The Responses API as an assistant; the history stays with us (`store: false`)."""

import asyncio
import logging
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from openai import AsyncOpenAI

from app import telemetry
from app.assistants import failures
from app.assistants.patience import Limits
from app.assistants.responses_input import input_items, said_since_asked
from app.assistants.responses_pass import PassReader
from app.assistants.streaming import hear_out, open_stream
from app.domain import (
    RetryNotice,
    Run,
    RunError,
    RunEvent,
    RunStatus,
    RunUpdate,
    ThreadItem,
    ToolOutput,
    Turn,
)
from app.errors import AssistantError, AssistantUnavailable, StreamEndedEarly
from app.tools.schema import is_strict
from app.tools.tool import Tool

log = logging.getLogger(__name__)

RETRIES = 4

_LONGEST_PAUSE = 60.0
_FIRST_PAUSE = 1.0
_jitter = random.SystemRandom()

History = Callable[[int], Awaitable[Sequence[ThreadItem]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a server takes beside the fields that all of them take.

    `effort` is how hard a model thinks, None for the server's own choice.
    """

    encrypted_reasoning: bool
    effort: str | None
    most_characters: int

    @classmethod
    def of(cls, base_url: str, model: str) -> "Capabilities":
        """Return those of `model` at `base_url`; unknown servers are sent little."""
        if urlsplit(base_url).hostname != "api.openai.com":
            return COMPATIBLE
        # Models of before GPT-5 refuse what concerns reasoning.
        is_thinking = not model.startswith(("gpt-3", "gpt-4", "chatgpt-"))
        return OPENAI if is_thinking else OPENAI_WITHOUT_REASONING


OPENAI = Capabilities(encrypted_reasoning=True, effort="low", most_characters=400_000)
OPENAI_WITHOUT_REASONING = replace(OPENAI, encrypted_reasoning=False, effort=None)
COMPATIBLE = Capabilities(
    encrypted_reasoning=False, effort=None, most_characters=60_000
)


class ResponsesAssistant:
    """Implements Assistant: every pass is one request with the whole history.

    A pass that fails before its first visible word is tried again, at most four times,
    when that may help.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        model: str,
        instructions: str,
        tools: Sequence[Tool],
        history: History,
        capabilities: Capabilities | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._capabilities = capabilities or Capabilities.of(
            str(client.base_url), model
        )
        self._fields = _fields(model, instructions, tools, self._capabilities)
        self._history = history
        self._limits = limits or Limits()
        self._sleep = sleep
        self._began: dict[int, float] = {}

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the first pass of a turn whose messages are in the history."""
        self._start_clock(turn)
        return self._stream(turn, _new_run(turn), first=True)

    def submit_tool_outputs(
        self,
        turn: Turn,
        run: Run,
        outputs: Sequence[ToolOutput],  # noqa: ARG002 - they are in the history
    ) -> AsyncGenerator[RunEvent]:
        """Stream the next pass; the outputs are in the history already."""
        began = replace(_new_run(turn), run_id=run.run_id, usage=run.usage)
        return self._stream(turn, began, first=False)

    def resume(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the pass that a former owner of the turn did not complete."""
        self._start_clock(turn)
        return self._stream(turn, _new_run(turn), first=False)

    async def said(self, turn: Turn) -> Sequence[str]:
        """Return the messages of the turn's committed passes, oldest first."""
        return said_since_asked(await self._history(turn.assistant_thread_id))

    async def cancel(self, run: Run) -> None:
        """Do nothing: a response that is not stored ends with its connection."""

    async def _stream(
        self, turn: Turn, run: Run, *, first: bool
    ) -> AsyncGenerator[RunEvent]:
        deadline = self._deadline(turn)
        body = await self._body(turn)
        for retry in range(1, RETRIES + 2):
            reader = PassReader(run, first=first)
            attempt = self._attempt(turn, body, reader, deadline)
            try:
                async with aclosing(attempt) as events:
                    async for event in events:
                        yield event
            except TimeoutError:
                yield _update(replace(run, status=RunStatus.EXPIRED))
                return
            except AssistantError as error:
                failed = error
            else:
                return
            pause = self._pause(failed, retry, deadline)
            if pause is None or reader.has_text:
                break
            yield _update(_retrying(run, retry, pause))
            await self._sleep(pause)
        yield _update(_failed(run, failed))

    async def _attempt(
        self, turn: Turn, body: Mapping[str, Any], reader: PassReader, deadline: float
    ) -> AsyncGenerator[RunEvent]:
        request_name = str(uuid.uuid4())
        facts: dict[str, Any] = {"turn_id": turn.turn_id, "run_id": _run_id(turn)}
        facts["client_request_id"] = request_name
        try:
            async with (
                open_stream(
                    self._client,
                    "/responses",
                    body,
                    headers={"X-Client-Request-Id": request_name},
                    limits=self._limits,
                    deadline=deadline,
                ) as stream,
                aclosing(stream.batches()) as batches,
            ):
                facts["request_id"] = stream.request_id
                async for batch in batches:
                    for event in batch:
                        for told in reader.read(event):
                            yield told
                    if reader.has_ended:
                        await hear_out(batches)
                        return
                raise failures.broke_off()
        except AssistantError as error:
            telemetry.count(f"assistant.failures.{type(error).__name__}")
            facts |= failures.log_facts(error)
            log.warning("pass failed", extra=facts)
            raise

    async def _body(self, turn: Turn) -> dict[str, Any]:
        items = input_items(
            await self._history(turn.assistant_thread_id),
            most_characters=self._capabilities.most_characters,
            with_reasoning=self._capabilities.encrypted_reasoning,
        )
        return {**self._fields, "input": items}

    def _start_clock(self, turn: Turn) -> None:
        now = asyncio.get_running_loop().time()
        self._began.pop(turn.turn_id, None)
        self._began[turn.turn_id] = now
        # Runs end in many ways, not all of them here: old ones go when stale.
        while now - next(iter(self._began.values())) > 2 * self._limits.run:
            del self._began[next(iter(self._began))]

    def _deadline(self, turn: Turn) -> float:
        now = asyncio.get_running_loop().time()
        return self._began.get(turn.turn_id, now) + self._limits.run

    def _pause(
        self, error: AssistantError, retry: int, deadline: float
    ) -> float | None:
        """Return the seconds to wait before a retry, None if there is none."""
        match error:
            case AssistantUnavailable(retry_after=float(asked)):
                pause = min(asked, _LONGEST_PAUSE)
            case AssistantUnavailable() | StreamEndedEarly():
                # Many replies fail at the same moment; they should not return together.
                pause = _FIRST_PAUSE * 2 ** (retry - 1) * _jitter.uniform(1, 1.25)
            case _:
                return None
        is_in_time = asyncio.get_running_loop().time() + pause < deadline
        return pause if retry <= RETRIES and is_in_time else None


def _fields(
    model: str, instructions: str, tools: Sequence[Tool], capabilities: Capabilities
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "model": model,
        "instructions": instructions,
        "store": False,
        "stream": True,
    }
    if tools:
        fields["tools"] = [_flat(tool) for tool in tools]
        fields["parallel_tool_calls"] = True
    if capabilities.encrypted_reasoning:
        fields["include"] = ["reasoning.encrypted_content"]
    if capabilities.effort:
        fields["reasoning"] = {"effort": capabilities.effort}
    return fields


def _flat(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": is_strict(tool.parameters),
    }


def _run_id(turn: Turn) -> str:
    return f"run_{turn.turn_id}"


def _new_run(turn: Turn) -> Run:
    return Run(run_id=_run_id(turn), status=RunStatus.QUEUED)


def _update(run: Run) -> RunUpdate:
    return RunUpdate(f"thread.run.{run.status}", run)


def _retrying(run: Run, retry: int, pause: float) -> Run:
    notice = RetryNotice(attempt=retry, attempts=RETRIES, seconds=pause)
    return replace(run, status=RunStatus.QUEUED, retry_in=notice)


def _failed(run: Run, error: AssistantError) -> Run:
    told = RunError(code=error.code, message=error.message)
    return replace(run, status=RunStatus.FAILED, error=told)
