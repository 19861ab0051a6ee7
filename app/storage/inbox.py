"""The inbox: each message once, under its conversation's lock, before the ack.

Slack delivers at least once and in any order: a mention comes as two events, an edit
may overtake its message, a removal both. One row per (team, channel, ts) absorbs all
of that; what is left is a number in the conversation's line, and whether that number
wants an answer.
"""

from dataclasses import dataclass, replace

from sqlalchemy import bindparam, func, select, update

from app.crash import crash
from app.domain import (
    REPLY_DELETED,
    ChannelKind,
    DeletedMessage,
    DeletedReply,
    Follow,
    IncomingMessage,
    Outcome,
    Person,
    Refusal,
    SessionStop,
    SlackThread,
    StopRequest,
)
from app.storage.aims import is_meant_for_turn, is_pointless, is_said_of_turn
from app.storage.company import note_company
from app.storage.database import Database, Transaction
from app.storage.doubts import wake_suspended
from app.storage.entries import (
    Entry,
    bury,
    drop_waiting,
    entry_of,
    erase_entry,
    find_entry,
    find_twin,
    insert_entry,
    save_entry,
    says_nothing_new,
    without_marks,
)
from app.storage.history import erase_text
from app.storage.late_notes import offer, withdraw
from app.storage.places import (
    Place,
    has_place,
    hold_place,
    hold_thread,
    new_place,
    open_place,
)
from app.storage.policy import (
    Answer,
    AnswerPolicy,
    ConversationFacts,
    FollowWord,
    Ignore,
    Overhear,
    Refuse,
    StopWord,
    Timing,
    Verdict,
    decide,
    timing,
)
from app.storage.tables import turns

_NOW = select(Database.now)
_TURN = select(turns.c.conversation_id).where(
    turns.c.team_id == bindparam("team_id"), turns.c.id == bindparam("turn_id")
)
_STOP = (
    update(turns)
    .where(turns.c.team_id == bindparam("its_team"), turns.c.id == bindparam("its_id"))
    .values(stop_by=func.coalesce(turns.c.stop_by, bindparam("by")))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of a message, committed.

    `stored`: a row was written or changed. `ready_conversation_id`: it can be claimed
    now. `running_conversation_id`: a turn is going on there, so others may wait for
    it. `stop`: that turn is to end now, by the word stop or as its question is gone.
    `refused`: the author is to be told, this once. `follow`: what the thread's
    answering was set to.
    `needs_mentions`: its author is the second to write there, so that from now on only
    mentions are answered. `wanted`: it is to be answered itself. `late`: the thread is
    to be told that something there came late.
    `is_held_up`: it is the first to wait until people have decided something there.
    """

    thread: SlackThread
    stored: bool = False
    ready_conversation_id: int | None = None
    running_conversation_id: int | None = None
    stop: StopRequest | None = None
    refused: Refusal | None = None
    follow: Follow | None = None
    needs_mentions: bool = False
    wanted: bool = False
    late: bool = False
    is_held_up: bool = False


class _KnownElsewhereError(Exception):
    """The message is in the inbox already, in another thread than it claims."""


class Inbox:
    """Takes in what Slack says of messages; when a method returns, it is committed.

    All of them may be called again with the same, in any order, without harm, and
    raise DatabaseUnavailable when nothing was kept.
    """

    def __init__(self, database: Database, policy: AnswerPolicy) -> None:
        self._database = database
        self._policy = policy

    async def add(self, message: IncomingMessage, person: Person | None) -> Added:
        """Add a message, or one more version of it; `person` if its author is known.

        What is neither for the bot nor in a thread it takes part in writes nothing.
        """
        anywhere = decide(message, ConversationFacts(), person, self._policy)
        if not isinstance(anywhere, Ignore):
            try:
                async with self._database.write() as transaction:
                    added = await self._add_ours(transaction, message, person, anywhere)
                    crash("C0")
                    return added
            except _KnownElsewhereError:
                return Added(thread=message.thread)
        # A plain message: most threads are none of ours, and a look needs no lock.
        async with self._database.read() as transaction:
            if not await has_place(transaction, message.thread):
                return Added(thread=message.thread)
        async with self._database.write() as transaction:
            held = await hold_thread(transaction, message.thread)
            if held is None:
                return Added(thread=message.thread)
            added = await self._add(transaction, held, message, person)
            crash("C0")
            return added

    async def delete(self, message: DeletedMessage) -> Added:
        """Erase a message's text here and in the history; it is not answered any more.

        A removal that comes before its message keeps that message out, where the
        message would have been ours. A turn that answers nothing else is to end.
        """
        stop = None
        async with self._database.write() as transaction:
            place = await _place_of(transaction, message)
            if place is None:
                return Added(thread=_thread(message))
            entry = await find_entry(
                transaction, message.team_id, message.channel_id, message.ts
            )
            if entry is None:
                await bury(transaction, place, message)
            elif entry.is_deleted:
                return _unchanged(place, _thread(message))
            else:
                await erase_entry(transaction, place, entry)
                await erase_text(transaction, place, message.ts)
                await place.recount(transaction)
                if entry.is_late and not place.late_seq:
                    await withdraw(transaction, place)
                if entry.wanted and await is_pointless(transaction, place, entry.seq):
                    stop = await _stop(transaction, place, stopped_by="")
            await place.settle(transaction)
        await self._database.scrub()
        return replace(_unchanged(place, _thread(message)), stored=True, stop=stop)

    async def request_stop(self, team_id: str, turn_id: int, stopped_by: str) -> bool:
        """Ask that a turn ends; false when it is not the one going on there."""
        async with self._database.write() as transaction:
            found = await transaction.execute(
                _TURN, {"team_id": team_id, "turn_id": turn_id}
            )
            conversation_id = found.scalar_one_or_none()
            if conversation_id is None:
                return False
            place = await hold_place(transaction, team_id, conversation_id)
            if place.turn_id != turn_id:
                return False
            await _stop(transaction, place, stopped_by)
            await place.settle(transaction)
            return True

    async def stop_by_sign(
        self, sign: SessionStop | DeletedReply
    ) -> StopRequest | None:
        """Ask that the turn ends that the sign is about; None if that is over."""
        async with self._database.write() as transaction:
            place = await hold_thread(transaction, sign.thread)
            if place is None or place.turn_id is None:
                return None
            if not await is_meant_for_turn(transaction, place, sign):
                return None
            by = sign.user_id if isinstance(sign, SessionStop) else REPLY_DELETED
            stop = await _stop(transaction, place, by)
            await place.settle(transaction)
            return stop

    async def _add_ours(
        self,
        transaction: Transaction,
        message: IncomingMessage,
        person: Person | None,
        anywhere: Verdict,
    ) -> Added:
        """Add what is for the bot wherever it is said."""
        thread = message.thread
        if not message.in_thread:
            # Nearly always this begins a thread, or is the twin of what began it.
            added = await _begin(transaction, message, anywhere)
            added = added or await _skip_twin(transaction, message)
            if added:
                return added
        place = await open_place(transaction, thread, message.channel_kind)
        return await self._add(transaction, place, message, person)

    async def _add(
        self,
        transaction: Transaction,
        place: Place,
        message: IncomingMessage,
        person: Person | None,
    ) -> Added:
        verdict = decide(message, place.facts, person, self._policy)
        if isinstance(verdict, Ignore):
            return _unchanged(place, message.thread)
        entry = entry_of(place, message, place.inbox_seq + 1)
        entry.judge(verdict)
        came_at = await insert_entry(transaction, place, message, entry)
        if came_at is None:
            return await self._merge(transaction, place, message, person)
        place.inbox_seq = entry.seq
        follow = place.follow
        added = await _follow_through(transaction, place, message, verdict, entry.seq)
        age = came_at - _asked_at(message)
        return await _in_time(transaction, place, entry, age, added, before=follow)

    async def _merge(
        self,
        transaction: Transaction,
        place: Place,
        message: IncomingMessage,
        person: Person | None,
    ) -> Added:
        entry = await find_twin(transaction, place, message)
        if entry is None or entry.is_closed:
            return _unchanged(place, message.thread)
        before = replace(entry)
        # A late one may yet be asked for, as it reads then.
        is_taken = entry.seq <= place.taken_seq and not entry.is_late
        entry.merge(entry_of(place, message, entry.seq), is_taken=is_taken)
        verdict: Verdict = Overhear()
        # As first sent after all, or mentioning the bot after all: decided anew.
        is_more = entry.mentioned > before.mentioned or (
            entry.edits_only < before.edits_only
        )
        if is_more and not entry.wanted:
            known = replace(message, text=entry.text, mentioned=entry.mentioned)
            verdict = decide(known, place.facts, person, self._policy)
        is_wanted_now = not isinstance(verdict, Overhear | Ignore)
        if is_wanted_now and is_taken:
            entry.seq = place.next_seq()
        entry.judge(verdict)
        if entry != before:
            await save_entry(transaction, place, entry)
        if is_wanted_now:
            follow = place.follow
            added = await _follow_through(
                transaction, place, message, verdict, entry.seq
            )
            age = await _age_of_edit(transaction, message)
            return await _in_time(transaction, place, entry, age, added, before=follow)
        return replace(
            _unchanged(place, message.thread),
            stored=without_marks(entry) != without_marks(before),
        )


async def _begin(
    transaction: Transaction, message: IncomingMessage, verdict: Verdict
) -> Added | None:
    """Store the first message of a new thread; None, and nothing, if it is not new."""
    place = new_place(message.thread.team_id)
    entry = entry_of(place, message, place.next_seq())
    entry.judge(verdict)
    _count_in(place, message, verdict, entry.seq)
    if not await place.found(transaction, message.thread, message.channel_kind):
        return None
    came_at = await insert_entry(transaction, place, message, entry)
    if came_at is None:
        raise _KnownElsewhereError
    added = _added(place, message, verdict, None)
    age = came_at - _asked_at(message)
    follow = Follow.AUTOMATIC
    return await _in_time(transaction, place, entry, age, added, before=follow)


async def _in_time(
    transaction: Transaction,
    place: Place,
    entry: Entry,
    age: float,
    added: Added,
    *,
    before: Follow,
) -> Added:
    """Leave unanswered what was asked for so many seconds before it came, if late.

    The thread then goes on to be answered as it was before.
    """
    judged = timing(age)
    if judged is Timing.IN_TIME:
        return added
    if not added.wanted:
        # It would come as a surprise by now.
        return replace(added, refused=None)
    place.follow = before
    await _leave(transaction, place, entry)
    if judged is Timing.LATE:
        await offer(transaction, place)
    left = _unchanged(place, added.thread)
    return replace(left, stored=True, late=judged is Timing.LATE)


async def _age_of_edit(transaction: Transaction, message: IncomingMessage) -> float:
    """How long ago a known message was asked for anew: by an edit, or just now."""
    if message.edited_ts is None:
        return 0.0
    now: float = (await transaction.execute(_NOW)).scalar_one()
    return now - _asked_at(message)


def _asked_at(message: IncomingMessage) -> float:
    return float(message.edited_ts or message.ts)


async def _leave(transaction: Transaction, place: Place, entry: Entry) -> None:
    entry.outcome = Outcome.LATE.value
    await save_entry(transaction, place, entry)
    place.late_seq = max(place.late_seq, entry.seq)
    await place.recount(transaction)
    await place.settle(transaction)


async def _skip_twin(
    transaction: Transaction, message: IncomingMessage
) -> Added | None:
    """Return without a lock what needs none: a message that says nothing new."""
    thread = message.thread
    entry = await find_entry(transaction, thread.team_id, thread.channel_id, message.ts)
    if entry is None:
        return None
    version = entry_of(new_place(thread.team_id), message, entry.seq)
    return Added(thread=thread) if says_nothing_new(entry, version) else None


async def _place_of(transaction: Transaction, message: DeletedMessage) -> Place | None:
    """Hold the conversation that a removed message belongs to, or would have."""
    entry = await find_entry(
        transaction, message.team_id, message.channel_id, message.ts
    )
    if entry is not None:
        return await hold_place(transaction, message.team_id, entry.conversation_id)
    is_direct = message.channel_id.startswith("D")
    if is_direct or message.mentioned:
        kind = ChannelKind.IM if is_direct else ChannelKind.CHANNEL
        return await open_place(transaction, _thread(message), kind)
    return await hold_thread(transaction, _thread(message))


async def _follow_through(
    transaction: Transaction,
    place: Place,
    message: IncomingMessage,
    verdict: Verdict,
    seq: int,
) -> Added:
    """Do what the verdict on a message means for its conversation."""
    stop = None
    waits_for_nothing_else = place.wanted_seq <= place.taken_seq
    if isinstance(verdict, StopWord):
        said_at = _asked_at(message)
        await drop_waiting(transaction, place, message.author_id, said_at)
        # Told late, it must not end what was asked for after it.
        if await is_said_of_turn(transaction, place, said_at):
            stop = await _stop(transaction, place, message.author_id)
    _count_in(place, message, verdict, seq)
    await place.settle(transaction)
    added = _added(place, message, verdict, stop)
    if added.needs_mentions:
        await note_company(transaction, place, seq)
    is_held_up = place.is_suspended and added.wanted and waits_for_nothing_else
    return replace(added, is_held_up=is_held_up)


def _count_in(
    place: Place, message: IncomingMessage, verdict: Verdict, seq: int
) -> None:
    if isinstance(verdict, Answer | FollowWord):
        place.want(seq)
    if isinstance(verdict, FollowWord):
        place.follow = verdict.follow
    if place.facts.exists and not isinstance(verdict, Refuse) and not message.from_bot:
        place.meet(message.author_id)


def _added(
    place: Place, message: IncomingMessage, verdict: Verdict, stop: StopRequest | None
) -> Added:
    return replace(
        _unchanged(place, message.thread),
        stored=True,
        stop=stop,
        refused=verdict.refusal if isinstance(verdict, Refuse) else None,
        follow=verdict.follow if isinstance(verdict, FollowWord) else None,
        needs_mentions=place.has_company and place.follow is Follow.AUTOMATIC,
        wanted=isinstance(verdict, Answer | FollowWord),
    )


async def _stop(
    transaction: Transaction, place: Place, stopped_by: str
) -> StopRequest | None:
    if place.turn_id is None:
        return None
    await transaction.execute(
        _STOP, {"its_team": place.team_id, "its_id": place.turn_id, "by": stopped_by}
    )
    stop = StopRequest(turn_id=place.turn_id, stopped_by=stopped_by)
    # Nobody runs it: whoever takes it up ends it, and tells people so.
    await wake_suspended(transaction, place)
    return stop


def _unchanged(place: Place, thread: SlackThread) -> Added:
    return Added(
        thread=thread,
        ready_conversation_id=place.conversation_id if place.is_ready else None,
        running_conversation_id=place.conversation_id if place.is_running else None,
    )


def _thread(message: DeletedMessage) -> SlackThread:
    return SlackThread(
        team_id=message.team_id,
        channel_id=message.channel_id,
        thread_ts=message.thread_ts or message.ts,
    )
