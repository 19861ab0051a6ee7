"""The end of a turn, in whatever state: after it, the next request is always valid.

First it is written down how a turn ends, then people are told, then its conversation
is freed. A process that dies in between leaves nothing to be answered again.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, and_, bindparam, case, func, literal, null, select, update

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
from app.storage.among import among
from app.storage.database import Database, Transaction
from app.storage.history import append_items
from app.storage.tables import READY, conversations, inbox, tool_calls, turns
from app.storage.usage import save_usage
from app.storage.wakeup import TELL_IF_READY

_NOT_RUN = "not run: stopped"
_UNKNOWN = "outcome unknown"

_ARE_TURNS = (
    among(turns.c.team_id, "team_ids"),
    among(turns.c.id, "turn_ids"),
)
_ANSWERED = (
    update(inbox)
    .where(
        *_ARE_TURNS,
        inbox.c.team_id == turns.c.team_id,
        inbox.c.conversation_id == turns.c.conversation_id,
        inbox.c.seq.between(turns.c.first_seq, turns.c.last_seq),
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .values(outcome=Outcome.ANSWERED.value)
)

_IS_TURN = (turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
# One row for each call that has no output, at least one for each turn.
_FOUND = (
    select(
        turns.c.id,
        turns.c.ending.is_not(None).label("is_concluded"),
        tool_calls.c.call_id,
        tool_calls.c.state,
    )
    .join_from(
        turns,
        tool_calls,
        and_(
            tool_calls.c.team_id == turns.c.team_id,
            tool_calls.c.turn_id == turns.c.id,
            tool_calls.c.state != CallState.DONE.value,
        ),
        isouter=True,
    )
    .where(*_ARE_TURNS)
    .order_by(tool_calls.c.pass_no, tool_calls.c.position)
)
_CONCLUDE = (
    update(turns)
    .where(*_IS_TURN)
    .values(ending=bindparam("its_ending"), end_position=bindparam("its_position"))
)
_END = (
    update(turns)
    .where(*_ARE_TURNS)
    .values(
        state=bindparam("its_state"),
        run_status=bindparam("its_status"),
        error=bindparam("its_error"),
        blocked_by=bindparam("its_blocker"),
        ending=None,
        end_position=func.coalesce(bindparam("its_position"), turns.c.end_position),
        # Only what may be tried again has to know what it shows.
        text_so_far=case(
            (literal(TurnState.DONE.value) == bindparam("its_state"), null()),
            else_=turns.c.text_so_far,
        ),
        ended_at=Database.now,
    )
    .returning(turns.c.id, turns.c.resumed_by)
)

# Elsewhere than in Slack nobody but the request that waits may claim what is wanted.
_IS_MORE_WANTED = and_(
    conversations.c.wanted_seq > conversations.c.taken_seq,
    conversations.c.surface == Surface.SLACK.value,
)
_FREE = (
    update(conversations)
    .where(
        among(conversations.c.team_id, "team_ids"),
        among(conversations.c.id, "conversation_ids"),
    )
    .values(
        state=case((_IS_MORE_WANTED, READY), else_="idle"),
        # To the end of the line: a busy thread doesn't keep the others waiting.
        ready_at=case((_IS_MORE_WANTED, Database.now), else_=conversations.c.ready_at),
        owner=None,
        turn_id=None,
        wake_at=None,
    )
    .returning(conversations.c.id, conversations.c.state, TELL_IF_READY)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """How a turn ends.

    `output` is what its last pass produced; without it, `unfinished_text` is stored as
    the assistant's message.
    """

    lease: Lease
    ending: Ending
    output: Sequence[Mapping[str, Any]] = ()
    unfinished_text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnd(Conclusion):
    """The end of a turn, as written down now or before, and what it is from then on."""

    state: TurnState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The ids of turns after which more is wanted, and of those to be resumed."""

    wanted: set[int]
    noted: set[int]


async def conclude_turns(transaction: Transaction, ends: Sequence[Conclusion]) -> None:
    """Write down how turns end; what is written already stands.

    Every call without an output gets one.
    """
    positions = await _write_items(transaction, ends)
    rows = [
        {
            **_its(end),
            "its_ending": msgspec.to_builtins(end.ending),
            "its_position": positions[end.lease.turn_id],
        }
        for end in ends
        if end.lease.turn_id in positions
    ]
    if rows:
        await transaction.execute(_CONCLUDE, rows)


def ending_of(told: object) -> Ending | None:
    """Return the ending that was written down, if one was."""
    return None if told is None else msgspec.convert(told, Ending)


async def end_turns(transaction: Transaction, ends: Sequence[TurnEnd]) -> Ended:
    """End turns whose conversations are held, and free these.

    What each has produced is written first, unless that was done already.
    """
    positions = await _write_items(transaction, ends)
    await transaction.execute(_ANSWERED, _named(ends))
    noted = set[int]()
    for how, alike in _alike(ends, positions):
        ended = await transaction.execute(_END, {**_named(alike), **how})
        noted.update(row.id for row in ended if row.resumed_by is not None)
    places = {end.lease.conversation_id: end.lease.turn_id for end in ends}
    freed = await transaction.execute(
        _FREE, {**_named(ends), "conversation_ids": list(places)}
    )
    wanted = {places[row.id] for row in freed if row.state == "ready"}
    return Ended(wanted=wanted, noted=noted)


def _alike(
    ends: Sequence[TurnEnd], positions: Mapping[int, int | None]
) -> Iterator[tuple[dict[str, Any], list[TurnEnd]]]:
    """Yield what is to be written, with all whose end is written so: often one."""
    groups: defaultdict[tuple[Any, ...], list[TurnEnd]] = defaultdict(list)
    for end in ends:
        error = end.ending.error.code if end.ending.error else None
        status, blocker = end.ending.status.value, end.ending.blocked_by
        position = positions.get(end.lease.turn_id)
        groups[end.state.value, status, error, blocker, position].append(end)
    names = ("its_state", "its_status", "its_error", "its_blocker", "its_position")
    for values, alike in groups.items():
        yield dict(zip(names, values, strict=True)), alike


async def _write_items(
    transaction: Transaction, ends: Sequence[Conclusion]
) -> dict[int, int | None]:
    """Write what turns have produced into their histories, once.

    Returns for each that had not done so yet where in its turn that begins.
    """
    found = (await transaction.execute(_FOUND, _named(ends))).all()
    concluded = {row.id for row in found if row.is_concluded}
    missing = _missing_outputs(found)
    positions = {}
    for end in ends:
        if end.lease.turn_id in concluded:
            continue
        items = missing[end.lease.turn_id] + [
            ThreadItem(kind=ItemKind.OUTPUT, item=item)
            for item in end.output or _message(end.unfinished_text, end.ending.status)
        ]
        positions[end.lease.turn_id] = await append_items(transaction, end.lease, items)
        await save_usage(transaction, end.lease, end.ending.usage)
    return positions


def _missing_outputs(
    found: Sequence[Row[Any]],
) -> defaultdict[int, list[ThreadItem]]:
    missing: defaultdict[int, list[ThreadItem]] = defaultdict(list)
    for row in found:
        if row.call_id is not None:
            output = _NOT_RUN if row.state == CallState.PROPOSED else _UNKNOWN
            item = {"call_id": row.call_id, "output": output}
            missing[row.id].append(ThreadItem(kind=ItemKind.TOOL_OUTPUT, item=item))
    return missing


def _named(ends: Sequence[Conclusion]) -> dict[str, Any]:
    return {
        "team_ids": list({end.lease.team_id for end in ends}),
        "turn_ids": [end.lease.turn_id for end in ends],
    }


def _its(end: Conclusion) -> dict[str, Any]:
    return {"its_team": end.lease.team_id, "its_id": end.lease.turn_id}


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
