"""One message in the inbox, whichever of its versions came first."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Double, Row, bindparam, cast, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from app.domain import DeletedMessage, IncomingMessage, Outcome
from app.storage.database import Database, Transaction
from app.storage.places import Place
from app.storage.policy import Answer, FollowWord, Refuse, StopWord, Verdict
from app.storage.tables import inbox

# Slack itself cuts the text of a message here.
_MOST_CHARACTERS = 40_000
_MOST_FILES = 20

# No target: a message is known by its ts, or by the id that its author's client gave
# it when the client sent it twice.
_INSERT = (
    insert(inbox)
    .values(received_at=Database.now)
    .on_conflict_do_nothing()
    .returning(inbox.c.received_at)
)

_COLUMNS = (
    inbox.c.channel_id,
    inbox.c.ts,
    inbox.c.conversation_id,
    inbox.c.seq,
    inbox.c.author_id,
    inbox.c.edited_ts,
    inbox.c.edits_only,
    inbox.c.deleted_at,
    inbox.c.mentioned,
    inbox.c.wanted,
    inbox.c.text,
    inbox.c.files,
    inbox.c.outcome,
    inbox.c.outcome_by,
)
_TWINS = select(*_COLUMNS).where(
    inbox.c.team_id == bindparam("team_id"),
    inbox.c.conversation_id == bindparam("conversation_id"),
    or_(
        (inbox.c.channel_id == bindparam("channel_id"))
        & (inbox.c.ts == bindparam("ts")),
        (inbox.c.author_id == bindparam("author_id"))
        & (inbox.c.client_msg_id == bindparam("client_msg_id")),
    ),
)
_FIND = select(*_COLUMNS).where(
    inbox.c.team_id == bindparam("team_id"),
    inbox.c.channel_id == bindparam("channel_id"),
    inbox.c.ts == bindparam("ts"),
)
_IS_ENTRY = (
    inbox.c.team_id == bindparam("its_team"),
    inbox.c.channel_id == bindparam("its_channel"),
    inbox.c.ts == bindparam("its_ts"),
)
_SAVE = (
    update(inbox)
    .where(*_IS_ENTRY)
    .values(
        seq=bindparam("its_seq"),
        edited_ts=bindparam("its_edited_ts"),
        edits_only=bindparam("is_edits_only"),
        mentioned=bindparam("is_mentioned"),
        wanted=bindparam("is_wanted"),
        text=bindparam("its_text"),
        files=bindparam("its_files"),
        outcome=bindparam("its_outcome"),
        outcome_by=bindparam("its_judge"),
    )
)
_ERASE = (
    update(inbox)
    .where(*_IS_ENTRY)
    .values(
        text="",
        files=[],
        deleted_at=Database.now,
        outcome=bindparam("its_outcome"),
        outcome_by=bindparam("its_judge"),
    )
)
_BURY = _INSERT.values(deleted_at=Database.now)
_DROP = (
    update(inbox)
    .where(
        inbox.c.team_id == bindparam("its_team"),
        inbox.c.conversation_id == bindparam("its_conversation"),
        inbox.c.seq > bindparam("taken_seq"),
        inbox.c.author_id == bindparam("its_author"),
        cast(inbox.c.ts, Double) < bindparam("before"),
        inbox.c.wanted,
        inbox.c.outcome == Outcome.WAITING.value,
    )
    .values(outcome=Outcome.DROPPED.value, outcome_by=bindparam("its_author"))
)


@dataclass(slots=True, kw_only=True)
class Entry:
    """A message as the inbox has it; `edits_only` until its first version was seen."""

    channel_id: str
    ts: str
    conversation_id: int
    seq: int
    author_id: str
    edited_ts: str | None
    edits_only: bool
    mentioned: bool
    text: str
    files: list[dict[str, str]]
    is_deleted: bool = False
    wanted: bool = False
    outcome: str | None = None
    outcome_by: str | None = None

    @property
    def is_late(self) -> bool:
        """Whether it is left unanswered because it came late."""
        return self.outcome == Outcome.LATE

    @property
    def is_closed(self) -> bool:
        """Whether nothing that Slack still tells of the message matters."""
        return self.is_deleted or self.outcome in (Outcome.REFUSED, Outcome.DROPPED)

    def judge(self, verdict: Verdict) -> None:
        """Note what the message is to us."""
        match verdict:
            case Answer() | FollowWord():
                self.wanted = True
                self.outcome = Outcome.WAITING.value
            case StopWord():
                self.outcome = Outcome.DROPPED.value
                self.outcome_by = self.author_id
            case Refuse():
                self.outcome = Outcome.REFUSED.value
                self.text, self.files = "", []
            case _:
                pass

    def merge(self, version: "Entry", *, is_taken: bool) -> None:
        """Take over what another version of the same message says beyond this one."""
        is_newer = self.ts == version.ts and _is_newer(version, self)
        gains_mention = version.mentioned and not self.mentioned
        if is_newer:
            self.edited_ts = version.edited_ts
        if is_newer and (not is_taken or (gains_mention and not self.wanted)):
            self.text, self.files = version.text, version.files
        self.mentioned = self.mentioned or version.mentioned
        self.edits_only = self.edits_only and version.edits_only


def says_nothing_new(entry: Entry, version: Entry) -> bool:
    """Whether a version changes nothing of an entry, now or whenever it comes again."""
    merged = replace(entry)
    merged.merge(version, is_taken=False)
    return entry.is_closed or merged == entry


def entry_of(place: Place, message: IncomingMessage, seq: int) -> Entry:
    """Return a message as it enters the inbox with the number `seq`."""
    return Entry(
        conversation_id=place.conversation_id,
        channel_id=message.thread.channel_id,
        ts=message.ts,
        seq=seq,
        author_id=message.author_id,
        edited_ts=message.edited_ts,
        edits_only=message.edited_ts is not None,
        mentioned=message.mentioned,
        text=message.text[:_MOST_CHARACTERS],
        files=[
            {"file_id": file.file_id, "name": file.name, "mimetype": file.mimetype}
            for file in message.files[:_MOST_FILES]
        ],
    )


async def insert_entry(
    transaction: Transaction, place: Place, message: IncomingMessage, entry: Entry
) -> float | None:
    """Write a new entry and return when, by the database's clock, it came.

    None, with nothing written, when the message is known.
    """
    inserted = await transaction.execute(
        _INSERT,
        {
            "team_id": place.team_id,
            "channel_id": entry.channel_id,
            "ts": entry.ts,
            "conversation_id": place.conversation_id,
            "seq": entry.seq,
            "edited_ts": entry.edited_ts,
            "edits_only": entry.edits_only,
            "client_msg_id": message.client_msg_id,
            "author_id": entry.author_id,
            "author_team_id": message.author_team_id,
            "mentioned": entry.mentioned,
            "wanted": entry.wanted,
            "text": entry.text,
            "files": entry.files,
            "outcome": entry.outcome,
            "outcome_by": entry.outcome_by,
        },
    )
    received_at: float | None = inserted.scalar_one_or_none()
    return received_at


async def find_twin(
    transaction: Transaction, place: Place, message: IncomingMessage
) -> Entry | None:
    """Return the entry that keeps `message` from being a new one, if it is here."""
    rows = await transaction.execute(
        _TWINS,
        {
            "team_id": place.team_id,
            "conversation_id": place.conversation_id,
            "channel_id": message.thread.channel_id,
            "ts": message.ts,
            "author_id": message.author_id,
            "client_msg_id": message.client_msg_id,
        },
    )
    twins = sorted(
        (_entry(row) for row in rows), key=lambda each: each.ts != message.ts
    )
    return twins[0] if twins else None


async def find_entry(
    transaction: Transaction, team_id: str, channel_id: str, ts: str
) -> Entry | None:
    """Return the entry of a message by where and when it was written."""
    rows = await transaction.execute(
        _FIND, {"team_id": team_id, "channel_id": channel_id, "ts": ts}
    )
    row = rows.first()
    return _entry(row) if row is not None else None


async def save_entry(transaction: Transaction, place: Place, entry: Entry) -> None:
    """Write what has become of an entry."""
    await transaction.execute(
        _SAVE,
        {
            "its_team": place.team_id,
            "its_channel": entry.channel_id,
            "its_ts": entry.ts,
            "its_seq": entry.seq,
            "its_edited_ts": entry.edited_ts,
            "is_edits_only": entry.edits_only,
            "is_mentioned": entry.mentioned,
            "is_wanted": entry.wanted,
            "its_text": entry.text,
            "its_files": entry.files,
            "its_outcome": entry.outcome,
            "its_judge": entry.outcome_by,
        },
    )


async def erase_entry(transaction: Transaction, place: Place, entry: Entry) -> None:
    """Leave nothing of an entry but that it was; unanswered, its author dropped it."""
    is_waiting = entry.outcome == Outcome.WAITING
    await transaction.execute(
        _ERASE,
        {
            "its_team": place.team_id,
            "its_channel": entry.channel_id,
            "its_ts": entry.ts,
            "its_outcome": Outcome.DROPPED.value if is_waiting else entry.outcome,
            "its_judge": entry.author_id if is_waiting else entry.outcome_by,
        },
    )


async def bury(transaction: Transaction, place: Place, message: DeletedMessage) -> None:
    """Keep the place of a message that was removed before it came."""
    await transaction.execute(
        _BURY,
        {
            "team_id": message.team_id,
            "channel_id": message.channel_id,
            "ts": message.ts,
            "conversation_id": place.conversation_id,
            "seq": place.next_seq(),
            "edits_only": False,
            "author_id": "",
            "mentioned": False,
            "wanted": False,
            "text": "",
            "files": [],
        },
    )


async def drop_waiting(
    transaction: Transaction, place: Place, author_id: str, before: float
) -> None:
    """Take back what a person had asked for by then and nobody has begun to answer."""
    await transaction.execute(
        _DROP,
        {
            "its_team": place.team_id,
            "its_conversation": place.conversation_id,
            "taken_seq": place.taken_seq,
            "its_author": author_id,
            "before": before,
        },
    )
    await place.recount(transaction)


def without_marks(entry: Entry) -> Entry:
    """Return the entry as people see it, so that two can be compared."""
    return replace(entry, edited_ts=None, edits_only=False)


def _is_newer(version: Entry, than: Entry) -> bool:
    if version.edited_ts is None:
        return False
    return than.edited_ts is None or float(version.edited_ts) > float(than.edited_ts)


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(
        channel_id=row.channel_id,
        ts=row.ts,
        seq=row.seq,
        author_id=row.author_id,
        edited_ts=row.edited_ts,
        edits_only=row.edits_only,
        mentioned=row.mentioned,
        text=row.text,
        files=row.files,
        conversation_id=row.conversation_id,
        is_deleted=row.deleted_at is not None,
        wanted=row.wanted,
        outcome=row.outcome,
        outcome_by=row.outcome_by,
    )
