"""The Assistants API, version 2, as an assistant; its threads are kept by the server.

What is said is kept here too, in the words of the Responses API: a conversation can
change between the two at any turn.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from openai import AsyncOpenAI

from app.assistants import failures
from app.assistants.assistants_run import RemotePass, Server, Threads
from app.assistants.assistants_wire import AssistantsWire, is_active
from app.assistants.passes import Passes
from app.assistants.patience import Limits
from app.assistants.responses_input import said_since_asked
from app.domain import Run, RunEvent, RunStatus, ToolOutput, Turn
from app.errors import AssistantError
from app.tools.schema import is_strict
from app.tools.tool import Tool

log = logging.getLogger(__name__)

_CANCEL_WITHIN = 5.0


class AssistantsAssistant:
    """Implements Assistant: a thread and its runs are on the server, found by id.

    Of the server's assistant its model and its settings count; its instructions and
    its tools are replaced by ours, as a new thread's run takes no additional ones.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        assistant_id: str,
        instructions: str,
        tools: Sequence[Tool],
        threads: Threads,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        limits = limits or Limits()
        self._passes = Passes(client, limits=limits, sleep=sleep)
        self._wire = AssistantsWire(client, limits)
        self._threads = threads
        self._server = Server(
            passes=self._passes,
            wire=self._wire,
            threads=threads,
            fields=_fields(assistant_id, instructions, tools),
            sleep=sleep,
        )

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the first pass of a turn whose messages are in the history."""
        self._passes.start_clock(turn)
        return self._stream(turn, RemotePass(self._server, turn, _NEW, is_sure=True))

    def submit_tool_outputs(
        self, turn: Turn, run: Run, outputs: Sequence[ToolOutput]
    ) -> AsyncGenerator[RunEvent]:
        """Stream the next pass of the run, given all outputs that it waits for."""
        given = {call.call_id: _NOT_RUN for call in run.tool_calls}
        given |= {output.call_id: output.output for output in outputs}
        # What the pass before has produced is in the history; this one adds to it.
        begun = replace(run, tool_calls=(), output=())
        work = RemotePass(self._server, turn, begun, outputs=given, is_sure=True)
        return self._stream(turn, work)

    def resume(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the pass that a former owner of the turn did not complete.

        Its run goes on without us, so what was missed comes at once and whole.
        """
        self._passes.start_clock(turn)
        return self._stream(turn, RemotePass(self._server, turn, _NEW, is_sure=False))

    async def said(self, turn: Turn) -> Sequence[str]:
        """Return the messages of the turn's committed passes, oldest first."""
        return said_since_asked(await self._threads.items(turn))

    async def cancel(self, turn: Turn, run: Run) -> None:
        """Have the server end the run, or any that is active in the turn's thread."""
        thread = await self._threads.find(turn)
        if thread is None:
            return
        deadline = asyncio.get_running_loop().time() + _CANCEL_WITHIN
        try:
            run_ids = [run.run_id or thread.run_id]
            if not run_ids[0]:
                runs = await self._wire.runs(thread.thread_id, deadline=deadline)
                run_ids = [each.id for each in runs if is_active(each)]
            for run_id in run_ids:
                await self._wire.cancel(thread.thread_id, run_id, deadline=deadline)
        except AssistantError as error:
            # It may have ended by itself; if not, the next turn cancels it.
            facts = {"turn_id": turn.turn_id, **failures.log_facts(error)}
            log.info("run not cancelled", extra=facts)
        except TimeoutError:
            log.info("run not cancelled in time", extra={"turn_id": turn.turn_id})

    def _stream(self, turn: Turn, work: RemotePass) -> AsyncGenerator[RunEvent]:
        return self._passes.stream(turn, lambda: work)


_NEW = Run(run_id="", status=RunStatus.QUEUED)
_NOT_RUN = "not run: stopped"


def _fields(
    assistant_id: str, instructions: str, tools: Sequence[Tool]
) -> Mapping[str, Any]:
    fields: dict[str, Any] = {
        "assistant_id": assistant_id,
        "instructions": instructions,
        "stream": True,
    }
    if tools:
        fields["tools"] = [_nested(tool) for tool in tools]
        fields["parallel_tool_calls"] = True
    return fields


def _nested(tool: Tool) -> Mapping[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters,
            "strict": is_strict(tool.parameters),
        },
    }
