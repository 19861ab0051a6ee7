"""The claim: ready conversations become turns, each owned by one process."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Row,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
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
from app.storage.among import among
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

_PICKED = (
    select(conversations.c.id)
    .where(
        conversations.c.state == READY,
        ~among(conversations.c.team_id, "full_teams"),
    )
    .order_by(conversations.c.ready_at, conversations.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("picked")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_HAS_WORK = or_(
    conversations.c.turn_id.is_not(None),
    conversations.c.wanted_seq > conversations.c.taken_seq,
)
_CLAIMED_COLUMNS = (
    conversations.c.id,
    conversations.c.team_id,
    conversations.c.channel_id,
    conversations.c.thread_ts,
    conversations.c.channel_kind,
    conversations.c.assistant_thread_id,
    conversations.c.state,
    conversations.c.taken_seq,
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
_LAST_TAKEN = func.coalesce(_FIRST_TOO_MANY - 1, conversations.c.inbox_seq)
_CLAIM = (
    update(conversations)
    .where(conversations.c.id.in_(select(_PICKED.c.id)))
    .values(
        state=case((_HAS_WORK, RUNNING), else_="idle"),
        owner=case((_HAS_WORK, bindparam("worker_id")), else_=None),
        epoch=conversations.c.epoch + 1,
    )
    .returning(*_CLAIMED_COLUMNS, _LAST_TAKEN.label("last_seq"))
)
_CLAIM_UP_TO = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_id"),
    )
    .values(
        state=RUNNING,
        owner=bindparam("worker_id"),
        epoch=conversations.c.epoch + 1,
    )
    .returning(
        *_CLAIMED_COLUMNS, bindparam("up_to", type_=BigInteger()).label("last_seq")
    )
)

_NEW_THREADS = insert(assistant_threads).returning(
    assistant_threads.c.id, sort_by_parameter_order=True
)
_NEW_TURNS = (
    insert(turns)
    .values(claimed_at=Database.now)
    .returning(turns.c.id, sort_by_parameter_order=True)
)
_BEGIN_HISTORY = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_id"),
    )
    .values(assistant_thread_id=bindparam("its_history"))
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
    .values(turn_id=turns.c.id, taken_seq=turns.c.last_seq)
)
_MARK_RUNNING = update(turns).where(_CLAIMED).values(state=TurnState.RUNNING.value)

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
    claimed = await transaction.execute(
        _CLAIM,
        {
            "worker_id": worker_id,
            "limit": limit,
            "full_teams": list(full_teams),
            "most_messages": most_messages,
        },
    )
    places = sorted(
        (row for row in claimed.all() if row.state == TurnState.RUNNING.value),
        key=lambda row: (row.ready_at, row.id),
    )
    return await _taken(transaction, places, most_messages)


async def claim_up_to(
    transaction: Transaction, worker_id: str, place: Place, last_seq: int
) -> Turn:
    """Take an idle conversation that is held, for its messages up to `last_seq`."""
    claimed = await transaction.execute(
        _CLAIM_UP_TO,
        {
            "its_team": place.team_id,
            "its_id": place.conversation_id,
            "worker_id": worker_id,
            "up_to": last_seq,
        },
    )
    (turn,) = await _taken(transaction, [claimed.one()], MOST_MESSAGES)
    return turn


async def _taken(
    transaction: Transaction, places: Sequence[_AnyRow], most_messages: int
) -> list[Turn]:
    """Make or resume the turns of claimed conversations, and read what they answer."""
    if not places:
        return []
    turn_ids, histories = await _turns_of(transaction, places)
    contents = await transaction.execute(
        _CONTENTS, {**_named(places, turn_ids), "most_messages": most_messages}
    )
    by_turn: defaultdict[int, list[_AnyRow]] = defaultdict(list)
    for row in contents.all():
        by_turn[row.turn_id].append(row)
    return [
        _turn(place, histories[place.id], by_turn[turn_ids[place.id]])
        for place in places
    ]


async def _turns_of(
    transaction: Transaction, places: Sequence[_AnyRow]
) -> tuple[dict[int, int], dict[int, int]]:
    """Return each conversation's turn and history, made where there is none yet."""
    resumed = {place.id: place.turn_id for place in places if place.turn_id}
    if resumed:
        await transaction.execute(_MARK_RUNNING, _named(places, resumed))
    fresh = [place for place in places if not place.turn_id]
    histories = {
        place.id: place.assistant_thread_id
        for place in places
        if place.assistant_thread_id
    }
    if fresh:
        histories |= await _new_histories(transaction, fresh)
        resumed |= await _new_turns(transaction, fresh)
    return resumed, histories


async def _new_histories(
    transaction: Transaction, places: Sequence[_AnyRow]
) -> dict[int, int]:
    without = [place for place in places if not place.assistant_thread_id]
    if not without:
        return {}
    made = await transaction.execute(
        _NEW_THREADS, [{"team_id": place.team_id} for place in without]
    )
    begun = list(zip(without, made.scalars(), strict=True))
    await transaction.execute(
        _BEGIN_HISTORY,
        [
            {"its_team": place.team_id, "its_id": place.id, "its_history": history}
            for place, history in begun
        ],
    )
    return {place.id: history for place, history in begun}


async def _new_turns(
    transaction: Transaction, places: Sequence[_AnyRow]
) -> dict[int, int]:
    made = await transaction.execute(
        _NEW_TURNS,
        [
            {
                "team_id": place.team_id,
                "conversation_id": place.id,
                "first_seq": place.taken_seq + 1,
                "last_seq": place.last_seq,
                "state": TurnState.RUNNING.value,
                "attempt": 0,
            }
            for place in places
        ],
    )
    turn_ids = dict(zip((place.id for place in places), made.scalars(), strict=True))
    await transaction.execute(_TAKE, _named(places, turn_ids))
    await transaction.execute(_MARK_TAKEN, _named(places, turn_ids))
    return turn_ids


def _named(places: Sequence[_AnyRow], turn_ids: dict[int, int]) -> dict[str, Any]:
    return {
        "team_ids": list({place.team_id for place in places}),
        "turn_ids": list(turn_ids.values()),
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
            epoch=place.epoch,
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
