"""A reply that grows by edits: posted early, edited as text comes, exact at the end.

The writing methods only note what is new and mark messages as changed; the scheduler
calls back when one of them may be sent. What stands where is the story's to know, how
it is sent is the posting's; here is decided what is worth sending, and how urgently.

Posts are made strictly in order: a part is offered to the scheduler when the one before
it is there.
"""

import re
from collections.abc import Callable

from app import telemetry
from app.domain import Doubt, Ending, Lease, Run, RunStatus, StoredDataMessage, Turn
from app.errors import (
    DatabaseUnavailable,
    EditRefused,
    LeaseLost,
    MessageGone,
    PayloadRefused,
    PostUnconfirmed,
    RateLimited,
    SlackError,
    SlackUnavailable,
    UnsafePayload,
)
from app.slack.links import LinkPolicy
from app.slack.notes import lost, question
from app.slack.replies.desk import Desk, FirstPaint
from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.notes import Notes
from app.slack.replies.posting import Posting
from app.slack.replies.sign import Sign
from app.slack.replies.standing import Standing
from app.slack.replies.story import DataPart, Part, Story, TextPart
from app.slack.replies.streamed import Streaming
from app.slack.replies.verdict import blocked_by

# Slack folds a long message up again with each edit.
_LONG = 4_000
_LONG_GAP = 3.0
_PATIENCE_FOR_TEXT = 2.0
_STEADY = 0.7
# Slack's word for it.
_DELETED = "message_not_found"
_SENTENCE = re.compile(r"[.!?:](?:\s|$)|[\n。！？]")  # noqa: RUF001 - their full stops


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
        self._on_deleted = on_deleted
        self._turn = turn
        self._standing = Standing()
        self._story = Story(links)
        self._sign = Sign(desk, turn, self._standing, holds_lease, self._paint_at_once)
        self._growth = Growth(turn.lease.team_id, holds_lease)
        self._streaming = Streaming(
            desk=desk,
            turn=turn,
            story=self._story,
            standing=self._standing,
            links=links,
            growth=self._growth,
            on_due=self._mark_again,
        )
        self._posting = Posting(
            desk=desk,
            turn=turn,
            story=self._story,
            standing=self._standing,
            streaming=self._streaming,
            links=links,
            holds_lease=holds_lease,
            on_posted=self._is_posted,
        )
        self._notes = Notes(desk, turn, holds_lease)
        self._load = desk.scheduler.load(turn.lease.team_id)
        self._has_begun = False
        self._messages: dict[Part, Message] = {}
        self._seen_data: set[int] = set()
        self._error: BaseException | None = None
        self._is_closed = False
        self._is_silent = False
        self._has_fixed = False

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
            if any(part.ts is not None for part in self._story.texts):
                self._desk.scheduler.painted(self._growth)
        elif not self._sign.is_refused:
            self._streaming.begin()
        if doubt := self._turn.doubt:
            await self._notes.close_question(doubt)
        delay = 0.0 if self._sign.is_refused else _PATIENCE_FOR_TEXT
        self._story.newest_text().paint_at = now + delay
        self._offer_post()

    @property
    def text(self) -> str:
        """The whole raw text so far."""
        return self._story.draft.text

    def start_message(self, message_id: str) -> None:  # noqa: ARG002 - as in Reply
        """Set off what comes next by an empty line."""
        self._story.draft.start_message()

    def append(self, delta: str) -> None:
        """Add text to show soon."""
        if not self._is_mute:
            self._begin(delta)
            self._changed(self._story.append(delta))

    def replace(self, text: str) -> None:
        """Put `text` in the place of the message begun last."""
        if not self._is_mute:
            self._begin(text)
            self._changed(self._story.replace(text))

    def _begin(self, text: str) -> None:
        if not self._has_begun and text and not text.isspace():
            self._has_begun = True
            self._desk.scheduler.began(self._growth)

    def show_status(self, run: Run) -> None:
        """Show the run's status from now on; how it ends is for `finish` to tell."""
        before, status = self._standing.line, run.status
        if status.is_terminal or status is RunStatus.REQUIRES_ACTION:
            self._changed(self._story.pass_done())
        if not status.is_terminal:
            self._standing.run, self._standing.step = run, None
            self._line_changed(before)

    def show_step(self, label: str) -> None:
        """Show what is being done beside writing, until the status changes."""
        before = self._standing.line
        self._standing.step = label
        self._line_changed(before)

    def show_waiting(self, count: int) -> None:
        """Show how many messages wait for this answer to end."""
        before = self._standing.line
        self._standing.waiting = count
        self._line_changed(before)

    @property
    def lease(self) -> Lease:
        """Of the turn that is answered."""
        return self._turn.lease

    @property
    def may_show_more_people(self) -> bool:
        """Whether the line can still be changed."""
        part = self._story.with_line
        is_shown = part is not None and part.shown is not None
        return not self._error and (not self._is_closed or is_shown)

    def show_more_people(self) -> None:
        """Say in the line that from now on a mention is needed, if that may be."""
        part = self._story.with_line
        if not self.may_show_more_people:
            return
        before, self._standing.has_more_people = self._standing.line, True
        if self._is_closed and part:
            amended = Message(
                self._turn.lease.team_id,
                self._turn.thread.channel_id,
                lambda: self._posting.amend(part),
                Method.UPDATE,
            )
            self._desk.scheduler.mark_dirty(amended, Priority.STATUS)
        self._line_changed(before)

    def attach(self, data: StoredDataMessage) -> None:
        """Show a data message after the text so far, once."""
        if self._is_mute or data.seq in self._seen_data:
            return
        self._seen_data.add(data.seq)
        self._changed(self._story.show_newest())
        part = self._story.attach(data)
        if part.ts is not None:
            is_card = isinstance(part, DataPart)
            self._mark(part, Priority.DATA if is_card else Priority.STATUS)
        elif isinstance(part, TextPart):
            at = self._desk.now() + _PATIENCE_FOR_TEXT
            part.paint_at = min(part.paint_at, at)
        self._streaming.end_sealed()
        self._offer_post()

    async def withdraw(self) -> str | None:
        """Take back the first sign: nothing will be said.

        Returns Slack's word for what kept it from that, and raises as `finish` does.
        """
        if not self._is_closed:
            self._standing.ending = Ending(status=RunStatus.COMPLETED)
            self._story.give_up()
            try:
                await self._remove_surplus()
                await self._sign.clear()
            finally:
                self._close(None)
        return blocked_by(self._error)

    async def ask(self, doubt: Doubt) -> bool:
        """Show that a person must decide, and call who has asked.

        False when Slack does not take the question; the reply can still be finished.
        Raises LeaseLost and AccessLost.
        """
        self._standing.is_suspended = True
        is_refused = False
        try:
            await self._bring_to_rest()
            if blocked_by(self._error):
                return False
            note = question(doubt, self._turn.askers[-1:], self._turn.turn_id)
            is_refused = await self._notes.post(note) is None
            return not is_refused
        finally:
            if is_refused:
                self._standing.is_suspended = False
            else:
                self._close(None)

    async def finish(self, ending: Ending) -> str | None:
        """Wait until Slack has the final text of every part.

        Returns Slack's word for why it never will have it. Raises LeaseLost, and when
        it is to be told once more: AccessLost and DatabaseUnavailable.
        """
        if not self._is_closed:
            self._standing.ending = ending
            self._story.pass_done()
            if ending.reply_deleted:
                self._fall_silent()
            if not self._is_silent:
                self._story.tidy()
            try:
                await self._bring_to_rest()
                if not (self._error or self._is_silent):
                    await self._notes.tell_news(ending)
            finally:
                self._close(None)
        if isinstance(self._error, PostUnconfirmed):
            await self._notes.post(lost(self._turn.askers, self._turn.turn_id))
        return blocked_by(self._error) or (_DELETED if self._is_silent else None)

    async def _bring_to_rest(self) -> None:
        """Wait until Slack has all that is to be seen for now."""
        for part in self._story.parts:
            if part.ts is not None or self._is_silent:
                self._mark(part, Priority.FINAL)
        self._offer_post()
        await self._all_shown()

    async def _all_shown(self) -> None:
        while True:
            messages = [self._message_of(part) for part in self._story.parts]
            errors = [each.error for each in messages if each.error]
            if errors:
                self._error = self._error or errors[0]
                return
            waiting = [each for each in messages if not each.is_settled]
            if not waiting:
                break
            await waiting[0].settled()
        await self._remove_surplus()
        await self._notes.settled()
        await self._sign.clear()

    async def _remove_surplus(self) -> None:
        for part in self._story.surplus:
            part.is_surplus = True
            self._mark(part, Priority.FINAL)
        for part in self._story.surplus:
            await self._message_of(part).settled()

    def _changed(self, parts: list[TextPart]) -> None:
        if self._is_closed or self._story.draft.is_held:
            return
        for part in parts:
            if part.ts is not None:
                is_first = not part.rendered
                self._mark(part, Priority.FIRST_PAINT if is_first else Priority.TEXT)
            elif self._sets_paint_time(part) or self._streaming.may_begin(part):
                self._offer_post()

    def _sets_paint_time(self, part: TextPart) -> bool:
        """The first words of a part set the time of its post; a sentence may hasten it.

        After that it waits for its budget, and the text may grow long meanwhile.
        """
        is_steady = self._desk.first_paint is FirstPaint.STEADY
        if part.has_words and not is_steady:
            return False
        now, before = self._desk.now(), part.paint_at
        raw = "" if before <= now else self._story.raw(part).lstrip()
        if not raw:
            return False
        is_early = is_steady and not _SENTENCE.search(raw)
        usual = 0.1 if self._streaming.offer(part) else self._load.first_paint_delay
        delay = max(usual, _STEADY if is_early else 0.0)
        if part.has_words:
            part.paint_at = min(before, now + delay)
        else:
            part.has_words, part.paint_at = True, now + delay
            self._desk.scheduler.put_off(self._message_of(part), part.paint_at)
        return part.paint_at < before

    def _offer_post(self) -> None:
        """Let the next part be posted; those after it follow when it is there."""
        part = self._story.next_to_post
        if part is None or self._is_mute:
            return
        following = self._story.parts[self._story.parts.index(part) :]
        if self._standing.is_at_rest:
            self._mark(part, Priority.FINAL)
        elif any(isinstance(each, DataPart) for each in following):
            self._mark(part, Priority.DATA)
        elif self._has_fixed:
            return
        elif isinstance(part, TextPart) and part.paint_at < float("inf"):
            if self._streaming.waits_for_text(part):
                return
            self._mark(part, Priority.FIRST_PAINT, not_before=part.paint_at)

    def _paint_at_once(self) -> None:
        self._streaming.leave_out()
        if isinstance(part := self._story.next_to_post, TextPart):
            part.paint_at = self._desk.now()
            self._offer_post()

    def _line_changed(self, before: str) -> None:
        part = self._story.with_line
        if self._is_closed or before == self._standing.line:
            return
        if part is not None and part.ts is not None:
            self._mark(part, Priority.STATUS)
        self._sign.refresh()

    def _mark(self, part: Part, priority: Priority, *, not_before: float = 0.0) -> None:
        message = self._message_of(part)
        self._streaming.offer(part)
        self._desk.scheduler.move(message, self._streaming.method(part))
        self._desk.scheduler.mark_dirty(message, priority, not_before=not_before)

    def _mark_again(self, part: Part) -> None:
        """Have the next call made for a part that needs more than one."""
        is_sealed = isinstance(part, TextPart) and part.end is not None
        urgency = Priority.DATA if is_sealed else Priority.TEXT
        self._mark(part, Priority.FINAL if self._standing.is_at_rest else urgency)

    def _message_of(self, part: Part) -> Message:
        if part not in self._messages:
            self._messages[part] = Message(
                self._turn.lease.team_id,
                self._turn.thread.channel_id,
                lambda: self._send(part),
                self._streaming.method(part),
                self._growth if isinstance(part, TextPart) else None,
            )
        return self._messages[part]

    def _is_posted(self, part: Part) -> None:
        message = self._message_of(part)
        message.method = self._streaming.method(part)
        texts = self._story.texts
        if part in texts:
            if message.method is Method.UPDATE:
                self._desk.scheduler.painted(self._growth)
            # Only the newest has the line; those above it lose theirs.
            final = Priority.FINAL if self._standing.ending else Priority.STATUS
            for older in texts[: texts.index(part)]:
                self._mark(older, final)
        self._sign.posted(is_new=not part.is_in_doubt)
        self._offer_post()

    async def _send(self, part: Part) -> bool:
        """Bring one message up to date; called by the scheduler."""
        final = Priority.FINAL if self._standing.ending else Priority.TEXT
        message = self._message_of(part)
        method = message.method
        if not self._streaming.may_use(part, method):
            self._mark_again(part)
            return False
        try:
            was_in_doubt = part.is_in_doubt
            is_sent = await self._posting.bring_up_to_date(
                part, method, may_post=not self._is_silent
            )
        except (SlackUnavailable, RateLimited, DatabaseUnavailable):
            message.method = self._streaming.method(part)
            raise
        except PayloadRefused as error:
            if not isinstance(part, TextPart) or part.is_plain:
                self._close(error)
                raise
            telemetry.count("slack.shown_plain")
            part.is_plain = True
            self._mark(part, final)
            return True
        except (SlackError, UnsafePayload, LeaseLost) as error:
            if part.ts is None or not self._can_do_without(part, error):
                self._close(error)
                raise
            return True
        if was_in_doubt:
            self._mark(part, final)
        self._look_further(part, method)
        return is_sent

    def _look_further(self, part: Part, method: Method) -> None:
        """What is to be done after a call: for this part, and for those below it."""
        message = self._message_of(part)
        message.method = self._streaming.method(part)
        if isinstance(part, TextPart) and message.method is Method.UPDATE:
            self._desk.scheduler.painted(self._growth)
        if self._streaming.goes_on(part, method):
            self._mark_again(part)
        self._streaming.end_sealed()
        following = self._story.next_to_post
        if isinstance(following, TextPart) and following is not part:
            # Rendering may have found that the text goes on in another message.
            self._changed([following])
        is_long = isinstance(part, TextPart) and part.size > _LONG
        is_streamed = message.method is Method.APPEND
        gap = self._streaming.gap if is_streamed else self._load.gap
        message.gap = _LONG_GAP if is_long and not is_streamed else gap

    @property
    def _is_mute(self) -> bool:
        return self._is_closed or self._is_silent

    def _can_do_without(self, part: Part, error: Exception) -> bool:
        """Whether the reply ends well, or is over, without one more edit of `part`."""
        match error:
            case MessageGone():
                self._is_gone(part)
            case EditRefused():
                self._is_fixed(part)
            case _:
                return False
        return True

    def _is_gone(self, part: Part) -> None:
        """Somebody has removed a part; of the text, that is to say: enough."""
        self._desk.scheduler.close_message(self._message_of(part))
        self._story.remove(part)
        if isinstance(part, TextPart):
            self._fall_silent()
            if not self._standing.ending:
                self._on_deleted()
        else:
            self._offer_post()

    def _is_fixed(self, part: Part) -> None:
        """Go on in another message; the text waits for its end, as that may be next."""
        telemetry.count("slack.edits_refused")
        self._has_fixed = True
        self._story.fix(part)
        if self._standing.ending:
            self._story.tidy()
        self._mark(part, Priority.FINAL)
        self._offer_post()

    def _fall_silent(self) -> None:
        """Post nothing any more; what still stands there is brought to its end."""
        self._is_silent = True
        self._story.keep_what_stands()

    def _close(self, error: BaseException | None) -> None:
        """Send nothing more."""
        self._error = self._error or error
        self._is_closed = True
        for message in self._messages.values():
            self._desk.scheduler.close_message(message, error)
        self._streaming.close()
        self._story.rendering.forget()
        self._desk.scheduler.ended(self._growth)
        self._sign.close()
