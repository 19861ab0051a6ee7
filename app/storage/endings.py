"""The end of a turn, in whatever state: after it, the next request is always valid."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, case, exists, select, update

from app.domain import (
    CallState,
    Ending,
    ItemKind,
    Lease,
    Outcome,
    RunStatus,
    Surface,
    ThreadItem,
    TurnState,
)
from app.storage.database import Database, Transaction
from app.storage.history import append_items
from app.storage.tables import READY, conversations, inbox, tool_calls, turns
from app.storage.usage import save_usage

_NOT_RUN = "not run: stopped"
_UNKNOWN = "outcome unknown"

_OPEN_CALLS = (
    select(tool_calls.c.call_id, tool_calls.c.state)
    .where(
        tool_calls.c.team_id == bindparam("team_id"),
        tool_calls.c.turn_id == bindparam("turn_id"),
        tool_calls.c.state != CallState.DONE.value,
    )
    .order_by(tool_calls.c.pass_no, tool_calls.c.position)
)

_ANSWERED = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.conversation_id == bindparam("its_conversation"),
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
        exists().where(
            and_(
                turns.c.team_id == inbox.c.team_id,
                turns.c.id == bindparam("turn_id"),
                inbox.c.seq.between(turns.c.first_seq, turns.c.last_seq),
            )
        ),
    )
    .values(outcome=Outcome.ANSWERED.value)
)

_END = (
    update(turns)
    .where(turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
    .values(
        state=bindparam("its_state"),
        run_status=bindparam("its_status"),
        error=bindparam("its_error"),
        blocked_by=bindparam("its_blocker"),
        ended_at=Database.now,
    )
)

# Elsewhere than in Slack nobody but the request that waits may claim what is wanted.
_IS_MORE_WANTED = and_(
    conversations.c.wanted_seq > conversations.c.taken_seq,
    conversations.c.surface == Surface.SLACK.value,
)
_FREE = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_id"),
    )
    .values(
        state=case((_IS_MORE_WANTED, READY), else_="idle"),
        # To the end of the line: a busy thread doesn't keep the others waiting.
        ready_at=case((_IS_MORE_WANTED, Database.now), else_=conversations.c.ready_at),
        owner=None,
        turn_id=None,
    )
    .returning(conversations.c.state)
)


async def end_turn(
    transaction: Transaction,
    lease: Lease,
    ending: Ending,
    state: TurnState,
    *,
    output: Sequence[Mapping[str, Any]] = (),
    unfinished_text: str = "",
) -> bool:
    """End a turn whose conversation is held; true when more is wanted there.

    Every call without an output gets one. `output` is what the last pass produced;
    without it, `unfinished_text` is stored as the assistant's message.
    """
    its = {"its_team": lease.team_id, "its_id": lease.turn_id}
    items = await _missing_outputs(transaction, lease)
    items += [
        ThreadItem(kind=ItemKind.OUTPUT, item=item)
        for item in output or _message(unfinished_text, ending.status)
    ]
    await append_items(transaction, lease, items)
    await transaction.execute(
        _ANSWERED,
        {
            "its_team": lease.team_id,
            "its_conversation": lease.conversation_id,
            "turn_id": lease.turn_id,
        },
    )
    await transaction.execute(
        _END,
        {
            **its,
            "its_state": state.value,
            "its_status": ending.status.value,
            "its_error": ending.error.code if ending.error else None,
            "its_blocker": ending.blocked_by,
        },
    )
    await save_usage(transaction, lease, ending.usage)
    freed = await transaction.execute(_FREE, {**its, "its_id": lease.conversation_id})
    return str(freed.scalar_one()) == "ready"


async def _missing_outputs(transaction: Transaction, lease: Lease) -> list[ThreadItem]:
    calls = await transaction.execute(
        _OPEN_CALLS, {"team_id": lease.team_id, "turn_id": lease.turn_id}
    )
    return [
        ThreadItem(
            kind=ItemKind.TOOL_OUTPUT,
            item={
                "call_id": call.call_id,
                "output": _NOT_RUN if call.state == CallState.PROPOSED else _UNKNOWN,
            },
        )
        for call in calls
    ]


def _message(text: str, status: RunStatus) -> tuple[dict[str, Any], ...]:
    if not text:
        return ()
    is_whole = status is RunStatus.COMPLETED
    return (
        {
            "type": "message",
            "role": "assistant",
            "status": "completed" if is_whole else "incomplete",
            "content": [{"type": "output_text", "text": text}],
        },
    )
