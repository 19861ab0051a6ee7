"""The end of a turn, in whatever state: after it, the next request is always valid.

First it is written down how a turn ends, then people are told, then its conversation
is freed. A process that dies in between leaves nothing to be answered again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, case, exists, literal, null, select, update

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
from app.storage.wakeup import TELL_IF_READY

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

_IS_TURN = (turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
_IS_CONCLUDED = select(turns.c.id).where(*_IS_TURN, turns.c.ending.is_not(None))
_CONCLUDE = (
    update(turns)
    .where(*_IS_TURN)
    .values(ending=bindparam("its_ending"), end_position=bindparam("its_position"))
)
_END = (
    update(turns)
    .where(*_IS_TURN)
    .values(
        state=bindparam("its_state"),
        run_status=bindparam("its_status"),
        error=bindparam("its_error"),
        blocked_by=bindparam("its_blocker"),
        ending=None,
        # Only what may be tried again has to know what it shows.
        text_so_far=case(
            (literal(TurnState.DONE.value) == bindparam("its_state"), null()),
            else_=turns.c.text_so_far,
        ),
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
        wake_at=None,
    )
    .returning(conversations.c.state, TELL_IF_READY)
)


async def conclude_turn(
    transaction: Transaction,
    lease: Lease,
    ending: Ending,
    *,
    output: Sequence[Mapping[str, Any]] = (),
    unfinished_text: str = "",
) -> None:
    """Write down how a turn ends; what is written already stands.

    Every call without an output gets one. `output` is what the last pass produced;
    without it, `unfinished_text` is stored as the assistant's message.
    """
    its = {"its_team": lease.team_id, "its_id": lease.turn_id}
    if (await transaction.execute(_IS_CONCLUDED, its)).first() is not None:
        return
    items = await _missing_outputs(transaction, lease)
    items += [
        ThreadItem(kind=ItemKind.OUTPUT, item=item)
        for item in output or _message(unfinished_text, ending.status)
    ]
    position = await append_items(transaction, lease, items)
    told = msgspec.to_builtins(ending)
    await transaction.execute(
        _CONCLUDE, {**its, "its_ending": told, "its_position": position}
    )
    await save_usage(transaction, lease, ending.usage)


def ending_of(told: object) -> Ending | None:
    """Return the ending that was written down, if one was."""
    return None if told is None else msgspec.convert(told, Ending)


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

    How it ends is written down first, unless that was done already.
    """
    its = {"its_team": lease.team_id, "its_id": lease.turn_id}
    await conclude_turn(
        transaction, lease, ending, output=output, unfinished_text=unfinished_text
    )
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
