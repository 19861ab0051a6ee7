"""The Responses API as an assistant; the history stays with us (`store: false`)."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from openai import AsyncOpenAI

from app.assistants.passes import Passes
from app.assistants.patience import Limits
from app.assistants.responses_input import input_items, said_since_asked
from app.assistants.responses_pass import PassReader
from app.assistants.responses_profile import (
    Capabilities,
    Identifiers,
    common_fields,
)
from app.domain import (
    Run,
    RunEvent,
    RunStatus,
    ThreadItem,
    ToolOutput,
    Turn,
)
from app.tools.tool import Tool

History = Callable[[int], Awaitable[Sequence[ThreadItem]]]


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
        self._capabilities = capabilities or Capabilities.of(
            str(client.base_url), model
        )
        self._fields = {
            **common_fields(model, instructions, tools, self._capabilities),
            "store": False,
        }
        if self._capabilities.encrypted_reasoning:
            self._fields["include"] = ["reasoning.encrypted_content"]
        self._identifiers = Identifiers(client.api_key)
        self._history = history
        self._passes = Passes(client, limits=limits or Limits(), sleep=sleep)

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the first pass of a turn whose messages are in the history."""
        self._passes.start_clock(turn)
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
        self._passes.start_clock(turn)
        return self._stream(turn, _new_run(turn), first=False)

    async def said(self, turn: Turn) -> Sequence[str]:
        """Return the messages of the turn's committed passes, oldest first."""
        return said_since_asked(await self._history(turn.assistant_thread_id))

    async def cancel(self, turn: Turn, run: Run) -> None:
        """Do nothing: a response that is not stored ends with its connection."""

    async def _stream(
        self, turn: Turn, run: Run, *, first: bool
    ) -> AsyncGenerator[RunEvent]:
        body = await self._body(turn)

        def begin() -> _Attempt:
            reader = PassReader(run, first=first)
            return _Attempt(self._passes, turn, run, body, reader)

        async with aclosing(self._passes.stream(turn, begin)) as events:
            async for event in events:
                yield event

    async def _body(self, turn: Turn) -> dict[str, Any]:
        items = input_items(
            await self._history(turn.assistant_thread_id),
            most_characters=self._capabilities.most_characters,
            with_reasoning=self._capabilities.encrypted_reasoning,
        )
        has_names = self._capabilities.identifiers
        names = self._identifiers.fields(turn) if has_names else {}
        return {**self._fields, **names, "input": items}


class _Attempt:
    """One request, and what is read of its answer."""

    def __init__(
        self,
        passes: Passes,
        turn: Turn,
        run: Run,
        body: Mapping[str, Any],
        reader: PassReader,
    ) -> None:
        self.run = run
        self._passes = passes
        self._turn = turn
        self._body = body
        self._reader = reader

    @property
    def may_be_repeated(self) -> bool:
        return not self._reader.has_text

    def events(self, deadline: float) -> AsyncGenerator[RunEvent]:
        return self._passes.read(
            self._turn,
            "/responses",
            self._body,
            self._reader,
            run_id=self.run.run_id,
            deadline=deadline,
        )


def _run_id(turn: Turn) -> str:
    return f"run_{turn.turn_id}"


def _new_run(turn: Turn) -> Run:
    return Run(run_id=_run_id(turn), status=RunStatus.QUEUED)
