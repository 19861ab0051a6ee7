"""The loop of a turn: stream, run the tools, submit their outputs, stream again."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from app.assistants.assistant import Assistant
from app.crash import crash
from app.domain import (
    CallState,
    Doubt,
    LedgerCall,
    Run,
    RunError,
    RunEvent,
    RunStatus,
    ToolCall,
    Turn,
    Usage,
)
from app.storage.tool_calls import ToolLedger
from app.tools.toolbox import MAX_CALLS, Toolbox, is_error
from app.turns.reply import Reply
from app.turns.response import AssistantResponse, StoreData

MAX_TOOL_ROUNDS = 12
UNDECIDED = "undecided"
# No turn has so many: so the doubts about the calls of one pass are told apart.
_MANY_PASSES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRun:
    """How the run of a turn ended; `unfinished_text` is in no committed pass.

    With a `doubt` it can't go on before a person has decided.
    """

    run: Run
    unfinished_text: str = ""
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRunner:
    """Answers turns with one assistant and one set of tools."""

    assistant: Assistant
    toolbox: Toolbox
    ledger: ToolLedger

    async def run_turn(
        self, turn: Turn, *, reply: Reply, store_data: StoreData, stop: asyncio.Event
    ) -> TurnRun:
        """Answer one turn, from the first delta to the last tool's output.

        A turn taken over goes on after its last committed pass: calls that are done
        stay done, calls not started are run, and a write that may have happened is a
        doubt, unless its tool can find out.
        """
        if stop.is_set() and turn.is_prepared:
            return await self.abandon(turn)
        response = AssistantResponse(reply, store_data=store_data, stop=stop)
        passes = await self._committed(turn)
        if isinstance(passes, TurnRun):
            return passes
        stream = await self._first_stream(turn, passes, reply, stop)
        pass_no, made = max((call.pass_no for call in passes), default=0), len(passes)
        run = await response.forward_stream(stream)
        while run.status is RunStatus.REQUIRES_ACTION:
            pass_no += 1
            run = replace(run, tool_calls=_each_once(run.tool_calls))
            await self.ledger.commit_pass(turn.lease, pass_no, run, usage_of(turn, run))
            crash("C8")
            if _is_over_limit(pass_no, made):
                await self.assistant.cancel(turn, run)
                return TurnRun(run=_too_many_rounds(run))
            reply.show_step(self.toolbox.label(run.tool_calls))
            outputs = await self.toolbox.call(
                turn,
                pass_no,
                run.tool_calls,
                stop=stop,
                show=reply.attach,
                made=made,
            )
            made += len(run.tool_calls)
            if stop.is_set():
                await self.assistant.cancel(turn, run)
                return TurnRun(run=replace(run, status=RunStatus.CANCELLED, output=()))
            run = await response.forward_stream(
                self.assistant.submit_tool_outputs(turn, run, outputs)
            )
            crash("C11")
        if run.status in (RunStatus.CANCELLED, RunStatus.EXPIRED):
            await self.assistant.cancel(turn, run)
        return TurnRun(run=run, unfinished_text=response.pass_text)

    async def abandon(self, turn: Turn) -> TurnRun:
        """End what a former owner of the turn may have left running, if it had one."""
        cancelled = Run(run_id="", status=RunStatus.CANCELLED)
        if turn.is_prepared:
            await self.assistant.cancel(turn, cancelled)
        return TurnRun(run=cancelled)

    async def replay(self, turn: Turn, reply: Reply) -> None:
        """Tell a reply that is taken up what it has said already."""
        for number, text in enumerate(await self.assistant.said(turn)):
            reply.start_message(f"said-{number}")
            reply.append(text)

    async def has_changed(self, turn: Turn) -> bool:
        """Whether a tool of this turn has changed anything, as far as is known."""
        return any(
            call.state is CallState.DONE
            and self.toolbox.is_write(call.call.name)
            and not is_error(call.result or "")
            for call in await self.ledger.calls(turn.lease)
        )

    async def _committed(self, turn: Turn) -> list[LedgerCall] | TurnRun:
        """Return the calls that are committed, or how the turn ends with them."""
        passes = await self.ledger.calls(turn.lease) if turn.is_prepared else []
        passes = await self.toolbox.find_out(turn, passes)
        if doubt := self._doubt(passes):
            if turn.doubt != doubt or turn.decided_by is None:
                return _undecided(turn, doubt)
            passes = await self.toolbox.leave_open(turn, passes)
        if passes and (ended := self._ended(passes)):
            await self.assistant.cancel(turn, ended)
            return TurnRun(run=ended)
        return passes

    async def _first_stream(
        self,
        turn: Turn,
        passes: Sequence[LedgerCall],
        reply: Reply,
        stop: asyncio.Event,
    ) -> AsyncGenerator[RunEvent]:
        if not turn.is_prepared:
            return self.assistant.run(turn)
        last_pass = _last_pass(passes)
        if any(call.state is not CallState.DONE for call in last_pass):
            await self.toolbox.call(
                turn,
                last_pass[0].pass_no,
                last_pass,
                stop=stop,
                show=reply.attach,
                made=len(passes) - len(last_pass),
            )
        return self.assistant.resume(turn)

    def _doubt(self, passes: Sequence[LedgerCall]) -> Doubt | None:
        """What a former owner of the turn has left unknown, as people are told."""
        uncertain = self.toolbox.uncertain(passes)
        if not uncertain:
            return None
        told = f"I can't tell whether {self.toolbox.describe(uncertain)}."
        return Doubt(_number(uncertain[0], passes), told)

    def _ended(self, passes: Sequence[LedgerCall]) -> Run | None:
        """Tell how a turn that is taken over has ended, if it cannot go on."""
        last_pass = _last_pass(passes)
        if _is_over_limit(last_pass[0].pass_no, len(passes) - len(last_pass)):
            return _too_many_rounds(Run(run_id="", status=RunStatus.FAILED))
        return None


def _undecided(turn: Turn, doubt: Doubt) -> TurnRun:
    """Wait for a person, unless they have been waited for long enough."""
    if turn.doubt == doubt and turn.is_overdue:
        expired = Run(run_id="", status=RunStatus.EXPIRED, incomplete_reason=UNDECIDED)
        return TurnRun(run=expired)
    # As which it ends where nobody can be asked.
    error = RunError(code="outcome_unknown", message=doubt.text)
    failed = Run(run_id="", status=RunStatus.FAILED, error=error)
    return TurnRun(run=failed, doubt=doubt)


def _number(uncertain: LedgerCall, passes: Sequence[LedgerCall]) -> int:
    """Which doubt of its turn the one about this call is: no other call has it."""
    its_pass = [call for call in passes if call.pass_no == uncertain.pass_no]
    return uncertain.pass_no + its_pass.index(uncertain) * _MANY_PASSES


def _last_pass(passes: Sequence[LedgerCall]) -> list[LedgerCall]:
    return [call for call in passes if call.pass_no == passes[-1].pass_no]


def _each_once(calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """Hold a model that uses one id for several calls of a pass to the first."""
    first: dict[str, ToolCall] = {}
    for call in calls:
        first.setdefault(call.call_id, call)
    return tuple(first.values())


def _is_over_limit(pass_no: int, made: int) -> bool:
    return pass_no > MAX_TOOL_ROUNDS or made >= MAX_CALLS


def usage_of(turn: Turn, run: Run) -> Usage | None:
    """Return what a turn has cost until now, that of former owners included."""
    return run.usage + turn.usage if run.usage else turn.usage


def _too_many_rounds(run: Run) -> Run:
    return replace(
        run,
        status=RunStatus.INCOMPLETE,
        output=(),
        incomplete_reason="tool_rounds",
    )
