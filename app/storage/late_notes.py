"""The line in a thread that says that something there came late, and its button.

What is to be shown is committed first: a note is due while Slack does not show yet
what its state says. One process at a time brings one note up to date.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import bindparam, case, exists, func, insert, or_, select, update

from app.domain import Outcome, SlackThread
from app.storage.database import Database, Transaction
from app.storage.places import Place, hold_place
from app.storage.policy import PAST_AFTER, follow_word
from app.storage.tables import absences, conversations, inbox, late_notes, workers

# A note this young, made since we are back, also speaks for what is found late now.
_SPEAKS_FOR = 3600.0


class NoteState(StrEnum):
    """What people are to see: the offer, who took it up, or no note at all."""

    OFFERED = "offered"
    ASKED = "asked"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateNote:
    """A note that one process holds, to bring it up to date in Slack.

    `made_at` is when it was decided, in seconds since 1970. `ts` is None while nobody
    knows of a post; `attempts` counts who has begun to post it, this process included
    if it is to be posted now.
    """

    note_id: int
    thread: SlackThread
    post_key: str
    state: NoteState
    ts: str | None
    asked_by: str | None
    made_at: float
    attempts: int

    @property
    def may_be_posted(self) -> bool:
        """Whether somebody has begun to post it without telling how that ended."""
        return self.attempts > int(self.state is NoteState.OFFERED)


@dataclass(frozen=True, slots=True)
class Asked:
    """A click was the first: its thread's late messages are wanted again."""

    conversation_id: int
    is_ready: bool


@dataclass(frozen=True, slots=True)
class AskedAlready:
    """Somebody has clicked before."""


@dataclass(frozen=True, slots=True)
class NothingLeft:
    """Whatever the button was made for is not there any more."""


Answered = Asked | AskedAlready | NothingLeft

_BACK_AT = select(func.max(absences.c.back_at)).scalar_subquery()
_ITS_NOTES = (
    late_notes.c.team_id == bindparam("its_team"),
    late_notes.c.conversation_id == bindparam("its_conversation"),
)
_SPEAKING = select(late_notes.c.id).where(
    *_ITS_NOTES,
    late_notes.c.state == NoteState.OFFERED.value,
    late_notes.c.made_at > Database.now - _SPEAKS_FOR,
    late_notes.c.made_at >= func.coalesce(_BACK_AT, 0.0),
)
_NOTE = insert(late_notes).values(
    state=NoteState.OFFERED.value,
    made_at=Database.now,
    due_at=Database.now,
    attempts=0,
)
_WITHDRAW = (
    update(late_notes)
    .where(*_ITS_NOTES, late_notes.c.state == NoteState.OFFERED.value)
    .values(state=NoteState.WITHDRAWN.value, due_at=Database.now)
)
_ASK = (
    update(late_notes)
    .where(*_ITS_NOTES, late_notes.c.state == NoteState.OFFERED.value)
    .values(state=NoteState.ASKED.value, asked_by=bindparam("by"), due_at=Database.now)
)

_HAS_LIVE_OWNER = exists().where(
    workers.c.id == late_notes.c.owner, workers.c.expires_at > Database.now
)
# Who asked last waits most likely still.
_DUE = (
    select(late_notes.c.id)
    .where(
        late_notes.c.due_at <= Database.now,
        late_notes.c.made_at > Database.now - PAST_AFTER,
        or_(
            late_notes.c.owner.is_(None),
            # What this process has once begun and not brought to an end.
            late_notes.c.owner == bindparam("worker_id"),
            ~_HAS_LIVE_OWNER,
        ),
    )
    .order_by(late_notes.c.made_at.desc(), late_notes.c.id.desc())
    .limit(1)
    .with_for_update(skip_locked=True)
    .cte("notes_due")
    .prefix_with("MATERIALIZED", dialect="postgresql")
)
_TAKE = (
    update(late_notes)
    .where(late_notes.c.id.in_(select(_DUE.c.id)))
    .values(
        owner=bindparam("worker_id"),
        attempts=late_notes.c.attempts
        + case((late_notes.c.state == NoteState.OFFERED.value, 1), else_=0),
    )
    .returning(
        late_notes.c.id,
        late_notes.c.team_id,
        late_notes.c.conversation_id,
        late_notes.c.post_key,
        late_notes.c.state,
        late_notes.c.made_at,
        late_notes.c.attempts,
        late_notes.c.ts,
        late_notes.c.asked_by,
    )
)
_THREAD = select(conversations.c.channel_id, conversations.c.thread_ts).where(
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.id == bindparam("conversation_id"),
)
_IS_HELD = (
    late_notes.c.team_id == bindparam("its_team"),
    late_notes.c.id == bindparam("its_id"),
    late_notes.c.owner == bindparam("worker_id"),
)
_IS_AS_SHOWN = late_notes.c.state == bindparam("shown")
_SHOWN = (
    update(late_notes)
    .where(*_IS_HELD)
    .values(
        ts=bindparam("its_ts"),
        owner=None,
        # A click or a removal may have come while the note was being sent.
        due_at=case((_IS_AS_SHOWN, None), else_=Database.now),
    )
)
_LATER = (
    update(late_notes)
    .where(*_IS_HELD)
    .values(owner=None, due_at=Database.now + bindparam("seconds"))
)
_GIVEN_UP = update(late_notes).where(*_IS_HELD).values(owner=None, due_at=None)

_CLICKED = select(late_notes.c.conversation_id, late_notes.c.state).where(
    late_notes.c.team_id == bindparam("team_id"),
    late_notes.c.id == bindparam("note_id"),
)
_LATE = (
    select(inbox.c.channel_id, inbox.c.ts, inbox.c.text, inbox.c.mentioned)
    .where(
        inbox.c.team_id == bindparam("team_id"),
        inbox.c.conversation_id == bindparam("conversation_id"),
        inbox.c.outcome == Outcome.LATE.value,
        inbox.c.deleted_at.is_(None),
    )
    .order_by(inbox.c.seq)
)
_WANT_AGAIN = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.channel_id == bindparam("its_channel"),
        inbox.c.ts == bindparam("its_ts"),
    )
    .values(
        seq=bindparam("its_seq"),
        outcome=Outcome.WAITING.value,
        received_at=Database.now,
    )
)


async def offer(transaction: Transaction, place: Place) -> None:
    """Have one line say in a held place that something came late, if none does."""
    its = {"its_team": place.team_id, "its_conversation": place.conversation_id}
    if (await transaction.execute(_SPEAKING, its)).first() is None:
        await offer_in(transaction, [(place.team_id, place.conversation_id)])


async def offer_in(transaction: Transaction, places: Sequence[tuple[str, int]]) -> None:
    """Have one more line said in each of the places, given by team and conversation."""
    rows = [
        {
            "team_id": team_id,
            "conversation_id": conversation_id,
            "post_key": secrets.token_hex(16),
        }
        for team_id, conversation_id in places
    ]
    if rows:
        await transaction.execute(_NOTE, rows)


async def withdraw(transaction: Transaction, place: Place) -> None:
    """Take back every line of a held place that nobody has clicked on."""
    await transaction.execute(
        _WITHDRAW,
        {"its_team": place.team_id, "its_conversation": place.conversation_id},
    )


class LateNotes:
    """The notes that are to be brought up to date, and what their buttons do."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, worker_id: str) -> LateNote | None:
        """Hold the newest note that is due, for a process with a live lease.

        Nobody else gets it before it is given back or the process is dead; the process
        holds one at a time. What is due for more than a day stays as it is.
        """
        async with self._database.write() as transaction:
            taken = await transaction.execute(_TAKE, {"worker_id": worker_id})
            note = taken.first()
            if note is None:
                return None
            found = await transaction.execute(
                _THREAD,
                {"team_id": note.team_id, "conversation_id": note.conversation_id},
            )
            place = found.one()
        return LateNote(
            note_id=note.id,
            thread=SlackThread(
                team_id=note.team_id,
                channel_id=place.channel_id,
                thread_ts=place.thread_ts,
            ),
            post_key=note.post_key,
            state=NoteState(note.state),
            ts=note.ts,
            asked_by=note.asked_by,
            made_at=note.made_at,
            attempts=note.attempts,
        )

    async def shown(self, note: LateNote, worker_id: str, ts: str | None) -> None:
        """Note that Slack shows what `note` says, as the message at `ts`."""
        async with self._database.write() as transaction:
            await transaction.execute(
                _SHOWN,
                {**_its(note, worker_id), "its_ts": ts, "shown": note.state.value},
            )

    async def later(self, note: LateNote, worker_id: str, seconds: float) -> None:
        """Give the note back, to be tried again by anybody in so many seconds."""
        async with self._database.write() as transaction:
            await transaction.execute(
                _LATER, {**_its(note, worker_id), "seconds": seconds}
            )

    async def give_up(self, note: LateNote, worker_id: str) -> None:
        """Leave what Slack shows of the note as it is."""
        async with self._database.write() as transaction:
            await transaction.execute(_GIVEN_UP, _its(note, worker_id))

    async def answer(self, team_id: str, note_id: int, asked_by: str) -> Answered:
        """Want every late message of the note's thread again, each as a new one.

        The first click on any note of a thread settles all of them.
        """
        its_id = {"team_id": team_id, "note_id": note_id}
        async with self._database.write() as transaction:
            found = (await transaction.execute(_CLICKED, its_id)).first()
            if found is None:
                return NothingLeft()
            place = await hold_place(transaction, team_id, found.conversation_id)
            # Others may have clicked until the conversation was ours.
            state = (await transaction.execute(_CLICKED, its_id)).one().state
            if state == NoteState.ASKED:
                return AskedAlready()
            if not await _want_again(transaction, place):
                await withdraw(transaction, place)
                return NothingLeft()
            await place.settle(transaction)
            its = {"its_team": team_id, "its_conversation": place.conversation_id}
            await transaction.execute(_ASK, {**its, "by": asked_by})
            return Asked(place.conversation_id, place.is_ready)


async def _want_again(transaction: Transaction, place: Place) -> bool:
    """Give the place's late messages new numbers; false when there are none.

    What they say of how the thread is answered counts from now on.
    """
    rows = await transaction.execute(
        _LATE,
        {"team_id": place.team_id, "conversation_id": place.conversation_id},
    )
    late = rows.all()
    if not late:
        return False
    numbered = [
        {
            "its_team": place.team_id,
            "its_channel": row.channel_id,
            "its_ts": row.ts,
            "its_seq": place.next_seq(),
        }
        for row in late
    ]
    await transaction.execute(_WANT_AGAIN, numbered)
    place.want(place.inbox_seq)
    place.late_seq = 0
    words = [follow_word(row.text) for row in late if row.mentioned]
    place.follow = next(filter(None, reversed(words)), place.follow)
    return True


def _its(note: LateNote, worker_id: str) -> dict[str, str | int]:
    return {
        "its_team": note.thread.team_id,
        "its_id": note.note_id,
        "worker_id": worker_id,
    }
