"""One pass in a conversation that the provider keeps."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from app.assistants import failures
from app.assistants.conversation_items import (
    Compared,
    compared,
    is_only_asked,
    news,
)
from app.assistants.conversation_wire import (
    MOST_AT_ONCE,
    ConversationWire,
    is_gone,
    is_locked,
    is_unpaired,
)
from app.assistants.notices import LONG, LOST
from app.assistants.passes import Passes
from app.assistants.responses_api import Histories
from app.assistants.responses_input import InputItem, excerpt
from app.assistants.responses_pass import PassReader
from app.domain import (
    AssistantThreadCreated,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    ThreadItem,
    Turn,
)
from app.errors import AssistantError, StreamEndedEarly
from app.storage.remote_threads import RemoteThread
from app.storage.window import Window

_REMEDIES = 2
_SETTLES_IN = 1.0
# How often an answer that was cut is looked for: the provider may be at it still.
_LOOKS = 2


class Conversations(Protocol):
    """Where it is noted what the provider has: storage's RemoteThreads."""

    async def find(self, turn: Turn) -> RemoteThread | None:
        """Return the provider's conversation for the turn's thread."""

    async def told(
        self, turn: Turn, thread_id: str, *, up_to: int | None = None
    ) -> None:
        """Note that it holds all up to a turn, the one in hand if none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What a pass needs of the outside."""

    passes: Passes
    wire: ConversationWire
    conversations: Conversations
    histories: Histories
    most_characters: int
    sleep: Callable[[float], Awaitable[None]]


class ConversationPass:
    """Implements Attempt, for all attempts at one pass.

    Only what is new is sent. What that is, is known here as long as nothing went wrong,
    which `is_sure` says; else the conversation is asked what it holds. A request has
    left either all of its items there, the answer included, or none. `outputs` are of
    the calls that the pass before has ended with.
    """

    def __init__(
        self,
        provider: Provider,
        turn: Turn,
        run: Run,
        fields: Mapping[str, Any],
        *,
        outputs: Sequence[InputItem] = (),
        is_first: bool = False,
        is_sure: bool = True,
    ) -> None:
        self.run = run
        self._provider = provider
        self._turn = turn
        self._fields = fields
        self._outputs = outputs
        self._is_first = is_first
        self._is_sure = is_sure
        self._reader = PassReader(run, first=is_first)
        self._needs_new = False
        self._most = provider.most_characters
        self._earlier_characters = 0
        self._remedies = 0
        self._cut_by: AssistantError | None = None
        self._looks = 0
        self._conversation_id = ""
        self._deadline = 0.0

    @property
    def may_be_repeated(self) -> bool:
        """Whether a text already shown may be found whole, or none was shown."""
        may_be_kept = self._cut_by is not None and self._looks < _LOOKS
        return may_be_kept or not self._reader.has_text

    async def events(self, deadline: float) -> AsyncGenerator[RunEvent]:
        """Stream the pass, mending on the way what the conversation refuses.

        A text that was cut is not begun anew, but looked for in the conversation.
        """
        self._deadline = deadline
        if self._cut_by:
            for event in await self._rest(self._cut_by):
                await self._note_end(event)
                yield event
            return
        while True:
            self._reader = PassReader(self.run, first=self._is_first)
            try:
                async with aclosing(self._steps()) as events:
                    async for event in events:
                        yield event
            except AssistantError as error:
                for notice in await self._mend(error):
                    yield notice
            else:
                return

    async def _mend(self, error: AssistantError) -> Sequence[RunEvent]:
        """Make ready for another request; return what people are to know of that.

        Raises `error` where no other request could help.
        """
        # A locked conversation has taken nothing; else nobody knows.
        self._is_sure = self._is_sure and is_locked(error)
        if not self._finds_remedy(error):
            if self._reader.has_text and isinstance(error, StreamEndedEarly):
                self._cut_by = error
            raise error
        if is_unpaired(error):
            # What has just been completed may still be on its way there.
            await self._provider.sleep(_SETTLES_IN)
        return [LOST] if is_gone(error) else []

    def _finds_remedy(self, error: AssistantError) -> bool:
        if self._remedies == _REMEDIES or self._reader.has_text:
            return False
        self._remedies += 1
        if is_gone(error):
            self._needs_new = True
        elif error.code == failures.CONTEXT_FULL and self._earlier_characters:
            self._needs_new = True
            self._most = self._earlier_characters // 2
        elif is_unpaired(error):
            # What it holds is looked up; where that did not help, it begins anew.
            self._needs_new = self._remedies > 1
        else:
            return False
        return True

    async def _steps(self) -> AsyncGenerator[RunEvent]:
        window = await self._provider.histories.read(self._turn)
        known = await self._provider.conversations.find(self._turn)
        self._earlier_characters = excerpt(
            self._earlier(window), most_characters=self._most
        ).characters
        found = None
        if known and not self._needs_new:
            self._conversation_id = known.thread_id
            found = await self._compared(window, known.told_turn_id)
        if found is None:
            async with aclosing(self._begin(window)) as events:
                async for event in events:
                    yield event
            new = news(window.items, self._turn.turn_id - 1)
            found = Compared(lacking=new, gained=[])
        if found.gained and not found.lacking:
            for event in self._reader.read_whole(found.gained):
                await self._note_end(event)
                yield event
            return
        async with aclosing(self._stream(found.lacking)) as events:
            async for event in events:
                await self._note_end(event)
                yield event

    async def _compared(self, window: Window, told_turn_id: int) -> Compared | None:
        turn_id = self._turn.turn_id
        if self._is_sure and self._outputs:
            return Compared(lacking=list(self._outputs), gained=[])
        if self._is_sure and is_only_asked(window.items, told_turn_id, turn_id):
            return Compared(lacking=news(window.items, told_turn_id), gained=[])
        held = await self._provider.wire.newest(
            self._conversation_id, deadline=self._deadline
        )
        # What was noted of this turn says only how far it came there, not here.
        return compared(window.items, min(told_turn_id, turn_id - 1), held)

    async def _rest(self, cut_by: AssistantError) -> Sequence[RunEvent]:
        """Return how the answer goes on that was cut here and kept there.

        Raises `cut_by` where it was not kept.
        """
        self._looks += 1
        window = await self._provider.histories.read(self._turn)
        known = await self._provider.conversations.find(self._turn)
        found = await self._compared(window, known.told_turn_id) if known else None
        if found and not found.lacking and self._reader.goes_on_in(found.gained):
            return self._reader.read_rest(found.gained)
        raise cut_by

    async def _begin(self, window: Window) -> AsyncGenerator[RunEvent]:
        """Begin a conversation that holds what was said before this turn."""
        provider, turn = self._provider, self._turn
        part = excerpt(
            self._earlier(window), most_characters=self._most, is_cut=window.is_cut
        )
        items, begins_at = part.items, part.begins_at
        if part.is_one_turn and part.characters > self._most:
            items, begins_at = [], turn.turn_id
        if begins_at is not None:
            await provider.histories.begin_at(turn, begins_at)
            if not window.is_cut:
                yield LONG
        self._conversation_id = await provider.wire.create(
            items[:MOST_AT_ONCE],
            str(turn.assistant_thread_id),
            deadline=self._deadline,
        )
        self._needs_new = False
        if len(items) > MOST_AT_ONCE:
            await provider.conversations.told(turn, self._conversation_id, up_to=0)
            await self._add(items[MOST_AT_ONCE:])
        before = turn.turn_id - 1
        await provider.conversations.told(turn, self._conversation_id, up_to=before)
        yield AssistantThreadCreated("thread.created", self._conversation_id)

    def _earlier(self, window: Window) -> list[ThreadItem]:
        return [item for item in window.items if item.turn_id < self._turn.turn_id]

    async def _stream(self, items: Sequence[InputItem]) -> AsyncGenerator[RunEvent]:
        if len(items) > MOST_AT_ONCE:
            await self._add(items[:-MOST_AT_ONCE])
        body = {**self._fields, "conversation": self._conversation_id}
        if items:
            body["input"] = items[-MOST_AT_ONCE:]
        events = self._provider.passes.read(
            self._turn,
            "/responses",
            body,
            self._reader,
            run_id=self.run.run_id,
            deadline=self._deadline,
        )
        async with aclosing(events):
            async for event in events:
                yield event

    async def _add(self, items: Sequence[InputItem]) -> None:
        for start in range(0, len(items), MOST_AT_ONCE):
            self._is_sure = False
            await self._provider.wire.add(
                self._conversation_id,
                items[start : start + MOST_AT_ONCE],
                deadline=self._deadline,
            )

    async def _note_end(self, event: RunEvent) -> None:
        # What becomes there of an answer cut short is not published: it is looked up.
        match event:
            case RunUpdate(run=Run(status=RunStatus.COMPLETED)):
                await self._provider.conversations.told(
                    self._turn, self._conversation_id
                )
