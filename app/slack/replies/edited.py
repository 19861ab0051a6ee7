"""A reply that grows by edits: posted early, edited as text comes, exact at the end.

The writing methods only note what is new in the story, or in how the turn stands, and
have it shown. What stands where is the story's to know, which message is sent when the
showing's; here is told what a turn has to say, and how it ends.
"""

from collections.abc import Callable

from app.domain import Doubt, Ending, Lease, Run, RunStatus, StoredDataMessage, Turn
from app.errors import PostUnconfirmed
from app.slack.links import LinkPolicy
from app.slack.notes import lost, question
from app.slack.replies.desk import Desk
from app.slack.replies.notes import Notes
from app.slack.replies.showing import Showing
from app.slack.replies.verdict import blocked_by

# Slack's word for it.
_DELETED = "message_not_found"


class EditedReply:
    """The answer to one turn, as people in Slack see it grow."""

    def __init__(
        self,
        desk: Desk,
        turn: Turn,
        links: LinkPolicy,
        holds_lease: Callable[[], bool],
        on_deleted: Callable[[], object],
    ) -> None:
        self._desk = desk
        self._turn = turn
        self._showing = Showing(desk, turn, links, holds_lease, on_deleted)
        self._standing = self._showing.standing
        self._story = self._showing.story
        self._sign = self._showing.sign
        self._notes = Notes(desk, turn, holds_lease)
        self._seen_data: set[int] = set()
        self._has_begun = False

    async def open(self) -> None:
        """Give the first sign, or go on in the messages that the turn has already."""
        now = self._desk.now()
        self._sign.show()
        rows = await self._desk.parts.parts(self._turn.lease)
        if rows:
            data = await self._desk.data_messages.of_turn(self._turn.lease)
            shown = await self._desk.parts.text_so_far(self._turn.lease)
            self._story.take_up(rows, data, shown)
            parts = self._story.parts
            self._seen_data = {each.seq for part in parts for each in part.data}
        if doubt := self._turn.doubt:
            await self._notes.close_question(doubt)
        self._showing.begin(now, is_new=not rows)

    @property
    def text(self) -> str:
        """The whole raw text so far."""
        return self._story.draft.text

    def start_message(self, message_id: str) -> None:  # noqa: ARG002 - as in Reply
        """Set off what comes next by an empty line."""
        self._story.draft.start_message()

    def append(self, delta: str) -> None:
        """Add text to show soon."""
        if not self._showing.is_mute:
            self._begin(delta)
            self._showing.changed(self._story.append(delta))

    def replace(self, text: str) -> None:
        """Put `text` in the place of the message begun last."""
        if not self._showing.is_mute:
            self._begin(text)
            self._showing.changed(self._story.replace(text))

    def _begin(self, text: str) -> None:
        if not self._has_begun and text and not text.isspace():
            self._has_begun = True
            self._showing.has_words()

    def show_status(self, run: Run) -> None:
        """Show the run's status from now on; how it ends is for `finish` to tell."""
        before, status = self._standing.line, run.status
        if status.is_terminal or status is RunStatus.REQUIRES_ACTION:
            self._showing.changed(self._story.pass_done())
        if not status.is_terminal:
            self._standing.run, self._standing.step = run, None
            self._showing.line_changed(before)

    def show_step(self, label: str) -> None:
        """Show what is being done beside writing, until the status changes."""
        before = self._standing.line
        self._standing.step = label
        self._showing.line_changed(before)

    def show_waiting(self, count: int) -> None:
        """Show how many messages wait for this answer to end."""
        before = self._standing.line
        self._standing.waiting = count
        self._showing.line_changed(before)

    @property
    def lease(self) -> Lease:
        """Of the turn that is answered."""
        return self._turn.lease

    @property
    def may_show_more_people(self) -> bool:
        """Whether the line can still be changed."""
        part = self._story.with_line
        is_shown = part is not None and part.shown is not None
        return not self._showing.error and (not self._showing.is_closed or is_shown)

    def show_more_people(self) -> None:
        """Say in the line that from now on a mention is needed, if that may be."""
        part = self._story.with_line
        if not self.may_show_more_people:
            return
        before, self._standing.has_more_people = self._standing.line, True
        if self._showing.is_closed and part:
            self._showing.amend(part)
        self._showing.line_changed(before)

    def attach(self, data: StoredDataMessage) -> None:
        """Show a data message after the text so far, once."""
        if self._showing.is_mute or data.seq in self._seen_data:
            return
        self._seen_data.add(data.seq)
        self._showing.changed(self._story.show_newest())
        self._showing.attached(self._story.attach(data))

    async def withdraw(self) -> str | None:
        """Take back the first sign: nothing will be said.

        Returns Slack's word for what kept it from that, and raises as `finish` does.
        """
        if not self._showing.is_closed:
            self._standing.ending = Ending(status=RunStatus.COMPLETED)
            self._story.give_up()
            try:
                await self._showing.remove_surplus()
                await self._sign.clear()
            finally:
                self._showing.close(None)
        return blocked_by(self._showing.error)

    async def ask(self, doubt: Doubt) -> bool:
        """Show that a person must decide, and call who has asked.

        False when Slack does not take the question; the reply can still be finished.
        Raises LeaseLost and AccessLost.
        """
        self._standing.is_suspended = True
        is_refused = False
        try:
            await self._bring_to_rest()
            if blocked_by(self._showing.error):
                return False
            note = question(doubt, self._turn.askers[-1:], self._turn.turn_id)
            is_refused = await self._notes.post(note) is None
            return not is_refused
        finally:
            if is_refused:
                self._standing.is_suspended = False
            else:
                self._showing.close(None)

    async def finish(self, ending: Ending) -> str | None:
        """Wait until Slack has the final text of every part.

        Returns Slack's word for why it never will have it. Raises LeaseLost, and when
        it is to be told once more: AccessLost and DatabaseUnavailable.
        """
        showing = self._showing
        if not showing.is_closed:
            self._standing.ending = ending
            self._story.pass_done()
            if ending.reply_deleted:
                showing.fall_silent()
            if not showing.is_silent:
                self._story.tidy()
            try:
                await self._bring_to_rest()
                if not (showing.error or showing.is_silent):
                    await self._notes.tell_news(ending)
            finally:
                showing.close(None)
        if isinstance(showing.error, PostUnconfirmed):
            await self._notes.post(lost(self._turn.askers, self._turn.turn_id))
        return blocked_by(showing.error) or (_DELETED if showing.is_silent else None)

    async def _bring_to_rest(self) -> None:
        """Wait until Slack has all that is to be seen for now."""
        if await self._showing.bring_to_rest():
            await self._notes.settled()
            await self._sign.clear()
