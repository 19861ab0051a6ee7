"""The times in which no process was alive, and what waited through them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Double,
    Row,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.dml import ReturningUpdate

from app.domain import ChannelKind, Outcome, Surface
from app.storage.among import among
from app.storage.database import Database, Transaction
from app.storage.late_notes import offer_in
from app.storage.policy import LATE_AFTER, PAST_AFTER, Timing, timing
from app.storage.tables import (
    READY,
    RUNNING,
    absences,
    conversations,
    inbox,
    turns,
    workers,
)

# Shorter ones are restarts: Slack sends again by itself what they missed.
_WORTH_NOTING = 60.0
# SQLite takes a bounded number of values in one statement; and so many turns back
# are places looked for.
_MANY = 200
_MOST_CHANNELS, _MOST_THREADS = 10, 10

_AnyRow = Row[*tuple[Any, ...]]

_LAST_ALIVE = select(
    func.max(workers.c.expires_at).label("alive_until"), Database.now.label("now")
)
# Of several processes that come back at once, one writes it down; the others wait.
_NOTE = (
    insert(absences)
    .values(away_from=bindparam("since"), back_at=Database.now)
    .on_conflict_do_nothing()
    .returning(absences.c.away_from)
)


def _missed(state: object) -> ReturningUpdate[Any]:
    held = (
        select(conversations.c.id)
        .where(
            conversations.c.state == state,
            conversations.c.surface == Surface.SLACK.value,
        )
        .with_for_update()
        .cte("missed")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    came_at = func.coalesce(inbox.c.received_at, cast(inbox.c.ts, Double))
    asked_at = cast(func.coalesce(inbox.c.edited_ts, inbox.c.ts), Double)
    return (
        update(inbox)
        .where(
            inbox.c.conversation_id.in_(select(held.c.id)),
            inbox.c.seq
            > select(conversations.c.taken_seq)
            .where(conversations.c.id == inbox.c.conversation_id)
            .scalar_subquery(),
            inbox.c.wanted,
            inbox.c.outcome == Outcome.WAITING.value,
            came_at <= bindparam("since"),
        )
        .values(outcome=Outcome.LATE.value)
        .returning(
            inbox.c.team_id,
            inbox.c.conversation_id,
            (Database.now - asked_at).label("age"),
        )
    )


_MISSED = (_missed(READY), _missed(RUNNING))

_OF_THESE = (
    among(conversations.c.team_id, "team_ids"),
    among(conversations.c.id, "ids"),
)
_ITS_INBOX = and_(
    inbox.c.team_id == conversations.c.team_id,
    inbox.c.conversation_id == conversations.c.id,
)
_LAST_WANTED = (
    select(func.max(inbox.c.seq))
    .where(
        _ITS_INBOX,
        inbox.c.seq > conversations.c.taken_seq,
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .scalar_subquery()
)
_LAST_LATE = (
    select(func.max(inbox.c.seq))
    .where(
        _ITS_INBOX,
        inbox.c.deleted_at.is_(None),
        inbox.c.outcome == Outcome.LATE.value,
    )
    .scalar_subquery()
)
_NOT_BEYOND_TAKEN = case(
    (
        conversations.c.wanted_seq < conversations.c.taken_seq,
        conversations.c.wanted_seq,
    ),
    else_=conversations.c.taken_seq,
)
_RECOUNT = (
    update(conversations)
    .where(*_OF_THESE)
    .values(
        wanted_seq=func.coalesce(_LAST_WANTED, _NOT_BEYOND_TAKEN),
        late_seq=func.coalesce(_LAST_LATE, 0),
    )
)
_REST = (
    update(conversations)
    .where(
        *_OF_THESE,
        conversations.c.state == READY,
        conversations.c.turn_id.is_(None),
        conversations.c.wanted_seq <= conversations.c.taken_seq,
    )
    .values(state="idle")
)

_HAS_LIVE_OWNER = exists().where(
    workers.c.id == absences.c.owner, workers.c.expires_at > Database.now
)
_LATEST = select(func.max(absences.c.away_from)).scalar_subquery()
_TAKE = (
    update(absences)
    .where(
        absences.c.away_from == _LATEST,
        absences.c.caught_up_at.is_(None),
        absences.c.back_at > Database.now - LATE_AFTER,
        or_(
            absences.c.owner.is_(None),
            # What this process has once begun and not brought to an end.
            absences.c.owner == bindparam("worker_id"),
            ~_HAS_LIVE_OWNER,
        ),
    )
    .values(owner=bindparam("worker_id"))
    .returning(absences.c.away_from, absences.c.back_at)
)
_CAUGHT_UP = (
    update(absences)
    .where(absences.c.away_from == bindparam("since"))
    .values(caught_up_at=Database.now)
)
_LATEST_TURNS = (
    select(turns.c.conversation_id, turns.c.claimed_at)
    .where(
        turns.c.team_id == bindparam("team_id"),
        turns.c.id > select(func.max(turns.c.id) - _MANY).scalar_subquery(),
    )
    .order_by(turns.c.id.desc())
)
_PLACES = select(
    conversations.c.id,
    conversations.c.channel_id,
    conversations.c.channel_kind,
    conversations.c.thread_ts,
).where(
    conversations.c.team_id == bindparam("team_id"),
    among(conversations.c.id, "ids"),
    conversations.c.surface == Surface.SLACK.value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A time in which no process was alive, by the database's clock."""

    away_from: float
    back_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPlace:
    """A channel where we were asked lately, or one thread in it."""

    channel_id: str
    kind: ChannelKind
    thread_ts: str | None = None


async def was_nobody_there(transaction: Transaction) -> bool:
    """Whether the next heartbeat is the first for a while, and ends an absence."""
    return _is_worth_noting((await transaction.execute(_LAST_ALIVE)).one())


async def end_absence(transaction: Transaction) -> None:
    """See to what waited, before the first heartbeat for a while is written.

    What waited through ten minutes is late: it waits no longer, and each of its threads
    is told so.
    """
    last = (await transaction.execute(_LAST_ALIVE)).one()
    if not _is_worth_noting(last):
        return
    since = {"since": last.alive_until}
    if (await transaction.execute(_NOTE, since)).first() is None:
        return
    if last.now - last.alive_until < LATE_AFTER:
        return
    missed: list[_AnyRow] = []
    for statement in _MISSED:
        missed += (await transaction.execute(statement, since)).all()
    await _leave(transaction, missed)


def _is_worth_noting(last: _AnyRow) -> bool:
    return last.alive_until is not None and (
        last.now - last.alive_until >= _WORTH_NOTING
    )


async def _leave(transaction: Transaction, missed: Iterable[_AnyRow]) -> None:
    youngest: dict[tuple[str, int], float] = {}
    for row in missed:
        place = (row.team_id, row.conversation_id)
        youngest[place] = min(row.age, youngest.get(place, row.age))
    places = list(youngest)
    for start in range(0, len(places), _MANY):
        some = places[start : start + _MANY]
        its = {
            "team_ids": list({team_id for team_id, _ in some}),
            "ids": [conversation_id for _, conversation_id in some],
        }
        await transaction.execute(_RECOUNT, its)
        await transaction.execute(_REST, its)
    told = [place for place in places if timing(youngest[place]) is not Timing.PAST]
    await offer_in(transaction, told)


class Absences:
    """What one process does once after each absence."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, worker_id: str) -> Absence | None:
        """Let this process catch up after the latest absence, if nobody does or did.

        What it has taken and not brought to an end it gets again.
        """
        async with self._database.write() as transaction:
            taken = await transaction.execute(_TAKE, {"worker_id": worker_id})
            row = taken.first()
        if row is None:
            return None
        return Absence(away_from=row.away_from, back_at=row.back_at)

    async def caught_up(self, absence: Absence) -> None:
        """Note that all is read that can be."""
        async with self._database.write() as transaction:
            await transaction.execute(_CAUGHT_UP, {"since": absence.away_from})

    async def known_places(
        self, team_id: str, absence: Absence
    ) -> tuple[KnownPlace, ...]:
        """Return where we were asked lately, ten channels and ten threads at most.

        The latest first, by the latest two hundred turns; threads only of a day.
        """
        async with self._database.read() as transaction:
            latest = await transaction.execute(_LATEST_TURNS, {"team_id": team_id})
            asked_at: dict[int, float] = {}
            for turn in latest:
                asked_at.setdefault(turn.conversation_id, turn.claimed_at)
            rows = await transaction.execute(
                _PLACES, {"team_id": team_id, "ids": list(asked_at)}
            )
            by_id = {row.id: row for row in rows}
        known = [by_id[each] for each in asked_at if each in by_id]
        yesterday = absence.back_at - PAST_AFTER
        fresh = [row for row in known if asked_at[row.id] > yesterday]
        channels = dict.fromkeys((row.channel_id, row.channel_kind) for row in known)
        return (
            *(
                KnownPlace(channel_id=channel_id, kind=ChannelKind(kind))
                for channel_id, kind in list(channels)[:_MOST_CHANNELS]
            ),
            *(
                KnownPlace(
                    channel_id=row.channel_id,
                    kind=ChannelKind(row.channel_kind),
                    thread_ts=row.thread_ts,
                )
                for row in fresh[:_MOST_THREADS]
            ),
        )
