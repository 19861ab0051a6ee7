"""The Responses API as an assistant; the history stays with us (`store: false`)."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

from openai import AsyncOpenAI

from app.assistants import failures
from app.assistants.notices import LONG
from app.assistants.passes import Passes
from app.assistants.patience import Limits
from app.assistants.responses_input import (
    MOST_ITEMS,
    Excerpt,
    excerpt,
    said_since_asked,
)
from app.assistants.responses_pass import PassReader
from app.assistants.responses_profile import (
    Capabilities,
    Identifiers,
    common_fields,
)
from app.domain import Run, RunEvent, RunStatus, ToolOutput, Turn
from app.errors import AssistantError
from app.storage.window import Window
from app.tools.tool import Tool

# A server that takes less than we think is sent half as much, and half of that.
_SHORTENED_AT_MOST = 3


class Histories(Protocol):
    """What the model sees of a thread: storage's HistoryWindow."""

    async def read(self, turn: Turn) -> Window:
        """Return the history as far as it is still sent."""

    async def begin_at(self, turn: Turn, first_turn: int) -> None:
        """Send nothing older from now on."""


class ResponsesAssistant:
    """Implements Assistant: every pass is one request with the whole history.

    A pass that fails before its first visible word is tried again, at most four times,
    when that may help. A history too long for the model loses its oldest turns for
    good, half of it at a time: so its beginning, and with it the server's prompt
    cache, stays the same for many turns, and people are told once.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        *,
        model: str,
        instructions: str,
        tools: Sequence[Tool],
        histories: Histories,
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
        self._histories = histories
        self._thoughts = _Thoughts()
        self._passes = Passes(client, limits=limits or Limits(), sleep=sleep)

    def run(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the first pass of a turn whose messages are in the history."""
        self._passes.start_clock(turn)
        return self._stream(turn, new_run(turn), first=True)

    def submit_tool_outputs(
        self,
        turn: Turn,
        run: Run,
        outputs: Sequence[ToolOutput],  # noqa: ARG002 - they are in the history
    ) -> AsyncGenerator[RunEvent]:
        """Stream the next pass; the outputs are in the history already."""
        return self._stream(turn, going_on(turn, run), first=False)

    def resume(self, turn: Turn) -> AsyncGenerator[RunEvent]:
        """Stream the pass that a former owner of the turn did not complete."""
        self._passes.start_clock(turn)
        return self._stream(turn, new_run(turn), first=False)

    async def said(self, turn: Turn) -> Sequence[str]:
        """Return the messages of the turn's committed passes, oldest first."""
        return said_since_asked((await self._histories.read(turn)).items)

    async def cancel(self, turn: Turn, run: Run) -> None:
        """Do nothing: a response that is not stored ends with its connection."""

    def _stream(self, turn: Turn, run: Run, *, first: bool) -> AsyncGenerator[RunEvent]:
        has_names = self._capabilities.identifiers
        names = self._identifiers.fields(turn) if has_names else {}
        source = _Source(self._histories, self._capabilities, self._thoughts, turn)
        fields = {**self._fields, **names}

        def begin() -> _Attempt:
            return _Attempt(self._passes, turn, run, fields, source, first=first)

        return self._passes.stream(turn, begin)


class _Thoughts:
    """Since which turn the server can read the thoughts that it has encrypted.

    Another key, model or server can't read what was thought before.
    """

    def __init__(self) -> None:
        self.readable_since = 0

    def forget(self, sent_since: int, turn_id: int) -> bool:
        """Send no more of those just refused in a turn; false if that can't help."""
        if self.readable_since == sent_since:
            of_this_turn = sent_since >= turn_id
            newer = turn_id + 1 if of_this_turn else turn_id
            self.readable_since = max(sent_since, newer)
        return self.readable_since > sent_since


class _Source:
    """The input of one pass, which may turn out to be too long or not readable."""

    def __init__(
        self,
        histories: Histories,
        capabilities: Capabilities,
        thoughts: _Thoughts,
        turn: Turn,
    ) -> None:
        self._thoughts = thoughts
        self._thoughts_sent_since = 0
        self._histories = histories
        self._with_reasoning = capabilities.encrypted_reasoning
        self._most = capabilities.most_characters
        self._turn = turn
        self._last: Excerpt | None = None
        self._shortened = 0
        self.is_first_cut = False

    async def items(self) -> list[dict[str, Any]]:
        """Read what is to be sent; what is too long for it is left out for good."""
        window = await self._histories.read(self._turn)
        self._thoughts_sent_since = self._thoughts.readable_since
        found = self._excerpt(window, self._most, MOST_ITEMS)
        if found.begins_at is not None:
            found = self._excerpt(window, self._most // 2, MOST_ITEMS // 2)
            await self._histories.begin_at(self._turn, found.begins_at or 0)
            self.is_first_cut = not window.is_cut
        self._last = found
        return found.items

    def finds_remedy(self, error: AssistantError) -> bool:
        """Let the next reading give what the server may take, if that can be."""
        match error.code:
            case failures.CONTEXT_FULL:
                return self._shorten()
            case failures.THOUGHTS_UNREADABLE:
                since, turn_id = self._thoughts_sent_since, self._turn.turn_id
                return self._thoughts.forget(since, turn_id)
        return False

    def _shorten(self) -> bool:
        """Let the next reading give half as much; false if that can't help."""
        if not self._last or self._last.is_one_turn:
            return False
        self._shortened += 1
        self._most = self._last.characters - 1
        return self._shortened <= _SHORTENED_AT_MOST

    def _excerpt(self, window: Window, most: int, most_items: int) -> Excerpt:
        return excerpt(
            window.items,
            most_characters=most,
            most_items=most_items,
            with_reasoning=self._with_reasoning,
            reasoning_since=self._thoughts_sent_since,
            is_cut=window.is_cut,
        )


class _Attempt:
    """One try at a pass, and what is read of its answer."""

    def __init__(
        self,
        passes: Passes,
        turn: Turn,
        run: Run,
        fields: Mapping[str, Any],
        source: _Source,
        *,
        first: bool,
    ) -> None:
        self.run = run
        self._passes = passes
        self._turn = turn
        self._fields = fields
        self._source = source
        self._is_first = first
        self._reader = PassReader(run, first=first)

    @property
    def may_be_repeated(self) -> bool:
        return not self._reader.has_text

    async def events(self, deadline: float) -> AsyncGenerator[RunEvent]:
        while True:
            body = {**self._fields, "input": await self._source.items()}
            if self._source.is_first_cut:
                self._source.is_first_cut = False
                yield LONG
            self._reader = PassReader(self.run, first=self._is_first)
            try:
                async with aclosing(self._read(body, deadline)) as events:
                    async for event in events:
                        yield event
            except AssistantError as error:
                if not self.may_be_repeated or not self._source.finds_remedy(error):
                    raise
            else:
                return

    def _read(
        self, body: Mapping[str, Any], deadline: float
    ) -> AsyncGenerator[RunEvent]:
        return self._passes.read(
            self._turn,
            "/responses",
            body,
            self._reader,
            run_id=self.run.run_id,
            deadline=deadline,
        )


def new_run(turn: Turn) -> Run:
    """Return the run of a turn before anything is known of it."""
    return Run(run_id=f"run_{turn.turn_id}", status=RunStatus.QUEUED)


def going_on(turn: Turn, run: Run) -> Run:
    """Return the run as its next pass begins."""
    return replace(new_run(turn), run_id=run.run_id, usage=run.usage)
