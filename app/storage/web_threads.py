"""Threads of the web surface: made, written to, and claimed by id.

A message waits for as long as the process lives that holds its request. Nothing there
is ever ready, so no claim that looks at the whole queue meets it.
"""

import re
import secrets
from dataclasses import dataclass

from sqlalchemy import bindparam, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import ChannelKind, Follow, Outcome, Surface, Turn
from app.errors import LeaseLost
from app.storage.claims import claim_up_to
from app.storage.database import Database, Transaction
from app.storage.places import hold_place
from app.storage.tables import conversations, inbox, workers

# Who writes there: the token says which program, not which person.
AUTHOR = "web"

_FIND = select(conversations.c.id).where(
    conversations.c.team_id == bindparam("team_id"),
    conversations.c.surface == Surface.WEB.value,
    conversations.c.place == bindparam("place"),
)
_MAKE = (
    insert(conversations)
    .values(
        surface=Surface.WEB.value,
        channel_kind=ChannelKind.IM.value,
        state="idle",
        inbox_seq=0,
        wanted_seq=0,
        taken_seq=0,
        epoch=0,
        ready_at=Database.now,
        follow=Follow.ALWAYS.value,
        humans=[],
    )
    .returning(conversations.c.id)
)
_ADD = insert(inbox).values(
    author_id=AUTHOR,
    edits_only=False,
    mentioned=True,
    wanted=True,
    files=[],
    outcome=Outcome.WAITING.value,
)

_IS_WAITING = (
    inbox.c.team_id == bindparam("its_team"),
    inbox.c.conversation_id == bindparam("its_conversation"),
    inbox.c.wanted,
    inbox.c.outcome == Outcome.WAITING.value,
)
_IS_HELD = exists().where(
    workers.c.id == inbox.c.held_by, workers.c.expires_at > Database.now
)
_DROPPED = {"outcome": Outcome.DROPPED.value, "outcome_by": AUTHOR}
_DROP_LOST = (
    update(inbox)
    .where(
        *_IS_WAITING,
        inbox.c.seq > bindparam("taken_seq"),
        inbox.c.seq < bindparam("its_seq"),
        ~_IS_HELD,
    )
    .values(_DROPPED)
)
_DROP = (update(inbox).where(*_IS_WAITING, inbox.c.seq == bindparam("its_seq"))).values(
    _DROPPED
)
_LINE = (
    select(inbox.c.seq)
    .where(
        *_IS_WAITING,
        inbox.c.seq > bindparam("taken_seq"),
        inbox.c.seq <= bindparam("its_seq"),
    )
    .order_by(inbox.c.seq)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebMessage:
    """A message of a thread of the web surface; `thread_id` is what its client knows.

    `message_id` is unlike that of any other message, in whichever thread.
    """

    team_id: str
    conversation_id: int
    thread_id: str
    seq: int

    @property
    def message_id(self) -> str:
        """The id by which the client knows the message."""
        return f"user_{self.conversation_id}_{self.seq}"


class WebThreads:
    """What is said on the web surface; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, team_id: str) -> None:
        self._database = database
        self._team_id = team_id

    async def add(
        self, thread_id: str | None, text: str, held_by: str
    ) -> WebMessage | None:
        """Add a message that the process `held_by` waits with, to a new thread or not.

        None, with nothing written, when there is no such thread of this surface.
        """
        async with self._database.write() as transaction:
            if thread_id is None:
                thread_id = f"thread_{secrets.token_hex(16)}"
                conversation_id = await self._make(transaction, thread_id)
            else:
                found = await self._find(transaction, thread_id)
                if found is None:
                    return None
                conversation_id = found
            place = await hold_place(transaction, self._team_id, conversation_id)
            message = WebMessage(
                team_id=self._team_id,
                conversation_id=conversation_id,
                thread_id=thread_id,
                seq=place.next_seq(),
            )
            await transaction.execute(_ADD, _row(message, text, held_by))
            place.want(message.seq)
            await place.settle(transaction)
            return message

    async def claim(self, message: WebMessage, worker_id: str) -> Turn | None:
        """Take the turn that answers this one message; None while it must wait.

        It waits for the turn under way and for older messages whose processes live.
        The caller must have a live lease. Raises LeaseLost once the message was
        dropped, because the process seemed to be dead for a while.
        """
        async with self._database.write() as transaction:
            place = await hold_place(
                transaction, message.team_id, message.conversation_id
            )
            if place.is_running:
                return None
            its = {**_of(message), "taken_seq": place.taken_seq}
            await transaction.execute(_DROP_LOST, its)
            line = list((await transaction.execute(_LINE, its)).scalars())
            if message.seq not in line:
                raise LeaseLost(f"message {message.message_id} was dropped")
            if line[0] != message.seq:
                return None
            return await claim_up_to(transaction, worker_id, place, message.seq)

    async def drop(self, message: WebMessage) -> None:
        """Take back a message that nobody has begun to answer."""
        async with self._database.write() as transaction:
            place = await hold_place(
                transaction, message.team_id, message.conversation_id
            )
            if message.seq > place.taken_seq:
                await transaction.execute(_DROP, _of(message))
                await place.recount(transaction)
                await place.settle(transaction)

    async def _find(self, transaction: Transaction, thread_id: str) -> int | None:
        found = await transaction.execute(
            _FIND, {"team_id": self._team_id, "place": thread_id}
        )
        return found.scalar_one_or_none()

    async def _make(self, transaction: Transaction, thread_id: str) -> int:
        # Slack's own columns can't be empty; no channel of Slack's is called so.
        made = await transaction.execute(
            _MAKE,
            {
                "team_id": self._team_id,
                "place": thread_id,
                "channel_id": thread_id,
                "thread_ts": "1",
            },
        )
        return int(made.scalar_one())


def is_thread_id(text: str) -> bool:
    """Whether a thread could have this id."""
    return re.fullmatch("thread_[0-9a-f]{32}", text) is not None


def _of(message: WebMessage) -> dict[str, object]:
    return {
        "its_team": message.team_id,
        "its_conversation": message.conversation_id,
        "its_seq": message.seq,
    }


def _row(message: WebMessage, text: str, held_by: str) -> dict[str, object]:
    return {
        "team_id": message.team_id,
        "channel_id": message.thread_id,
        "ts": str(message.seq),
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "text": text,
        "held_by": held_by,
    }
