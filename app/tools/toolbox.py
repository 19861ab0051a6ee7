"""Toolbox: runs the calls of one pass, each at most once, and commits what they say."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from app.crash import crash
from app.domain import (
    CallState,
    DataMessage,
    Lease,
    LedgerCall,
    StoredDataMessage,
    ToolCall,
    ToolOutput,
    Turn,
)
from app.errors import LeaseLost, ToolError
from app.storage.database import Transaction
from app.storage.tool_calls import ToolLedger
from app.tools.bodies import checked, parsed, result_of
from app.tools.lint import lint
from app.tools.tool import Found, Tool, ToolContext, filled, one_line

# Of one turn, over all its passes.
MAX_CALLS = 16

# Seconds, of those that a process has to end.
_TO_THE_END = 3.0
_LABEL_LENGTH = 100
_ERROR_LENGTH = 500
_MOST_DESCRIBED = 3
_ERROR = "Error: "
_UNKNOWN = f"{_ERROR}the outcome is unknown; it was not run again."
_LEFT_OPEN = (
    f"{_ERROR}the call was broken off, and nobody knows whether it took effect. Find "
    "out how things stand before you call it again."
)
_HAS_HAPPENED = "Done, by the call that was broken off."
_TOO_MANY = (
    f"{_ERROR}not run: at most {MAX_CALLS} calls for one answer. Answer with what you "
    "have."
)
_TOO_MANY_TOLD = DataMessage(
    type="notice",
    data={
        "text": f"I use tools at most {MAX_CALLS} times for one answer, so not all "
        "was done. Ask again for the rest."
    },
)

Show = Callable[[StoredDataMessage], None]


def _always(_: Lease) -> bool:
    return True


def is_error(output: str) -> bool:
    """Whether a tool's output says that the call did not work."""
    return output.startswith(_ERROR)


def are_trusted(tools: Sequence[Tool]) -> bool:
    """Whether no result of any tool can hold what outsiders wrote."""
    return all(tool.trusted for tool in tools)


class Toolbox:
    """The tools that the model may call.

    A tool that is unknown, wrongly called, slow or broken gives the model a line that
    begins with "Error: ", and the run goes on; only storage errors are raised. Making
    a toolbox raises FaultyTools where a tool cannot be offered as it is. No tool begins
    once `holds_lease` is false: LeaseLost is raised instead.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        ledger: ToolLedger,
        holds_lease: Callable[[Lease], bool] = _always,
    ) -> None:
        lint(tools)
        self._tools = {tool.name: tool for tool in tools}
        self._ledger = ledger
        self._holds_lease = holds_lease

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools, in the order given."""
        return tuple(self._tools.values())

    def is_write(self, name: str) -> bool:
        """Whether the tool called `name` may change something."""
        return name in self._tools and self._tools[name].is_write

    def label(self, calls: Sequence[ToolCall]) -> str:
        """Say in a few words what `calls` do: "setting kitchen, bedroom"."""
        objects: dict[str, list[str]] = {}
        for call in calls:
            if tool := self._tools.get(call.name):
                verb, _, rest = tool.label.partition("{")
                named = objects.setdefault(verb, [])
                if rest and (values := _values(tool, call)):
                    named.append(filled(tool.label, values).removeprefix(verb))
        label = ", ".join(
            (verb + ", ".join(dict.fromkeys(named))).strip()
            for verb, named in objects.items()
        )
        return label if len(label) <= _LABEL_LENGTH else f"{label[:_LABEL_LENGTH]}…"

    def uncertain(self, calls: Sequence[LedgerCall]) -> list[LedgerCall]:
        """Return the calls that may or may not have changed something.

        Those are writes that a former owner of the turn began and did not finish,
        unless their effect and their result are one transaction.
        """
        return [call for call in calls if self._is_uncertain(call)]

    def describe(self, calls: Sequence[LedgerCall]) -> str:
        """Say what `calls` did if they were done: "the kitchen was set to 23 °C"."""
        told = list(dict.fromkeys(self._outcome(call) for call in calls))
        more = len(told) - _MOST_DESCRIBED
        if more > 0:
            told[_MOST_DESCRIBED:] = [f"{more} more"]
        return " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))

    async def leave_open(
        self, turn: Turn, calls: Sequence[LedgerCall]
    ) -> list[LedgerCall]:
        """Return `calls`, those in doubt with a result: that nobody knows."""
        known: list[LedgerCall] = []
        for call in calls:
            if self._is_uncertain(call):
                batch = self._batch(turn, call.pass_no, _show_nobody)
                told = await batch.commit(call.call, _LEFT_OPEN)
                known.append(replace(call, state=CallState.DONE, result=told.output))
            else:
                known.append(call)
        return known

    def _outcome(self, call: LedgerCall) -> str:
        tool = self._tools.get(call.call.name)
        values = _values(tool, call.call) if tool else None
        if tool is None or values is None:
            return f"{call.call.name[:64]} took effect"
        return filled(tool.outcome, values)

    async def find_out(
        self, turn: Turn, calls: Sequence[LedgerCall]
    ) -> list[LedgerCall]:
        """Return `calls` as they are once the uncertain ones were looked into.

        A call whose tool finds it done has its result now, and one found not done is
        to be run; what no tool can tell, within 10 seconds, stays as it is.
        """
        return [
            await self._found(turn, call) if self._is_uncertain(call) else call
            for call in calls
        ]

    async def call(
        self,
        turn: Turn,
        pass_no: int,
        calls: Sequence[LedgerCall | ToolCall],
        *,
        stop: asyncio.Event,
        show: Show,
        made: int = 0,
    ) -> list[ToolOutput]:
        """Run `calls` and return the outputs in their order, committed and shown.

        `made` counts the calls of the turn's earlier passes: those beyond MAX_CALLS are
        not run, and people are told so once.

        Calls run in order, neighbouring reads together. What the ledger has done
        already is not run again, nor is an uncertain write. Once `stop` is set nothing
        starts, reads are given up, a write that has begun is waited for; calls given
        up or never begun have no output.
        """
        batch = self._batch(turn, pass_no, show)
        known = [_known(pass_no, call) for call in calls]
        outputs: list[ToolOutput] = []
        for together, group in groupby(enumerate(known, made), self._turn_taking):
            if together == "reads":
                jobs = [self._job(batch, place, call) for place, call in group]
                results = await _until_stopped(jobs, stop)
                outputs += [output for output in results if output]
                continue
            for place, call in group:
                if not stop.is_set():
                    outputs.append(await self._job(batch, place, call))
        return outputs

    def _batch(self, turn: Turn, pass_no: int, show: Show) -> "_Batch":
        return _Batch(
            self._ledger, turn, pass_no, show, lambda: self._holds_lease(turn.lease)
        )

    def _turn_taking(self, placed: tuple[int, LedgerCall]) -> str:
        place, call = placed
        tool = self._tools.get(call.call.name)
        is_read = tool is not None and not tool.is_write and place < MAX_CALLS
        return "reads" if is_read else "one by one"

    def _is_uncertain(self, call: LedgerCall) -> bool:
        tool = self._tools.get(call.call.name)
        is_safe = tool is not None and (tool.stored or not tool.is_write)
        began = call.state in (CallState.STARTED, CallState.UNKNOWN)
        return began and not is_safe

    async def _found(self, turn: Turn, known: LedgerCall) -> LedgerCall:
        tool, call = self._tools.get(known.call.name), known.call
        if tool is None:
            return known
        batch = self._batch(turn, known.pass_no, _show_nobody)
        match await batch.check(tool, call):
            case "done":
                done = await batch.commit(call, _HAS_HAPPENED)
                return replace(known, state=CallState.DONE, result=done.output)
            case "not_done":
                return replace(known, state=CallState.PROPOSED)
            case _:
                return known

    async def _job(self, batch: "_Batch", place: int, known: LedgerCall) -> ToolOutput:
        call = known.call
        if known.state is CallState.DONE:
            return ToolOutput(call_id=call.call_id, output=known.result or "")
        if self._is_uncertain(known):
            await batch.mark_unknown(call)
            return ToolOutput(call_id=call.call_id, output=_UNKNOWN)
        if place >= MAX_CALLS:
            told = [_TOO_MANY_TOLD] if place == MAX_CALLS else []
            return await batch.commit(call, _TOO_MANY, told)
        try:
            tool = self._callable(call)
            return await batch.run(tool, call, parsed(tool, call))
        except ToolError as error:
            line = one_line(str(error)[:_ERROR_LENGTH])
            return await batch.commit(call, f"{_ERROR}{line}")

    def _callable(self, call: ToolCall) -> Tool:
        if call.name not in self._tools:
            names = ", ".join(self._tools)
            raise ToolError(f"there is no {call.name[:64]!r}; the tools are {names}")
        return self._tools[call.name]


class _Batch:
    """The calls of one pass of one turn."""

    def __init__(
        self,
        ledger: ToolLedger,
        turn: Turn,
        pass_no: int,
        show: Show,
        may_begin: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._turn = turn
        self._pass_no = pass_no
        self._show = show
        self._may_begin = may_begin

    async def run(
        self, tool: Tool, call: ToolCall, values: Mapping[str, Any]
    ) -> ToolOutput:
        """Run one call and commit its result; ToolError if it did not work."""
        if tool.stored:
            return await self._run_stored(tool, call, values)
        if not tool.is_write:
            return await self._have_effect(tool, call, values)
        await self._ledger.start(self._turn.lease, self._pass_no, call.call_id)
        return await _let_end(self._have_effect(tool, call, values))

    async def _have_effect(
        self, tool: Tool, call: ToolCall, values: Mapping[str, Any]
    ) -> ToolOutput:
        self._require_lease()
        context = self._context(call)
        crash("C9")
        output = await result_of(tool, context, values)
        crash("C10")
        return await self.commit(call, output, context.data)

    async def _run_stored(
        self, tool: Tool, call: ToolCall, values: Mapping[str, Any]
    ) -> ToolOutput:
        async with self._ledger.fenced(self._turn.lease) as transaction:
            context = self._context(call, transaction)
            crash("C9")
            output = await result_of(tool, context, values)
            crash("C10")
            stored = await self._finish(transaction, call, output, context.data)
        return self._shown(call, output, stored)

    async def commit(
        self, call: ToolCall, output: str, data: Sequence[DataMessage] = ()
    ) -> ToolOutput:
        """Commit what a call said in a transaction of its own."""
        async with self._ledger.fenced(self._turn.lease) as transaction:
            stored = await self._finish(transaction, call, output, data)
        return self._shown(call, output, stored)

    async def check(self, tool: Tool, call: ToolCall) -> Found:
        """Let a tool find out whether a call of it took effect."""
        self._require_lease()
        return await checked(tool, self._context(call))

    async def mark_unknown(self, call: ToolCall) -> None:
        """Write down that nobody can say what became of a call."""
        await self._ledger.mark_unknown(self._turn.lease, self._pass_no, call.call_id)

    async def _finish(
        self,
        transaction: Transaction,
        call: ToolCall,
        output: str,
        data: Sequence[DataMessage],
    ) -> tuple[StoredDataMessage, ...]:
        return await self._ledger.finish_call(
            transaction, self._turn.lease, self._pass_no, call, output, data
        )

    def _require_lease(self) -> None:
        # Written down as begun is not enough: the process may have slept since.
        if not self._may_begin():
            raise LeaseLost

    def _shown(
        self, call: ToolCall, output: str, stored: Sequence[StoredDataMessage]
    ) -> ToolOutput:
        for message in stored:
            self._show(message)
        return ToolOutput(call_id=call.call_id, output=output)

    def _context(
        self, call: ToolCall, transaction: Transaction | None = None
    ) -> ToolContext:
        wanted = self._turn.wanted
        return ToolContext(
            turn=self._turn,
            call=call,
            pass_no=self._pass_no,
            asked_by=wanted[-1].author_id if wanted else "",
            open_transaction=transaction,
        )


def _show_nobody(message: StoredDataMessage) -> None:
    """Show nothing: a check has nothing to show."""


async def _until_stopped(
    jobs: Sequence[Coroutine[Any, Any, ToolOutput]], stop: asyncio.Event
) -> list[ToolOutput | None]:
    """Run `jobs` together; those that a stop cuts short have no result."""
    tasks = [asyncio.create_task(job) for job in jobs]
    stopping = asyncio.create_task(stop.wait())
    try:
        waiting = set(tasks)
        while waiting and not stop.is_set():
            done, _ = await asyncio.wait(
                {*waiting, stopping}, return_when=asyncio.FIRST_COMPLETED
            )
            waiting -= done
    finally:
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
    return [None if task.cancelled() else task.result() for task in tasks]


async def _let_end(effect: Coroutine[Any, Any, ToolOutput]) -> ToolOutput:
    """Give a write that has begun a moment when the process is told to end.

    Cut short, nobody could say any more whether it took effect.
    """
    task = asyncio.create_task(effect)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_TO_THE_END)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise


def _known(pass_no: int, call: LedgerCall | ToolCall) -> LedgerCall:
    if isinstance(call, LedgerCall):
        return call
    return LedgerCall(pass_no=pass_no, call=call, state=CallState.PROPOSED)


def _values(tool: Tool, call: ToolCall) -> dict[str, Any] | None:
    try:
        return parsed(tool, call)
    except ToolError:
        return None
