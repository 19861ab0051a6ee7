"""The claim: ready conversations become turns, each owned by one process."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from app.domain import (
    ChannelKind,
    Doubt,
    Lease,
    Outcome,
    SharedFile,
    SlackThread,
    Surface,
    Turn,
    TurnMessage,
    TurnState,
    Usage,
)
from app.storage.among import among, mapped
from app.storage.database import Database, Transaction
from app.storage.endings import ending_of
from app.storage.places import Place
from app.storage.tables import (
    READY,
    RUNNING,
    assistant_threads,
    conversations,
    inbox,
    thread_items,
    turns,
)

# A turn answers at most as many, the others wait for the next; what room they leave
# is for the newest overheard.
MOST_MESSAGES = 200

_CONTINUE = "continue"

_AnyRow = Row[*tuple[Any, ...]]

_HAS_WORK = or_(
    conversations.c.turn_id.is_not(None),
    conversations.c.wanted_seq > conversations.c.taken_seq,
)
_PLACE = (
    conversations.c.id,
    conversations.c.team_id,
    conversations.c.channel_id,
    conversations.c.thread_ts,
    conversations.c.channel_kind,
    conversations.c.assistant_thread_id,
    conversations.c.epoch,
    conversations.c.ready_at,
    conversations.c.turn_id,
    conversations.c.surface,
)
_FIRST_TOO_MANY = (
    select(inbox.c.seq)
    .where(
        inbox.c.team_id == conversations.c.team_id,
        inbox.c.conversation_id == conversations.c.id,
        inbox.c.seq > conversations.c.taken_seq,
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .order_by(inbox.c.seq)
    .offset(bindparam("most_messages"))
    .limit(1)
    .scalar_subquery()
)
# Held, not yet written: a row that is written once costs half of one written twice.
_PICKED = (
    select(*_PLACE, _HAS_WORK.label("has_work"))
    .where(
        conversations.c.state == READY,
        ~among(conversations.c.team_id, "full_teams"),
    )
    .order_by(conversations.c.ready_at, conversations.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
)
_PICK = select(_PICKED)
_PICK_ONE = select(*_PLACE).where(
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.id == bindparam("conversation_id"),
)
_ARE_PLACES = (
    among(conversations.c.team_id, "team_ids"),
    among(conversations.c.id, "conversation_ids"),
)
_LEAVE = update(conversations).where(*_ARE_PLACES).values(state="idle", owner=None)

_NEW_HISTORIES = (
    insert(assistant_threads)
    .from_select(["team_id"], select(conversations.c.team_id).where(*_ARE_PLACES))
    .returning(assistant_threads.c.id, assistant_threads.c.team_id)
)
# Looked up once the conversations are held: no message comes from then on.
_LAST_TAKEN = func.coalesce(
    mapped("up_to", conversations.c.id),
    _FIRST_TOO_MANY - 1,
    conversations.c.inbox_seq,
)
_NEW_TURNS = (
    insert(turns)
    .from_select(
        [
            "team_id",
            "conversation_id",
            "first_seq",
            "last_seq",
            "state",
            "attempt",
            "claimed_at",
        ],
        select(
            conversations.c.team_id,
            conversations.c.id,
            conversations.c.taken_seq + 1,
            _LAST_TAKEN,
            literal(TurnState.RUNNING.value),
            literal(0),
            Database.now,
        ).where(*_ARE_PLACES),
    )
    .returning(turns.c.id, turns.c.conversation_id)
)

_IS_OF_TURN = and_(
    inbox.c.team_id == turns.c.team_id,
    inbox.c.conversation_id == turns.c.conversation_id,
    inbox.c.seq.between(turns.c.first_seq, turns.c.last_seq),
)
_CLAIMED = and_(
    among(turns.c.team_id, "team_ids"),
    among(turns.c.id, "turn_ids"),
)
_MARK_TAKEN = (
    update(inbox)
    .where(
        _CLAIMED,
        _IS_OF_TURN,
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .values(taken_at=Database.now)
)
_TAKE = (
    update(conversations)
    .where(
        _CLAIMED,
        conversations.c.team_id == turns.c.team_id,
        conversations.c.id == turns.c.conversation_id,
    )
    .values(
        state=RUNNING,
        owner=bindparam("worker_id"),
        epoch=conversations.c.epoch + 1,
        turn_id=turns.c.id,
        # One that is resumed may be older than what was taken last.
        taken_seq=case(
            (turns.c.last_seq > conversations.c.taken_seq, turns.c.last_seq),
            else_=conversations.c.taken_seq,
        ),
        assistant_thread_id=func.coalesce(
            conversations.c.assistant_thread_id,
            mapped("histories", conversations.c.id),
        ),
    )
)
_MARK_RUNNING = (
    update(turns)
    .where(_CLAIMED)
    .values(
        state=TurnState.RUNNING.value,
        # The time for which it waited for a place is none that it took.
        claimed_at=case(
            (turns.c.state == TurnState.ASKED.value, Database.now),
            else_=turns.c.claimed_at,
        ),
    )
)

_ITS_ITEMS = exists().where(
    thread_items.c.assistant_thread_id == conversations.c.assistant_thread_id,
    thread_items.c.turn_id == turns.c.id,
)
_EARLIER_ITEMS = exists().where(
    thread_items.c.assistant_thread_id == conversations.c.assistant_thread_id,
    thread_items.c.turn_id < turns.c.id,
)
_ANY_MESSAGE = inbox.alias("any_message")
_OF_THE_CONVERSATION = _ANY_MESSAGE.c.conversation_id == conversations.c.id
_STARTED_HERE = exists().where(
    _OF_THE_CONVERSATION,
    _ANY_MESSAGE.c.team_id == conversations.c.team_id,
    _ANY_MESSAGE.c.channel_id == conversations.c.channel_id,
    _ANY_MESSAGE.c.ts == conversations.c.thread_ts,
)
_FROM_OUTSIDE = exists().where(
    _OF_THE_CONVERSATION,
    or_(
        _ANY_MESSAGE.c.files != [],
        _ANY_MESSAGE.c.author_team_id != conversations.c.team_id,
    ),
)
# Looked up once for each turn, not for each of the thousands of messages it may have.
_KNOWN = (
    select(
        turns.c.id.label("turn_id"),
        _ITS_ITEMS.label("is_prepared"),
        ~_EARLIER_ITEMS.label("is_first_turn"),
        or_(~_STARTED_HERE, _FROM_OUTSIDE).label("has_read_untrusted"),
    )
    .join_from(turns, conversations, conversations.c.id == turns.c.conversation_id)
    .where(_CLAIMED)
    .cte("known")
    .prefix_with("MATERIALIZED")
)
# A late message that nobody asks for anew is only known about.
_IS_ASKED = and_(inbox.c.wanted, inbox.c.outcome == Outcome.WAITING.value)
_RANKED = (
    select(
        turns.c.id.label("turn_id"),
        turns.c.attempt,
        (Database.now - turns.c.claimed_at).label("age"),
        turns.c.input_tokens,
        turns.c.cached_tokens,
        turns.c.output_tokens,
        turns.c.ending,
        turns.c.claimed_at,
        turns.c.asked_by,
        turns.c.doubt,
        turns.c.doubt_no,
        case(
            (turns.c.decided_no == turns.c.doubt_no, turns.c.decided_by), else_=null()
        ).label("decided_by"),
        (conversations.c.wake_at <= Database.now).label("is_overdue"),
        _KNOWN.c.is_prepared,
        _KNOWN.c.is_first_turn,
        _KNOWN.c.has_read_untrusted,
        inbox.c.seq,
        inbox.c.ts,
        inbox.c.author_id,
        inbox.c.author_team_id,
        inbox.c.text,
        inbox.c.files,
        inbox.c.mentioned,
        inbox.c.joined,
        _IS_ASKED.label("wanted"),
        func.row_number()
        .over(
            partition_by=turns.c.id,
            order_by=(_IS_ASKED.desc(), inbox.c.seq.desc()),
        )
        .label("place"),
    )
    .join_from(turns, conversations, conversations.c.id == turns.c.conversation_id)
    .join(_KNOWN, _KNOWN.c.turn_id == turns.c.id)
    .outerjoin(
        inbox,
        and_(
            _IS_OF_TURN,
            inbox.c.deleted_at.is_(None),
            or_(
                inbox.c.outcome.is_(None),
                inbox.c.outcome.in_([Outcome.WAITING.value, Outcome.LATE.value]),
            ),
        ),
    )
    .where(_CLAIMED)
    .subquery()
)
_CONTENTS = select(_RANKED).where(_RANKED.c.place <= bindparam("most_messages"))


async def claim_turns(
    transaction: Transaction,
    worker_id: str,
    limit: int,
    full_teams: Sequence[str],
    most_messages: int,
) -> list[Turn]:
    """Take up to `limit` ready conversations for `worker_id`, longest ready first."""
    picked = await transaction.execute(
        _PICK,
        {"limit": limit, "full_teams": list(full_teams)},
    )
    places = picked.all()
    if done := [place for place in places if not place.has_work]:
        await transaction.execute(_LEAVE, _named(done))
    wanted = [place for place in places if place.has_work]
    bounds = {"most_messages": most_messages, "up_to": {}}
    return await _taken(transaction, worker_id, wanted, bounds)


async def claim_up_to(
    transaction: Transaction, worker_id: str, place: Place, last_seq: int
) -> Turn:
    """Take an idle conversation that is held, for its messages up to `last_seq`."""
    picked = await transaction.execute(
        _PICK_ONE,
        {"team_id": place.team_id, "conversation_id": place.conversation_id},
    )
    its_bounds = {
        "most_messages": MOST_MESSAGES,
        "up_to": {place.conversation_id: last_seq},
    }
    (turn,) = await _taken(transaction, worker_id, [picked.one()], its_bounds)
    return turn


async def _taken(
    transaction: Transaction,
    worker_id: str,
    places: Sequence[_AnyRow],
    bounds: Mapping[str, Any],
) -> list[Turn]:
    """Make or resume the turns of conversations that are held, and read their words.

    `bounds` are the most messages of a turn, and the last ones of new turns if known.
    """
    if not places:
        return []
    histories = await _histories(transaction, places)
    turn_ids = await _turns_of(transaction, places, bounds)
    named = {"team_ids": _team_ids(places), "turn_ids": list(turn_ids.values())}
    await transaction.execute(
        _TAKE, {**named, "worker_id": worker_id, "histories": histories}
    )
    contents = await transaction.execute(
        _CONTENTS, {**named, "most_messages": bounds["most_messages"]}
    )
    by_turn: defaultdict[int, list[_AnyRow]] = defaultdict(list)
    for row in contents.all():
        by_turn[row.turn_id].append(row)
    return [
        _turn(place, histories[place.id], by_turn[turn_ids[place.id]])
        for place in places
    ]


async def _histories(
    transaction: Transaction, places: Sequence[_AnyRow]
) -> dict[int, int]:
    """Return each conversation's history, made where there is none yet."""
    histories = {
        place.id: place.assistant_thread_id
        for place in places
        if place.assistant_thread_id
    }
    if without := [place for place in places if place.id not in histories]:
        made = await transaction.execute(_NEW_HISTORIES, _named(without))
        of_team: defaultdict[str, list[int]] = defaultdict(list)
        for row in made.all():
            of_team[row.team_id].append(row.id)
        histories |= {place.id: of_team[place.team_id].pop() for place in without}
    return histories


async def _turns_of(
    transaction: Transaction, places: Sequence[_AnyRow], bounds: Mapping[str, Any]
) -> dict[int, int]:
    """Return each conversation's turn, made where none is to be resumed."""
    turn_ids = {place.id: place.turn_id for place in places if place.turn_id}
    if turn_ids:
        its = {"team_ids": _team_ids(places), "turn_ids": list(turn_ids.values())}
        await transaction.execute(_MARK_RUNNING, its)
    if fresh := [place for place in places if not place.turn_id]:
        made = await transaction.execute(_NEW_TURNS, {**_named(fresh), **bounds})
        new = {row.conversation_id: row.id for row in made.all()}
        its = {"team_ids": _team_ids(places), "turn_ids": list(new.values())}
        await transaction.execute(_MARK_TAKEN, its)
        turn_ids |= new
    return turn_ids


def _team_ids(places: Sequence[_AnyRow]) -> list[str]:
    return list({place.team_id for place in places})


def _named(places: Sequence[_AnyRow]) -> dict[str, Any]:
    return {
        "team_ids": _team_ids(places),
        "conversation_ids": [place.id for place in places],
    }


def _turn(place: _AnyRow, assistant_thread_id: int, rows: Sequence[_AnyRow]) -> Turn:
    about = rows[0]
    messages = [_message(row) for row in rows if row.ts is not None]
    if about.asked_by:
        messages.append(_go_on(about))
    return Turn(
        lease=Lease(
            team_id=place.team_id,
            conversation_id=place.id,
            turn_id=about.turn_id,
            epoch=place.epoch + 1,
        ),
        thread=SlackThread(
            team_id=place.team_id,
            channel_id=place.channel_id,
            thread_ts=place.thread_ts,
        ),
        assistant_thread_id=assistant_thread_id,
        messages=tuple(sorted(messages, key=lambda message: float(message.ts))),
        channel_kind=ChannelKind(place.channel_kind),
        attempt=about.attempt,
        is_prepared=bool(about.is_prepared),
        is_first_turn=bool(about.is_first_turn),
        has_read_untrusted=bool(about.has_read_untrusted),
        usage=_usage(about),
        surface=Surface(place.surface),
        age=max(0.0, about.age),
        ending=ending_of(about.ending),
        doubt=Doubt(about.doubt_no, about.doubt) if about.doubt else None,
        decided_by=about.decided_by,
        is_overdue=bool(about.is_overdue),
        has_company=any(row.joined for row in rows),
    )


def _usage(row: _AnyRow) -> Usage | None:
    if row.input_tokens is None:
        return None
    return Usage(
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
    )


def _go_on(row: _AnyRow) -> TurnMessage:
    """What somebody has asked for with a button, as if it had been written."""
    return TurnMessage(
        seq=0,
        ts=f"{row.claimed_at:.6f}",
        author_id=row.asked_by,
        author_team_id=None,
        text=_CONTINUE,
        files=(),
        mentioned=True,
        wanted=True,
    )


def _message(row: _AnyRow) -> TurnMessage:
    return TurnMessage(
        seq=row.seq,
        ts=row.ts,
        author_id=row.author_id,
        author_team_id=row.author_team_id,
        text=row.text,
        files=tuple(SharedFile(**file) for file in row.files),
        mentioned=row.mentioned,
        wanted=row.wanted,
    )
