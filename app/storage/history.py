"""The history of an assistant thread: what was said, and what the model made of it.

Items are ordered by turn, then by position within the turn; a conversation has one
turn at a time, so that is the order in which they were written.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from app.domain import ItemKind, Lease, ThreadItem, Turn
from app.storage.among import insert_rows
from app.storage.database import Transaction
from app.storage.places import Place
from app.storage.tables import assistant_threads, conversations, thread_items

# What is read back of a long thread: its newest turns, each whole.
_MOST_ITEMS = 500
_MOST_CHARACTERS = 1_000_000

_NEXT_POSITION = select(
    conversations.c.assistant_thread_id,
    select(func.coalesce(func.max(thread_items.c.position) + 1, 0))
    .where(
        thread_items.c.team_id == conversations.c.team_id,
        thread_items.c.assistant_thread_id == conversations.c.assistant_thread_id,
        thread_items.c.turn_id == bindparam("turn_id"),
    )
    .scalar_subquery()
    .label("position"),
).where(
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.id == bindparam("conversation_id"),
)

_NEWEST = (
    select(
        thread_items.c.turn_id,
        thread_items.c.kind,
        thread_items.c.author_id,
        thread_items.c.ts,
        thread_items.c.item,
        func.length(thread_items.c.item).label("characters"),
        assistant_threads.c.kept_from_turn,
    )
    .join_from(
        assistant_threads,
        thread_items,
        (thread_items.c.assistant_thread_id == assistant_threads.c.id)
        & (thread_items.c.team_id == assistant_threads.c.team_id),
    )
    .where(
        assistant_threads.c.team_id == bindparam("team_id"),
        assistant_threads.c.id == bindparam("assistant_thread_id"),
        thread_items.c.turn_id > bindparam("after_turn"),
        thread_items.c.turn_id >= func.coalesce(assistant_threads.c.kept_from_turn, 0),
    )
    .order_by(thread_items.c.turn_id.desc(), thread_items.c.position.desc())
    .limit(_MOST_ITEMS + 1)
)

_SAID_AT = select(
    thread_items.c.turn_id, thread_items.c.position, thread_items.c.item
).where(
    thread_items.c.team_id == bindparam("team_id"),
    thread_items.c.assistant_thread_id == bindparam("assistant_thread_id"),
    thread_items.c.ts == bindparam("ts"),
)

_REWRITE = (
    update(thread_items)
    .where(
        thread_items.c.team_id == bindparam("its_team"),
        thread_items.c.assistant_thread_id == bindparam("its_history"),
        thread_items.c.turn_id == bindparam("its_turn"),
        thread_items.c.position == bindparam("its_position"),
    )
    .values(item=bindparam("its_item"))
)


async def append_items(
    transaction: Transaction, lease: Lease, items: Sequence[ThreadItem]
) -> int | None:
    """Write items behind those that the turn has; the conversation must be held.

    Returns the position of the first; None when there is none.
    """
    if not items:
        return None
    place = (
        await transaction.execute(
            _NEXT_POSITION,
            {
                "team_id": lease.team_id,
                "conversation_id": lease.conversation_id,
                "turn_id": lease.turn_id,
            },
        )
    ).one()
    await insert_rows(
        transaction,
        thread_items,
        [
            _row(lease, place.assistant_thread_id, position, item)
            for position, item in enumerate(items, place.position)
        ],
    )
    return int(place.position)


async def begin_items(
    transaction: Transaction, begun: Iterable[tuple[Lease, int, Sequence[ThreadItem]]]
) -> None:
    """Write the first items of turns, each into its history; all must be held."""
    rows = [
        _row(lease, history, position, item)
        for lease, history, items in begun
        for position, item in enumerate(items)
    ]
    if rows:
        await insert_rows(transaction, thread_items, rows)


async def read_items(
    transaction: Transaction, turn: Turn, *, after_turn: int = 0
) -> list[ThreadItem]:
    """Return the newest whole turns, oldest first; the newest one in any case.

    Those up to and including `after_turn` are left out.
    """
    items, _ = await read_newest(transaction, turn, after_turn=after_turn)
    return items


async def read_newest(
    transaction: Transaction, turn: Turn, *, after_turn: int = 0
) -> tuple[list[ThreadItem], bool]:
    """Return the newest whole turns, and whether older ones were left out for good."""
    its = {
        "team_id": turn.lease.team_id,
        "assistant_thread_id": turn.assistant_thread_id,
        "after_turn": after_turn,
    }
    rows = (await transaction.execute(_NEWEST, its)).all()
    was_cut = len(rows) > _MOST_ITEMS
    kept: list[ThreadItem] = []
    characters = 0
    by_turn = [list(its) for _, its in groupby(rows, lambda row: row.turn_id)]
    for number, its_rows in enumerate(by_turn):
        characters += sum(row.characters for row in its_rows)
        is_part = was_cut and number == len(by_turn) - 1
        if kept and (is_part or characters > _MOST_CHARACTERS):
            break
        kept.extend(_item(row) for row in its_rows)
    is_cut = bool(rows) and rows[0].kept_from_turn is not None
    return kept[::-1], is_cut


async def erase_text(transaction: Transaction, place: Place, ts: str) -> None:
    """Leave nothing of what was said at `ts` but the fact that something was."""
    said = await transaction.execute(
        _SAID_AT,
        {
            "team_id": place.team_id,
            "assistant_thread_id": place.assistant_thread_id,
            "ts": ts,
        },
    )
    for row in said.all():
        await transaction.execute(
            _REWRITE,
            {
                "its_team": place.team_id,
                "its_history": place.assistant_thread_id,
                "its_turn": row.turn_id,
                "its_position": row.position,
                "its_item": without_text(row.item),
            },
        )


def without_text(item: dict[str, object]) -> dict[str, object]:
    """Return a message's item as it stands once the message was removed."""
    return {**item, "text": "", "files": []}


def _row(lease: Lease, history: int, position: int, item: ThreadItem) -> dict[str, Any]:
    return {
        "team_id": lease.team_id,
        "assistant_thread_id": history,
        "turn_id": lease.turn_id,
        "position": position,
        "kind": item.kind.value,
        "author_id": item.author_id,
        "ts": item.ts,
        "item": dict(item.item),
    }


def _item(row: Row[*tuple[Any, ...]]) -> ThreadItem:
    return ThreadItem(
        kind=ItemKind(row.kind),
        item=row.item,
        author_id=row.author_id,
        ts=row.ts,
        turn_id=row.turn_id,
    )
