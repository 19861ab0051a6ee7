"""The Slack messages of a reply, so that another process can go on in them.

Texts and data messages are numbered from 0, in the order of their posts; notes, which
are no part of the answer, from -1 downwards, each by what it is about.
"""

from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import Lease, PartKind, ReplyPart
from app.errors import LeaseLost
from app.storage.database import Database, Transaction
from app.storage.fence import IS_HELD, fenced
from app.storage.tables import conversations, reply_parts, turns

_PARTS = (
    select(reply_parts)
    .where(
        reply_parts.c.team_id == bindparam("team_id"),
        reply_parts.c.turn_id == bindparam("turn_id"),
    )
    .order_by(reply_parts.c.part_no)
)
_INTEND = insert(reply_parts).on_conflict_do_nothing()

_IS_PART = (
    reply_parts.c.team_id == bindparam("its_team"),
    reply_parts.c.turn_id == bindparam("its_turn"),
    reply_parts.c.part_no == bindparam("its_no"),
)
_POSTED = update(reply_parts).where(*_IS_PART).values(ts=bindparam("its_ts"))
_SEAL = (
    update(reply_parts)
    .where(*_IS_PART)
    .values(
        start_offset=bindparam("its_start"),
        end_offset=bindparam("its_end"),
        sealed=True,
    )
)
_FORGET = delete(reply_parts).where(*_IS_PART)
_TEXT_SO_FAR = select(turns.c.text_so_far).where(
    turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id")
)
_IS_NEWEST = select(conversations.c.id).where(
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.id == bindparam("conversation_id"),
    conversations.c.epoch == bindparam("epoch"),
)
_CHECKPOINT = (
    update(turns)
    .where(
        turns.c.team_id == bindparam("its_team"),
        turns.c.id == bindparam("its_turn"),
        IS_HELD,
    )
    .values(text_so_far=bindparam("its_text"))
    .returning(turns.c.id)
)


class ReplyParts:
    """Which Slack messages a turn's reply has; writes raise LeaseLost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def parts(self, lease: Lease) -> list[ReplyPart]:
        """Return the parts in order, also those whose post may not have happened."""
        async with self._database.read() as transaction:
            rows = await transaction.execute(
                _PARTS, {"team_id": lease.team_id, "turn_id": lease.turn_id}
            )
            return [
                ReplyPart(
                    part_no=row.part_no,
                    kind=PartKind(row.kind),
                    post_key=row.post_key,
                    ts=row.ts,
                    start=row.start_offset,
                    end=row.end_offset,
                    sealed=row.sealed,
                )
                for row in rows
            ]

    async def text_so_far(self, lease: Lease) -> str | None:
        """Return the raw text that the parts show, None if that is not known."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                _TEXT_SO_FAR, {"team_id": lease.team_id, "turn_id": lease.turn_id}
            )
            text: str | None = found.scalar_one_or_none()
            return text

    async def is_newest(self, lease: Lease) -> bool:
        """Whether nobody has begun anything in the conversation since this lease."""
        async with self._database.read() as transaction:
            found = await transaction.execute(
                _IS_NEWEST,
                {
                    "team_id": lease.team_id,
                    "conversation_id": lease.conversation_id,
                    "epoch": lease.epoch,
                },
            )
            return found.first() is not None

    async def checkpoint(self, lease: Lease, text: str) -> None:
        """Note the raw text that the parts are about to show.

        It waits for no tool that holds the turn while it works.
        """
        async with self._database.write() as transaction:
            await _save_text(transaction, lease, text)

    async def intend(
        self, lease: Lease, part: ReplyPart, text: str | None = None
    ) -> None:
        """Note that the part is about to be posted; the first note stands.

        `text` is the raw text that the parts are about to show, if that is news.
        """
        async with fenced(self._database, lease) as transaction:
            if text is not None:
                await _save_text(transaction, lease, text)
            await transaction.execute(
                _INTEND,
                {
                    "team_id": lease.team_id,
                    "turn_id": lease.turn_id,
                    "part_no": part.part_no,
                    "kind": part.kind.value,
                    "post_key": part.post_key,
                    "ts": part.ts,
                    "start_offset": part.start,
                    "end_offset": part.end,
                    "sealed": part.sealed,
                },
            )

    async def posted(self, lease: Lease, part_no: int, ts: str) -> None:
        """Note where Slack has put the part."""
        async with fenced(self._database, lease) as transaction:
            await transaction.execute(_POSTED, {**_its(lease, part_no), "its_ts": ts})

    async def seal(self, lease: Lease, part_no: int, start: int, end: int) -> None:
        """Note that the part is full, and what of the raw text it shows."""
        async with fenced(self._database, lease) as transaction:
            await transaction.execute(
                _SEAL, {**_its(lease, part_no), "its_start": start, "its_end": end}
            )

    async def forget(self, lease: Lease, part_no: int) -> None:
        """Note that the part's message is no more."""
        async with fenced(self._database, lease) as transaction:
            await transaction.execute(_FORGET, _its(lease, part_no))


async def _save_text(transaction: Transaction, lease: Lease, text: str) -> None:
    saved = await transaction.execute(
        _CHECKPOINT,
        {
            "its_team": lease.team_id,
            "its_conversation": lease.conversation_id,
            "its_epoch": lease.epoch,
            "its_turn": lease.turn_id,
            "its_text": text,
        },
    )
    if saved.first() is None:
        raise LeaseLost(f"turn {lease.turn_id} has moved on from {lease.epoch}")


def _its(lease: Lease, part_no: int) -> dict[str, Any]:
    return {"its_team": lease.team_id, "its_turn": lease.turn_id, "its_no": part_no}
