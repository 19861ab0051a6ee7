"""One pass on an Assistants server: begun once, taken up as often as it takes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol

from app.assistants import failures
from app.assistants.assistants_events import RunBody
from app.assistants.assistants_input import (
    asked,
    known_messages,
    outputs_since_asked,
    was_answered,
    whole_thread,
)
from app.assistants.assistants_pass import RunReader
from app.assistants.assistants_wire import (
    HEADERS,
    AssistantsWire,
    is_active,
    is_busy,
    is_gone,
    is_refused,
    named,
    run_path,
    thread_path,
)
from app.assistants.notices import LOST
from app.assistants.passes import Passes, update
from app.crash import crash
from app.domain import (
    AssistantThreadCreated,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    ThreadItem,
    Turn,
)
from app.errors import AssistantError, AssistantRefused
from app.storage.remote_threads import RemoteThread

_POLL = 1.0
# Nobody waits for a run that is still active when its thread's next turn begins.
_STALE_AFTER = 10
_CANCELLED_AFTER = 20
_NOT_RUN = "not run: stopped"
_ENDED_BADLY = (RunStatus.CANCELLED, RunStatus.FAILED, RunStatus.EXPIRED)


class Threads(Protocol):
    """Where it is noted what the other side has: storage's RemoteThreads."""

    async def find(self, turn: Turn) -> RemoteThread | None:
        """Return the other side's thread for the turn's conversation."""

    async def told(self, turn: Turn, thread_id: str) -> None:
        """Note that the thread holds the turn's messages."""

    async def began(self, turn: Turn, run_id: str) -> None:
        """Note the turn's run."""

    async def items(self, turn: Turn, *, after_turn: int = 0) -> Sequence[ThreadItem]:
        """Return the history since a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a pass needs of the outside; `fields` are those of every run."""

    passes: Passes
    wire: AssistantsWire
    threads: Threads
    fields: Mapping[str, Any]
    sleep: Callable[[float], Awaitable[None]]


class RemotePass:
    """Implements Attempt, for all attempts at one pass.

    Each goes on from what is known to have happened on the other side: messages are
    not added twice, and a run that was begun is looked up, not begun again. `outputs`
    are of the calls that the run waits for; `is_sure` says that nobody has tried yet.
    """

    def __init__(
        self,
        server: Server,
        turn: Turn,
        run: Run,
        *,
        outputs: Mapping[str, str] | None = None,
        is_sure: bool,
    ) -> None:
        self._server = server
        self._turn = turn
        self._outputs = outputs
        self._is_sure = is_sure
        self._reader = RunReader(run)
        self._thread: RemoteThread | None = None
        self._run_id = run.run_id
        self._has_acted = bool(outputs)
        self._is_loaded = False
        self._deadline = 0.0

    @property
    def run(self) -> Run:
        """The run as far as it is known."""
        return self._reader.run

    @property
    def may_be_repeated(self) -> bool:
        """Whether a text already shown would be completed, not begun anew."""
        return bool(self._run_id) or not self._reader.has_text

    async def events(self, deadline: float) -> AsyncGenerator[RunEvent]:
        """Stream the pass from where it stands."""
        self._deadline = deadline
        self._reader.begin_again()
        try:
            await self._load()
            async with aclosing(self._steps()) as events:
                async for event in events:
                    yield event
        except AssistantError as error:
            if is_busy(error):
                yield update(replace(self.run, status=RunStatus.QUEUED))
            await self._learn(error)
            raise

    async def _load(self) -> None:
        """Find out what is known here; only the first attempt has to."""
        if self._is_loaded:
            return
        threads, turn = self._server.threads, self._turn
        self._thread = await threads.find(turn)
        if self._thread and not self._is_sure:
            self._run_id = self._run_id or self._thread.run_id
        history = await threads.items(turn)
        if self._outputs is None and not self._is_sure:
            self._outputs = outputs_since_asked(history)
            self._has_acted = bool(self._outputs)
        known = known_messages(history)
        self._reader = RunReader(self._reader.run, known=known)
        self._is_loaded = True

    async def _learn(self, error: AssistantError) -> None:
        """Decide what another attempt, if there is one, has to begin with."""
        is_sure, self._is_sure = self._is_sure, False
        if self._run_id and self._reader.has_ended:
            if self._has_acted:
                # A run from the start would repeat what its tools have done.
                refused = AssistantRefused(error.code, error.message)
                refused.request_id = error.request_id
                raise refused from error
            self._run_id = ""
        elif self._thread and is_busy(error):
            await self._make_room(self._thread.thread_id)
            self._is_sure = is_sure
            raise failures.busy("run_active") from error

    def _steps(self) -> AsyncGenerator[RunEvent]:
        if not self._thread:
            return self._begin_thread()
        if not self._run_id:
            return self._unless_gone(self._begin_run(self._thread))
        if self._outputs and self._is_sure:
            return self._submit(self._thread, self._outputs)
        return self._unless_gone(self._take_up(self._thread))

    async def _unless_gone(
        self, steps: AsyncGenerator[RunEvent]
    ) -> AsyncGenerator[RunEvent]:
        """Go on in a new thread where the server has lost the old one."""
        try:
            async with aclosing(steps) as events:
                async for event in events:
                    yield event
        except AssistantError as error:
            if not is_gone(error):
                raise
        else:
            return
        self._thread, self._run_id = None, ""
        yield LOST
        async with aclosing(self._begin_thread()) as events:
            async for event in events:
                yield event

    async def _begin_thread(self) -> AsyncGenerator[RunEvent]:
        history = await self._server.threads.items(self._turn)
        thread = {"messages": whole_thread(history)}
        async with aclosing(self._stream("/threads/runs", thread=thread)) as events:
            async for event in events:
                yield event

    async def _begin_run(self, thread: RemoteThread) -> AsyncGenerator[RunEvent]:
        news = await self._server.threads.items(
            self._turn, after_turn=thread.told_turn_id
        )
        if was_answered(news) or self._outputs:
            # Answered elsewhere in between, or what this turn has done so far belongs
            # to a run that is over: only a new thread can be told of that.
            steps = self._begin_thread()
        elif not self._is_sure and (run := await self._lost_run(thread)):
            await self._note_run(run.id)
            steps = self._take_up(thread)
        else:
            await self._tell(thread, news)
            steps = self._stream(f"{thread_path(thread.thread_id)}/runs")
        async with aclosing(steps) as events:
            async for event in events:
                yield event

    async def _tell(self, thread: RemoteThread, news: Sequence[ThreadItem]) -> None:
        """Add what people said since, unless that was done already."""
        turn, wire = self._turn, self._server.wire
        if thread.told_turn_id >= turn.turn_id:
            return
        text = asked(news)
        if text and (self._is_sure or not await self._was_told(thread)):
            await wire.add_message(
                thread.thread_id, text, turn.turn_id, deadline=self._deadline
            )
            crash("C5")
        await self._note_thread(thread.thread_id)

    async def _was_told(self, thread: RemoteThread) -> bool:
        messages = await self._server.wire.messages(
            thread.thread_id, deadline=self._deadline
        )
        mark = named(self._turn.turn_id)
        return any(mark.items() <= (each.metadata or {}).items() for each in messages)

    async def _lost_run(self, thread: RemoteThread) -> RunBody | None:
        """Find a run of this turn of which nobody could note the id."""
        runs = await self._server.wire.runs(thread.thread_id, deadline=self._deadline)
        mark = named(self._turn.turn_id)
        for run in runs:
            if mark.items() <= (run.metadata or {}).items():
                return None if run.status in _ENDED_BADLY else run
        return None

    async def _take_up(self, thread: RemoteThread) -> AsyncGenerator[RunEvent]:
        """Wait for what became of the run, then tell it."""
        reader, wire = self._reader, self._server.wire
        loop = asyncio.get_running_loop()
        while True:
            run = await wire.run(
                thread.thread_id, self._run_id, deadline=self._deadline
            )
            outputs = self._outputs or {}
            if any(call.id in outputs for call in run.calls):
                steps = self._submit(thread, outputs, run)
                async with aclosing(steps) as events:
                    async for event in events:
                        yield event
                return
            told = await self._messages(thread, run)
            for event in (*told, *reader.stands(run)):
                yield event
            if reader.has_ended:
                return
            if loop.time() >= self._deadline:
                raise TimeoutError
            await self._server.sleep(_POLL)

    async def _messages(self, thread: RemoteThread, run: RunBody) -> Sequence[RunEvent]:
        if is_active(run) and not run.calls:
            return ()
        messages = await self._server.wire.messages(
            thread.thread_id, run.id, deadline=self._deadline
        )
        return [
            event
            for message in messages
            if message.role == "assistant" and message.run_id in (None, run.id)
            for event in self._reader.message(message)
        ]

    async def _submit(
        self,
        thread: RemoteThread,
        outputs: Mapping[str, str],
        run: RunBody | None = None,
    ) -> AsyncGenerator[RunEvent]:
        """Submit the whole batch at once: the server takes no part of one."""
        calls = [call.id for call in run.calls] if run else list(outputs)
        given = [
            {"tool_call_id": call_id, "output": outputs.get(call_id, _NOT_RUN)}
            for call_id in calls
        ]
        path = f"{run_path(thread.thread_id, self._run_id)}/submit_tool_outputs"
        body = {"tool_outputs": given, "stream": True}
        try:
            async with aclosing(self._read(path, body)) as events:
                async for event in events:
                    yield event
        except AssistantError as error:
            # It may have expired, or have them already.
            if run or not is_refused(error):
                raise
        else:
            return
        self._is_sure = False
        async with aclosing(self._take_up(thread)) as events:
            async for event in events:
                yield event

    def _stream(self, path: str, **more: Any) -> AsyncGenerator[RunEvent]:  # noqa: ANN401
        body = {**self._server.fields, "metadata": named(self._turn.turn_id), **more}
        return self._read(path, body)

    async def _read(
        self, path: str, body: Mapping[str, Any]
    ) -> AsyncGenerator[RunEvent]:
        """Stream a run, noting the ids on the other side before anybody hears them."""
        events = self._server.passes.read(
            self._turn,
            path,
            body,
            self._reader,
            run_id=self._run_id,
            deadline=self._deadline,
            headers=HEADERS,
        )
        async with aclosing(events):
            async for event in events:
                match event:
                    case AssistantThreadCreated(assistant_thread_id=thread_id):
                        await self._note_thread(thread_id)
                    case RunUpdate(run=Run(run_id=run_id)):
                        await self._note_run(run_id)
                yield event

    async def _note_thread(self, thread_id: str) -> None:
        await self._server.threads.told(self._turn, thread_id)
        self._thread = RemoteThread(
            thread_id=thread_id, told_turn_id=self._turn.turn_id
        )

    async def _note_run(self, run_id: str) -> None:
        if run_id != self._run_id:
            self._run_id = run_id
            await self._server.threads.began(self._turn, run_id)

    async def _make_room(self, thread_id: str) -> None:
        """Wait until no run is active in a thread of ours; cancel one that lingers.

        A run that waits for outputs is cancelled at once: nobody will submit them.
        """
        wire = self._server.wire
        for seconds in range(_CANCELLED_AFTER):
            runs = await wire.runs(thread_id, deadline=self._deadline)
            active = [run for run in runs if is_active(run)]
            if not active:
                return
            for run in active:
                is_stale = seconds >= _STALE_AFTER or run.calls
                if is_stale and run.status != RunStatus.CANCELLING:
                    await wire.cancel(thread_id, run.id, deadline=self._deadline)
            await self._server.sleep(_POLL)
