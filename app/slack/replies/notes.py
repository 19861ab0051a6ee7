"""Posts the notes of a turn, each once, also across a crash."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from app import telemetry
from app.domain import Doubt, Ending, PartKind, ReplyPart, Turn
from app.errors import AccessLost, SlackError, SlackUnavailable, UnsafePayload
from app.slack.notes import Note, decided, news, note_payload
from app.slack.replies.desk import Desk
from app.slack.replies.lookup import Lookup
from app.slack.replies.message import Message, Method, Priority


class Notes:
    """The notes of one turn, kept among the parts of its reply.

    The intent is a row with the note's key, written before the post; its ts is written
    after it. Whoever takes the turn over finds the row: with a ts the note is there,
    without one it is looked for by its key before it is posted. So a note may be asked
    for again and again, by every owner of the turn.
    """

    def __init__(self, desk: Desk, turn: Turn, holds_lease: Callable[[], bool]) -> None:
        self._desk = desk
        self._turn = turn
        self._holds_lease = holds_lease
        self._change: Message | None = None

    async def post(self, note: Note) -> str | None:
        """Have `note` stand in the thread; its ts, None where Slack will not have it.

        Bots are not called: they might answer. Raises LeaseLost, AccessLost and
        DatabaseUnavailable.
        """
        row, was_intended = await self._row(note)
        if row.ts is not None:
            await self._restore(note)
            return row.ts
        posting = _Posting(
            self._desk,
            self._turn,
            self._holds_lease,
            row,
            await self._without_bots(note),
            is_in_doubt=was_intended,
        )
        message = Message(
            self._turn.lease.team_id,
            self._turn.thread.channel_id,
            posting.bring_up_to_date,
            Method.POST,
        )
        self._desk.scheduler.mark_dirty(message, Priority.DATA)
        await message.settled()
        match message.error:
            case None:
                return posting.ts
            case AccessLost() as error:
                raise error
            case SlackError() | UnsafePayload():
                telemetry.count("slack.notes_lost")
                return None
            case error:
                raise error

    async def tell_news(self, ending: Ending) -> None:
        """Call who asked, if they have reason not to look here any more."""
        told = news(ending, self._turn.askers, self._desk.notify_after)
        if not told:
            return
        team_id = self._turn.lease.team_id
        people = [not await self._desk.is_bot(team_id, each) for each in told.people]
        if any(people):
            await self.post(told)

    async def close_question(self, doubt: Doubt) -> None:
        """Take the buttons from what was asked, as nobody is asked any more."""
        decided_by = self._turn.decided_by
        name = None
        if decided_by:
            name = await self._desk.name_of(self._turn.lease.team_id, decided_by)
        await self.change(decided(doubt, self._turn.askers[-1:], name))

    async def change(self, note: Note) -> None:
        """Let `note` stand, soon, where it was posted, if it was."""
        for row in await self._desk.parts.parts(self._turn.lease):
            if row.part_no != -note.about or row.ts is None:
                continue
            change = _Change(self._desk, self._turn, self._holds_lease, row, note)
            self._change = Message(
                self._turn.lease.team_id,
                self._turn.thread.channel_id,
                change.bring_up_to_date,
                Method.UPDATE,
            )
            self._desk.scheduler.mark_dirty(self._change, Priority.DATA)

    async def settled(self) -> None:
        """Wait until a change is there, or will never be."""
        if self._change:
            await self._change.settled()

    async def _restore(self, note: Note) -> None:
        """Let `note` stand as at first where it was changed too early."""
        if self._change:
            await self.settled()
            await self.change(await self._without_bots(note))
            await self.settled()

    async def _row(self, note: Note) -> tuple[ReplyPart, bool]:
        rows = await self._desk.parts.parts(self._turn.lease)
        for row in rows:
            if row.kind is PartKind.NOTE and row.part_no == -note.about:
                return row, True
        row = ReplyPart(
            part_no=-note.about, kind=PartKind.NOTE, post_key=secrets.token_hex(12)
        )
        await self._desk.parts.intend(self._turn.lease, row)
        return row, False

    async def _without_bots(self, note: Note) -> Note:
        team_id = self._turn.lease.team_id
        people = [
            each for each in note.people if not await self._desk.is_bot(team_id, each)
        ]
        return replace(note, people=tuple(people))


@dataclass(frozen=True, slots=True)
class _Change:
    """New words for a note that is there."""

    desk: Desk
    turn: Turn
    holds_lease: Callable[[], bool]
    row: ReplyPart
    note: Note

    async def bring_up_to_date(self) -> bool:
        """Edit the note."""
        if self.row.ts is None:
            return False
        payload = note_payload(self.note, self.row.post_key)
        await self.desk.outbound.update(
            self.turn.thread, self.row.ts, payload, may_send=self.holds_lease
        )
        return True


class _Posting:
    """One note on its way; `ts` once Slack has it."""

    def __init__(
        self,
        desk: Desk,
        turn: Turn,
        holds_lease: Callable[[], bool],
        row: ReplyPart,
        note: Note,
        *,
        is_in_doubt: bool,
    ) -> None:
        self.ts: str | None = None
        self._desk = desk
        self._turn = turn
        self._holds_lease = holds_lease
        self._row = row
        self._note = note
        self._is_in_doubt = is_in_doubt
        self._lookup = Lookup(desk.outbound, turn, desk.now)

    async def bring_up_to_date(self) -> bool:
        """Find the note or post it, and write down where it is."""
        if self.ts is None and self._is_in_doubt:
            self.ts = await self._lookup.find(self._row.post_key)
            self._is_in_doubt = False
        if self.ts is None:
            await self._post()
        if self.ts is not None:
            await self._desk.parts.posted(self._turn.lease, self._row.part_no, self.ts)
        return True

    async def _post(self) -> None:
        payload = note_payload(self._note, self._row.post_key)
        try:
            self.ts = await self._desk.outbound.post(
                self._turn.thread, payload, may_send=self._holds_lease
            )
        except SlackUnavailable:
            self._is_in_doubt = True
            raise
