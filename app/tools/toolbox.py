"""Toolbox: runs the calls of one pass, each at most once, and commits what they say."""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from app import telemetry
from app.domain import (
    CallState,
    DataMessage,
    LedgerCall,
    StoredDataMessage,
    ToolCall,
    ToolOutput,
    Turn,
)
from app.errors import FaultyTools, StorageError, ToolError
from app.storage.database import Transaction
from app.storage.tool_calls import ToolLedger
from app.tools.schema import schema_faults
from app.tools.tool import Found, Tool, ToolContext, fields_of, filled

log = logging.getLogger(__name__)

MAX_CALLS = 16
MAX_RESULT_BYTES = 16_000

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LABEL_LENGTH = 100
_ERROR = "Error: "
_UNKNOWN = f"{_ERROR}the outcome is unknown; it was not run again."
_CUT = "… (cut)"
_TOO_MANY = f"not run: at most {MAX_CALLS} calls for one answer; say what is left."
_HAS_HAPPENED = "Done, by the call that was broken off."

Show = Callable[[StoredDataMessage], None]


def is_error(output: str) -> bool:
    """Whether a tool's output says that the call did not work."""
    return output.startswith(_ERROR)


class Toolbox:
    """The tools that the model may call.

    A tool that is unknown, wrongly called, slow or broken gives the model a line that
    begins with "Error: ", and the run goes on; only storage errors are raised.
    """

    def __init__(self, tools: Sequence[Tool], ledger: ToolLedger) -> None:
        if faults := _faults(tools):
            raise FaultyTools(faults)
        self._tools = {tool.name: tool for tool in tools}
        self._ledger = ledger

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

    def uncertain(self, calls: Sequence[LedgerCall]) -> LedgerCall | None:
        """Return the first call that may or may not have changed something.

        That is a write that a former owner of the turn began and did not finish,
        unless its effect and its result are one transaction.
        """
        return next((call for call in calls if self._is_uncertain(call)), None)

    async def find_out(
        self, turn: Turn, calls: Sequence[LedgerCall]
    ) -> list[LedgerCall]:
        """Return `calls` as they are once the uncertain ones were looked into.

        A call whose tool finds it done has its result now, and one found not done is
        to be run; what no tool can tell stays as it is.
        """
        return [
            await self._found(turn, call) if self._is_uncertain(call) else call
            for call in calls
        ]

    async def _found(self, turn: Turn, known: LedgerCall) -> LedgerCall:
        tool = self._tools.get(known.call.name)
        if tool is None:
            return known
        batch = _Batch(self._ledger, turn, known.pass_no, show=_show_nobody)
        match await batch.check(tool, known.call):
            case "done":
                done = await batch.commit(known.call, _HAS_HAPPENED)
                return replace(known, state=CallState.DONE, result=done.output)
            case "not_done":
                return replace(known, state=CallState.PROPOSED)
            case _:
                return known

    def describe(self, call: LedgerCall) -> str:
        """Say what `call` has done if it was done: "the kitchen was set to 23 °C"."""
        tool = self._tools.get(call.call.name)
        values = _values(tool, call.call) if tool else None
        if tool is None or values is None:
            return f"{call.call.name[:64]} took effect"
        return filled(tool.outcome, values)

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

        Calls run in order, neighbouring reads together. What the ledger has done
        already is not run again, nor is an uncertain write. Once `stop` is set nothing
        starts, reads are given up, a write that has begun is waited for; calls given
        up or never begun have no output. `made` calls of the turn came before these.
        """
        batch = _Batch(self._ledger, turn, pass_no, show)
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

    async def _job(self, batch: "_Batch", place: int, known: LedgerCall) -> ToolOutput:
        call = known.call
        if known.state is CallState.DONE:
            return ToolOutput(call_id=call.call_id, output=known.result or "")
        if self._is_uncertain(known):
            await batch.mark_unknown(call)
            return ToolOutput(call_id=call.call_id, output=_UNKNOWN)
        try:
            tool = self._callable(call, place)
            return await batch.run(tool, call, tool.parse(call.arguments))
        except ToolError as error:
            return await batch.commit(call, f"{_ERROR}{error}")

    def _callable(self, call: ToolCall, place: int) -> Tool:
        if place >= MAX_CALLS:
            raise ToolError(_TOO_MANY)
        if call.name not in self._tools:
            names = ", ".join(self._tools)
            raise ToolError(f"there is no {call.name[:64]!r}; the tools are {names}")
        return self._tools[call.name]


class _Batch:
    """The calls of one pass of one turn."""

    def __init__(
        self, ledger: ToolLedger, turn: Turn, pass_no: int, show: Show
    ) -> None:
        self._ledger = ledger
        self._turn = turn
        self._pass_no = pass_no
        self._show = show

    async def run(
        self, tool: Tool, call: ToolCall, values: Mapping[str, Any]
    ) -> ToolOutput:
        """Run one call and commit its result; ToolError if it did not work."""
        if tool.stored:
            return await self._run_stored(tool, call, values)
        if tool.is_write:
            await self._ledger.start(self._turn.lease, self._pass_no, call.call_id)
        context = self._context(call)
        output = await _result(tool, context, values)
        return await self.commit(call, output, context.data)

    async def _run_stored(
        self, tool: Tool, call: ToolCall, values: Mapping[str, Any]
    ) -> ToolOutput:
        async with self._ledger.fenced(self._turn.lease) as transaction:
            context = self._context(call, transaction)
            output = await _result(tool, context, values)
            stored = await self._finish(transaction, call, output, context.data)
        return self._shown(call, output, stored)

    async def check(self, tool: Tool, call: ToolCall) -> Found:
        """Let a tool find out whether a call of it took effect."""
        if tool.check is None:
            return "unknown"
        try:
            async with asyncio.timeout(tool.time_limit):
                return await tool.check(
                    self._context(call), **tool.parse(call.arguments)
                )
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - around a tool's body
            _log_failure(tool, self._turn, error)
            return "unknown"

    async def commit(
        self, call: ToolCall, output: str, data: Sequence[DataMessage] = ()
    ) -> ToolOutput:
        """Commit what a call said in a transaction of its own."""
        async with self._ledger.fenced(self._turn.lease) as transaction:
            stored = await self._finish(transaction, call, output, data)
        return self._shown(call, output, stored)

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


async def _result(tool: Tool, context: ToolContext, values: Mapping[str, Any]) -> str:
    """Run a tool's body within its limits; whatever goes wrong there is a ToolError."""
    try:
        async with asyncio.timeout(tool.time_limit):
            return _cut(await tool.call(context, values))
    except (ToolError, StorageError):
        raise
    except TimeoutError:
        raise ToolError(
            f"{tool.name} took longer than {tool.time_limit:g} s.{_doubt(tool)}"
        ) from None
    except Exception as error:
        _log_failure(tool, context.turn, error)
        raise ToolError(f"{tool.name} failed.{_doubt(tool)}") from error


def _log_failure(tool: Tool, turn: Turn, error: Exception) -> None:
    # Not the error's own words: they may repeat what somebody wrote.
    facts = {"tool": tool.name, "turn_id": turn.turn_id, **telemetry.fault(error)}
    log.error("tool failed", extra=facts)


def _show_nobody(message: StoredDataMessage) -> None:
    """Show nothing: a check has nothing to show."""


def _doubt(tool: Tool) -> str:
    is_open = tool.is_write and not tool.stored
    return " Whether it took effect is unknown." if is_open else ""


def _cut(output: str) -> str:
    encoded = output.encode("utf-8", "replace")
    if len(encoded) <= MAX_RESULT_BYTES:
        return encoded.decode()
    kept = encoded[: MAX_RESULT_BYTES - len(_CUT.encode())].decode("utf-8", "ignore")
    return kept + _CUT


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


def _known(pass_no: int, call: LedgerCall | ToolCall) -> LedgerCall:
    if isinstance(call, LedgerCall):
        return call
    return LedgerCall(pass_no=pass_no, call=call, state=CallState.PROPOSED)


def _values(tool: Tool, call: ToolCall) -> dict[str, Any] | None:
    try:
        return tool.parse(call.arguments)
    except ToolError:
        return None


def _faults(tools: Sequence[Tool]) -> list[str]:
    names = [tool.name for tool in tools]
    faults = [f"two tools are called {name}" for name in names if names.count(name) > 1]
    for tool in tools:
        faults += [f"{tool.name}: {fault}" for fault in _faults_of(tool)]
    return faults


def _faults_of(tool: Tool) -> Iterator[str]:
    if not _NAME.fullmatch(tool.name):
        yield "a name is 1 to 64 letters, digits, _ or -"
    if not tool.description:
        yield "it has no docstring to describe it"
    yield from schema_faults(tool.parameters)
    spoken_of = fields_of(tool.label) | fields_of(tool.outcome)
    if unknown := spoken_of - tool.parameters["properties"].keys():
        yield f"its texts speak of unknown arguments: {', '.join(sorted(unknown))}"
    if tool.stored and not tool.is_write:
        yield "a read has nothing to store"
    if tool.check and (tool.stored or not tool.is_write):
        yield "only a write with effects elsewhere needs a check"
