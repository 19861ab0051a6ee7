"""A conversation's row, held by one transaction: found, changed under lock, settled."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import ChannelKind, Follow, Outcome, SlackThread, Surface
from app.storage.database import Database, Transaction
from app.storage.policy import ConversationFacts
from app.storage.tables import conversations, inbox
from app.storage.wakeup import TELL_IF_READY, TELL_IF_RUNNING

# Who counts is one person, or more than one.
_MOST_HUMANS = 2

_COLUMNS = (
    conversations.c.id,
    conversations.c.team_id,
    conversations.c.assistant_thread_id,
    conversations.c.state,
    conversations.c.inbox_seq,
    conversations.c.wanted_seq,
    conversations.c.taken_seq,
    conversations.c.turn_id,
    conversations.c.follow,
    conversations.c.humans,
    conversations.c.late_seq,
    conversations.c.surface,
)

_IS_THREAD = (
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.channel_id == bindparam("channel_id"),
    conversations.c.thread_ts == bindparam("thread_ts"),
)
_EXISTS = select(conversations.c.id).where(*_IS_THREAD)
_HOLD_THREAD = select(*_COLUMNS).where(*_IS_THREAD).with_for_update()
_HOLD = (
    select(*_COLUMNS)
    .where(
        conversations.c.team_id == bindparam("team_id"),
        conversations.c.id == bindparam("conversation_id"),
    )
    .with_for_update()
)
_NEW = insert(conversations).values(taken_seq=0, epoch=0, ready_at=Database.now)
_FOUND = _NEW.on_conflict_do_nothing().returning(conversations.c.id, TELL_IF_READY)
# DO UPDATE, not DO NOTHING: it returns the row and holds it, new or not.
_OPEN = _NEW.on_conflict_do_update(
    index_elements=["team_id", "channel_id", "thread_ts"],
    set_={"channel_kind": _NEW.excluded.channel_kind},
).returning(*_COLUMNS)

_LAST_WANTED = select(func.max(inbox.c.seq)).where(
    inbox.c.team_id == bindparam("team_id"),
    inbox.c.conversation_id == bindparam("conversation_id"),
    inbox.c.seq > bindparam("taken_seq"),
    inbox.c.wanted,
    inbox.c.outcome == Outcome.WAITING.value,
)

_LAST_LATE = select(func.max(inbox.c.seq)).where(
    inbox.c.team_id == bindparam("team_id"),
    inbox.c.conversation_id == bindparam("conversation_id"),
    inbox.c.deleted_at.is_(None),
    inbox.c.outcome == Outcome.LATE.value,
)

_SETTLE = (
    update(conversations)
    .where(
        conversations.c.team_id == bindparam("its_team"),
        conversations.c.id == bindparam("its_id"),
    )
    .values(
        state=bindparam("its_state"),
        inbox_seq=bindparam("its_inbox_seq"),
        wanted_seq=bindparam("its_wanted_seq"),
        follow=bindparam("its_follow"),
        humans=bindparam("its_humans"),
        late_seq=bindparam("its_late_seq"),
        ready_at=case(
            (bindparam("becomes_ready"), Database.now), else_=conversations.c.ready_at
        ),
    )
    .returning(case((bindparam("becomes_ready"), TELL_IF_READY), else_=TELL_IF_RUNNING))
)


@dataclass(slots=True, kw_only=True)
class Place:
    """A conversation as one transaction sees and changes it; nobody else can.

    `has_company` once a second person has joined in this very transaction, `is_woken`
    once somebody has decided what its suspended turn waits for.
    """

    conversation_id: int
    team_id: str
    assistant_thread_id: int | None
    state: str
    inbox_seq: int
    wanted_seq: int
    taken_seq: int
    turn_id: int | None
    follow: Follow
    humans: tuple[str, ...]
    late_seq: int = 0
    surface: Surface = Surface.SLACK
    has_company: bool = False
    is_woken: bool = False

    @property
    def facts(self) -> ConversationFacts:
        """What the answering policy needs to know."""
        return ConversationFacts(
            exists=max(self.wanted_seq, self.late_seq) > 0,
            is_busy=self.state != "idle",
            follow=self.follow,
            humans=self.humans,
        )

    @property
    def is_ready(self) -> bool:
        """Whether a process may claim it."""
        return self.state == "ready"

    @property
    def is_running(self) -> bool:
        """Whether a turn of it is going on."""
        return self.state == "running"

    @property
    def is_suspended(self) -> bool:
        """Whether a turn of it waits for a person."""
        return self.state == "suspended"

    def next_seq(self) -> int:
        """Return the number of one more message."""
        self.inbox_seq += 1
        return self.inbox_seq

    def want(self, seq: int) -> None:
        """Have the message with this number answered."""
        self.wanted_seq = max(self.wanted_seq, seq)

    def meet(self, user_id: str) -> None:
        """Count somebody who wrote here, and note when there are several by now."""
        if user_id not in self.humans and len(self.humans) < _MOST_HUMANS:
            self.humans = (*self.humans, user_id)
            self.has_company = len(self.humans) == _MOST_HUMANS

    def part_with(self, user_ids: Collection[str]) -> None:
        """Count these people no longer."""
        self.humans = tuple(each for each in self.humans if each not in user_ids)

    def leave(self) -> None:
        """Take no part any more, unless somebody has asked anew by now."""
        if self.wanted_seq <= self.taken_seq:
            self.wanted_seq, self.late_seq, self.humans = 0, 0, ()

    async def recount(self, transaction: Transaction) -> None:
        """See anew which message is the last that still wants an answer."""
        its = {"team_id": self.team_id, "conversation_id": self.conversation_id}
        last = await transaction.execute(
            _LAST_WANTED, {**its, "taken_seq": self.taken_seq}
        )
        self.wanted_seq = last.scalar_one() or min(self.wanted_seq, self.taken_seq)
        if self.late_seq:
            last = await transaction.execute(_LAST_LATE, its)
            self.late_seq = last.scalar_one() or 0

    async def settle(self, transaction: Transaction) -> None:
        """Write the row: ready exactly when something is wanted and nothing runs."""
        becomes_ready = self._come_to_rest()
        await transaction.execute(
            _SETTLE,
            {
                "its_team": self.team_id,
                "its_id": self.conversation_id,
                "its_state": self.state,
                "its_inbox_seq": self.inbox_seq,
                "its_wanted_seq": self.wanted_seq,
                "its_follow": self.follow.value,
                "its_humans": list(self.humans),
                "its_late_seq": self.late_seq,
                "becomes_ready": becomes_ready,
            },
        )

    async def found(
        self, transaction: Transaction, thread: SlackThread, kind: ChannelKind
    ) -> bool:
        """Write a new row, settled; false, with nothing written, if there is one."""
        self._come_to_rest()
        made = await transaction.execute(
            _FOUND, {**_keys(thread), "channel_kind": kind.value, **self.values}
        )
        conversation_id = made.scalar_one_or_none()
        self.conversation_id = conversation_id or 0
        return conversation_id is not None

    def _come_to_rest(self) -> bool:
        # Elsewhere than in Slack only the request that waits may claim it.
        is_wanted = self.wanted_seq > self.taken_seq and self.surface is Surface.SLACK
        if self.is_woken or (self.state == "idle" and is_wanted):
            self.state = "ready"
            return True
        if self.is_ready and not self.turn_id and self.wanted_seq <= self.taken_seq:
            self.state = "idle"
        return False

    @property
    def values(self) -> dict[str, Any]:
        """The columns that taking in a message changes."""
        return {
            "state": self.state,
            "inbox_seq": self.inbox_seq,
            "wanted_seq": self.wanted_seq,
            "follow": self.follow.value,
            "humans": list(self.humans),
        }


def new_place(team_id: str) -> Place:
    """Return a conversation as it is before anything was said, not yet written."""
    return Place(
        conversation_id=0,
        team_id=team_id,
        assistant_thread_id=None,
        state="idle",
        inbox_seq=0,
        wanted_seq=0,
        taken_seq=0,
        turn_id=None,
        follow=Follow.AUTOMATIC,
        humans=(),
    )


async def has_place(transaction: Transaction, thread: SlackThread) -> bool:
    """Whether a conversation was ever opened in the thread."""
    found = await transaction.execute(_EXISTS, _keys(thread))
    return found.first() is not None


async def open_place(
    transaction: Transaction, thread: SlackThread, kind: ChannelKind
) -> Place:
    """Hold the thread's conversation, made if there is none."""
    nothing = new_place(thread.team_id).values
    opened = await transaction.execute(
        _OPEN, {**_keys(thread), "channel_kind": kind.value, **nothing}
    )
    return _place(opened.one())


async def hold_thread(transaction: Transaction, thread: SlackThread) -> Place | None:
    """Hold the thread's conversation, if there is one."""
    held = (await transaction.execute(_HOLD_THREAD, _keys(thread))).first()
    return _place(held) if held is not None else None


async def hold_place(
    transaction: Transaction, team_id: str, conversation_id: int
) -> Place:
    """Hold a conversation that exists."""
    held = await transaction.execute(
        _HOLD, {"team_id": team_id, "conversation_id": conversation_id}
    )
    return _place(held.one())


def _keys(thread: SlackThread) -> dict[str, Any]:
    return {
        "team_id": thread.team_id,
        "channel_id": thread.channel_id,
        "thread_ts": thread.thread_ts,
    }


def _place(row: Row[*tuple[Any, ...]]) -> Place:
    return Place(
        conversation_id=row.id,
        team_id=row.team_id,
        assistant_thread_id=row.assistant_thread_id,
        state=row.state,
        inbox_seq=row.inbox_seq,
        wanted_seq=row.wanted_seq,
        taken_seq=row.taken_seq,
        turn_id=row.turn_id,
        follow=Follow(row.follow),
        humans=tuple(row.humans),
        late_seq=row.late_seq,
        surface=Surface(row.surface),
    )
