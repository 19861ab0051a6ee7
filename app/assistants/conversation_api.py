"""The Responses API as an assistant, in conversations that the provider keeps.

What is said is kept here too: a lost conversation is made anew from it, and a thread
may change to the other ways of keeping it at any turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from openai import AsyncOpenAI

from app.assistants.conversation_pass import (
    ConversationPass,
    Conversations,
    Provider,
)
from app.assistants.conversation_wire import ConversationWire
from app.assistants.passes import Passes
from app.assistants.patience import Limits
from app.assistants.responses_api import Histories, going_on, new_run
from app.assistants.responses_input import said_since_asked, tool_output
from app.assistants.responses_profile import Capabilities, Identifiers, common_fields
from app.domain import Run, RunEvent, ToolOutput, Turn
from app.tools.tool import Tool

_NOT_RUN = "not run: stopped"


class ConversationAssistant:
    """Implements Assistant: a pass sends what is new, the provider knows the rest."""

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        model: str,
        instructions: str,
        tools: Sequence[Tool],
        conversations: Conversations,
        histories: Histories,
        capabilities: Capabilities | None = None,
        limits: Limits | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        base_url, limits = str(client.base_url), limits or Limits()
        self._capabilities = capabilities or Capabilities.of(base_url, model)
        self._fields = common_fields(model, instructions, tools, self._capabilities)
        self._identifiers = Identifiers(client.api_key)
        self._histories = histories
        self._passes = Passes(client, limits=limits, sleep=sleep)
        self._provider = Provider(
            passes=self._passes,
            wire=ConversationWire(client, limits),
            conversations=conversations,
            histories=histories,
            most_characters=self._capabilities.most_characters,
            sleep=sleep,
        )

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the first pass of a turn whose messages are in the history."""
        self._passes.start_clock(turn)
        return self._stream(turn, new_run(turn), is_first=True)

    def submit_tool_outputs(
        self, turn: Turn, run: Run, outputs: Sequence[ToolOutput]
    ) -> AsyncGenerator[RunEvent]:
        """Stream the next pass, given all outputs that the one before asked for."""
        given = {call.call_id: _NOT_RUN for call in run.tool_calls}
        given |= {output.call_id: output.output for output in outputs}
        return self._stream(turn, going_on(turn, run), outputs=given)

    def resume(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the pass that a former owner of the turn did not complete.

        If it was completed there, what it said comes at once and whole.
        """
        self._passes.start_clock(turn)
        return self._stream(turn, new_run(turn), is_sure=False)

    async def said(self, turn: Turn) -> Sequence[str]:
        """Return the messages of the turn's committed passes, oldest first."""
        return said_since_asked((await self._histories.read(turn)).items)

    async def cancel(self, turn: Turn, run: Run) -> None:
        """Do nothing: only a response in the background could be cancelled."""

    def _stream(
        self,
        turn: Turn,
        run: Run,
        *,
        outputs: dict[str, str] | None = None,
        is_first: bool = False,
        is_sure: bool = True,
    ) -> AsyncGenerator[RunEvent]:
        has_names = self._capabilities.identifiers
        names = self._identifiers.fields(turn) if has_names else {}
        given = [
            tool_output(call_id, text) for call_id, text in (outputs or {}).items()
        ]
        work = ConversationPass(
            self._provider,
            turn,
            run,
            {**self._fields, **names},
            outputs=given,
            is_first=is_first,
            is_sure=is_sure,
        )
        return self._passes.stream(turn, lambda: work)
