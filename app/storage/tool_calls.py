"""The ledger of tool calls: what was asked for, begun and done, in that order."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import (
    CallState,
    DataMessage,
    ItemKind,
    Lease,
    LedgerCall,
    Run,
    StoredDataMessage,
    ThreadItem,
    ToolCall,
    Usage,
)
from app.errors import StorageError
from app.storage.data_messages import DataMessages
from app.storage.database import Database, Transaction
from app.storage.fence import fenced
from app.storage.history import append_items
from app.storage.tables import tool_calls
from app.storage.usage import save_usage

_HAS_PASS = (
    select(tool_calls.c.call_id)
    .where(
        tool_calls.c.team_id == bindparam("team_id"),
        tool_calls.c.turn_id == bindparam("turn_id"),
        tool_calls.c.pass_no == bindparam("pass_no"),
    )
    .limit(1)
)
# A model that uses one id for two calls in a pass is held to the first.
_PROPOSE = insert(tool_calls).on_conflict_do_nothing()
_CALLS = (
    select(tool_calls)
    .where(
        tool_calls.c.team_id == bindparam("team_id"),
        tool_calls.c.turn_id == bindparam("turn_id"),
    )
    .order_by(tool_calls.c.pass_no, tool_calls.c.position)
)
_IS_OPEN = (
    tool_calls.c.team_id == bindparam("its_team"),
    tool_calls.c.turn_id == bindparam("its_turn"),
    tool_calls.c.pass_no == bindparam("its_pass"),
    tool_calls.c.call_id == bindparam("its_call"),
    tool_calls.c.state != CallState.DONE.value,
)
_MARK = (
    update(tool_calls)
    .where(*_IS_OPEN)
    .values(state=bindparam("its_state"))
    .returning(tool_calls.c.call_id)
)
_FINISH = (
    update(tool_calls)
    .where(*_IS_OPEN)
    .values(state=CallState.DONE.value, result=bindparam("its_result"))
    .returning(tool_calls.c.call_id)
)


class ToolLedger:
    """The tool calls of turns; every write raises LeaseLost when the turn moved on."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._data_messages = DataMessages(database)

    async def commit_pass(
        self, lease: Lease, pass_no: int, run: Run, usage: Usage | None = None
    ) -> None:
        """Commit what a pass has produced and the calls it wants, before any starts.

        A pass is committed once: a repetition changes nothing. `usage` is what the turn
        has cost until now.
        """
        its = {
            "team_id": lease.team_id,
            "turn_id": lease.turn_id,
            "pass_no": pass_no,
        }
        async with fenced(self._database, lease) as transaction:
            if (await transaction.execute(_HAS_PASS, its)).first() is not None:
                return
            await append_items(
                transaction,
                lease,
                [ThreadItem(kind=ItemKind.OUTPUT, item=item) for item in run.output],
            )
            await save_usage(transaction, lease, usage)
            await transaction.execute(
                _PROPOSE,
                [
                    {
                        **its,
                        "call_id": call.call_id,
                        "position": position,
                        "name": call.name,
                        "arguments": call.arguments,
                        "state": CallState.PROPOSED.value,
                    }
                    for position, call in enumerate(run.tool_calls)
                ],
            )

    async def calls(self, lease: Lease) -> list[LedgerCall]:
        """Return all calls of the turn, by pass and by place in it."""
        async with self._database.read() as transaction:
            rows = await transaction.execute(
                _CALLS, {"team_id": lease.team_id, "turn_id": lease.turn_id}
            )
            return [
                LedgerCall(
                    pass_no=row.pass_no,
                    call=ToolCall(
                        call_id=row.call_id, name=row.name, arguments=row.arguments
                    ),
                    state=CallState(row.state),
                    result=row.result,
                )
                for row in rows
            ]

    async def start(self, lease: Lease, pass_no: int, call_id: str) -> None:
        """Commit that a call is about to have an effect elsewhere."""
        await self._mark(lease, pass_no, call_id, CallState.STARTED)

    async def mark_unknown(self, lease: Lease, pass_no: int, call_id: str) -> None:
        """Commit that nobody can tell whether the call had its effect."""
        await self._mark(lease, pass_no, call_id, CallState.UNKNOWN)

    @asynccontextmanager
    async def fenced(self, lease: Lease) -> AsyncIterator[Transaction]:
        """Open the transaction for a call's result, and for its effect if stored."""
        async with fenced(self._database, lease) as transaction:
            yield transaction

    async def finish_call(  # noqa: PLR0917
        self,
        transaction: Transaction,
        lease: Lease,
        pass_no: int,
        call: ToolCall,
        output: str,
        data: Sequence[DataMessage],
    ) -> tuple[StoredDataMessage, ...]:
        """Write a call's result, its output for the model and its data messages.

        Raises StorageError when the call was never proposed or has a result already,
        so that the transaction, with whatever else it changed, comes to nothing.
        """
        finished = await transaction.execute(
            _FINISH, {**_its(lease, pass_no, call.call_id), "its_result": output}
        )
        if finished.first() is None:
            raise StorageError("this tool call is not open")
        item = {"call_id": call.call_id, "output": output}
        await append_items(
            transaction, lease, [ThreadItem(kind=ItemKind.TOOL_OUTPUT, item=item)]
        )
        return await self._data_messages.add(transaction, lease, data)

    async def _mark(
        self, lease: Lease, pass_no: int, call_id: str, state: CallState
    ) -> None:
        async with fenced(self._database, lease) as transaction:
            marked = await transaction.execute(
                _MARK, {**_its(lease, pass_no, call_id), "its_state": state.value}
            )
            if marked.first() is None:
                raise StorageError("this tool call is not open")


def _its(lease: Lease, pass_no: int, call_id: str) -> dict[str, Any]:
    return {
        "its_team": lease.team_id,
        "its_turn": lease.turn_id,
        "its_pass": pass_no,
        "its_call": call_id,
    }
