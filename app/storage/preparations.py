"""What claimed turns answer, written into their histories."""

from collections.abc import Mapping, Sequence, Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import and_, bindparam, exists, select, update

from app.domain import Lease, Outcome, Refusal, ThreadItem
from app.storage.among import among, mapped
from app.storage.database import Transaction
from app.storage.history import begin_items, without_text
from app.storage.places import hold_place
from app.storage.tables import conversations, inbox, thread_items, turns

_HAS_HISTORY = (
    select(thread_items.c.position)
    .join_from(
        conversations,
        thread_items,
        thread_items.c.assistant_thread_id == conversations.c.assistant_thread_id,
    )
    .where(
        conversations.c.team_id == bindparam("team_id"),
        conversations.c.id == bindparam("conversation_id"),
    )
    .limit(1)
)
_AUTHORS = select(inbox.c.author_id).where(
    inbox.c.team_id == bindparam("team_id"),
    inbox.c.conversation_id == bindparam("conversation_id"),
    among(inbox.c.ts, "all_ts"),
)

# Nothing is kept of what a person who is not answered has said.
_REFUSE = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.conversation_id == bindparam("its_conversation"),
        inbox.c.ts == bindparam("its_ts"),
    )
    .values(outcome=Outcome.REFUSED.value, text="", files=[])
)

# One row for each message that was removed since the claim, at least one for each turn.
_FOUND = (
    select(
        turns.c.id,
        exists()
        .where(
            thread_items.c.team_id == turns.c.team_id,
            thread_items.c.assistant_thread_id == mapped("histories", turns.c.id),
            thread_items.c.turn_id == turns.c.id,
        )
        .label("is_prepared"),
        inbox.c.ts.label("removed_ts"),
    )
    .join_from(
        turns,
        inbox,
        and_(
            inbox.c.team_id == turns.c.team_id,
            inbox.c.conversation_id == turns.c.conversation_id,
            inbox.c.seq.between(turns.c.first_seq, turns.c.last_seq),
            inbox.c.deleted_at.is_not(None),
        ),
        isouter=True,
    )
    .where(among(turns.c.team_id, "team_ids"), among(turns.c.id, "turn_ids"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A turn's messages as history items, and who is refused, by the messages' ts."""

    lease: Lease
    items: Sequence[ThreadItem]
    refused: Mapping[str, Refusal]


async def prepare_turns(
    transaction: Transaction, turns_of: Mapping[Lease, int], given: Sequence[Prepared]
) -> None:
    """Write what turns answer, once; `turns_of` are the histories of those held."""
    found = await transaction.execute(
        _FOUND,
        {
            "team_ids": list({lease.team_id for lease in turns_of}),
            "turn_ids": [lease.turn_id for lease in turns_of],
            "histories": {lease.turn_id: its for lease, its in turns_of.items()},
        },
    )
    rows = found.all()
    fresh = {row.id for row in rows if not row.is_prepared}
    left = [
        each for each in given if each.lease in turns_of and each.lease.turn_id in fresh
    ]
    for each in left:
        if each.refused:
            await _refuse(transaction, each)
    gone = {(row.id, row.removed_ts) for row in rows}
    await begin_items(
        transaction,
        ((each.lease, turns_of[each.lease], _without(each, gone)) for each in left),
    )


def _without(given: Prepared, gone: AbstractSet[tuple[int, str]]) -> list[ThreadItem]:
    """Leave no text of what was removed since the claim."""
    return [
        replace(item, item=without_text(dict(item.item)))
        if (given.lease.turn_id, item.ts) in gone
        else item
        for item in given.items
    ]


async def _refuse(transaction: Transaction, given: Prepared) -> None:
    lease, refused = given.lease, given.refused
    await transaction.execute(_REFUSE, _each(lease, refused))
    await _step_back(transaction, lease, refused, is_empty=not given.items)


async def _step_back(
    transaction: Transaction,
    lease: Lease,
    refused: Mapping[str, Refusal],
    *,
    is_empty: bool,
) -> None:
    """Count those as absent who are never answered, and leave where nobody is."""
    its = {"team_id": lease.team_id, "conversation_id": lease.conversation_id}
    place = await hold_place(transaction, lease.team_id, lease.conversation_id)
    outside = [
        ts for ts, refusal in refused.items() if refusal is not Refusal.TOO_MANY_TURNS
    ]
    authors = await transaction.execute(_AUTHORS, {**its, "all_ts": outside})
    place.part_with(set(authors.scalars()))
    if is_empty and (await transaction.execute(_HAS_HISTORY, its)).first() is None:
        place.leave()
    await place.settle(transaction)


def _each(lease: Lease, refused: Mapping[str, Refusal]) -> list[dict[str, Any]]:
    return [
        {
            "its_team": lease.team_id,
            "its_conversation": lease.conversation_id,
            "its_ts": ts,
        }
        for ts in refused
    ]
