"""Brings the parts of one reply to Slack, whichever may be sent, and reads what comes.

Each part is a message that is marked for the scheduler, which calls back when it may be
sent; after each call here is decided what follows it: another call, the part below, or
an end where Slack or people want no more of it.

Posts are made strictly in order: a part is offered to the scheduler when the one before
it is there.
"""

import re
from collections.abc import Callable

from app import telemetry
from app.domain import Turn
from app.errors import (
    DatabaseUnavailable,
    EditRefused,
    LeaseLost,
    MessageGone,
    PayloadRefused,
    RateLimited,
    SlackError,
    SlackUnavailable,
    UnsafePayload,
)
from app.slack.links import LinkPolicy
from app.slack.replies.desk import Desk, FirstPaint
from app.slack.replies.load import Load
from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.posting import Posting
from app.slack.replies.sign import Sign
from app.slack.replies.standing import Standing
from app.slack.replies.story import DataPart, Part, Story, TextPart
from app.slack.replies.streamed import Streaming

# Slack folds a long message up again with each edit.
_LONG = 4_000
_LONG_GAP = 3.0
_PATIENCE_FOR_TEXT = 2.0
_STEADY = 0.7
_SENTENCE = re.compile(r"[.!?:](?:\s|$)|[\n。！？]")  # noqa: RUF001 - their full stops


class Showing:
    """The messages of one reply: what is marked for sending, and what became of it.

    `story` and `standing` say what they show; `error` is why nothing more is sent.
    `on_deleted` is called when somebody removes a part of the text while it grows.
    """

    def __init__(
        self,
        desk: Desk,
        turn: Turn,
        links: LinkPolicy,
        holds_lease: Callable[[], bool],
        on_deleted: Callable[[], object],
    ) -> None:
        self.standing = Standing()
        self.story = Story(links)
        self.sign = Sign(desk, turn, self.standing, holds_lease, self._paint_at_once)
        self.error: BaseException | None = None
        self.is_closed = False
        self.is_silent = False
        self._desk = desk
        self._turn = turn
        self._on_deleted = on_deleted
        self._growth = Growth(turn.lease.team_id, holds_lease)
        self._streaming = Streaming(
            desk=desk,
            turn=turn,
            story=self.story,
            standing=self.standing,
            links=links,
            growth=self._growth,
            on_due=self._mark_again,
        )
        self._posting = Posting(
            desk=desk,
            turn=turn,
            story=self.story,
            standing=self.standing,
            streaming=self._streaming,
            links=links,
            holds_lease=holds_lease,
            on_posted=self._is_posted,
        )
        self._has_fixed = False
        self._messages: dict[Part, Message] = {}

    def begin(self, opened_at: float, *, is_new: bool) -> None:
        """Go on with what stands there; a reply that `is_new` has nothing yet."""
        if any(part.ts is not None for part in self.story.texts):
            self._desk.scheduler.painted(self._growth)
        if is_new and not self.sign.is_refused:
            self._streaming.begin()
        delay = 0.0 if self.sign.is_refused else _PATIENCE_FOR_TEXT
        self.story.newest_text().paint_at = opened_at + delay
        self._offer_post()

    @property
    def _load(self) -> Load:
        return self._desk.scheduler.load(self._turn.lease.team_id)

    @property
    def is_mute(self) -> bool:
        """Whether nothing new is shown any more."""
        return self.is_closed or self.is_silent

    def has_words(self) -> None:
        """Count the reply among those that are being written."""
        self._desk.scheduler.began(self._growth)

    def changed(self, parts: list[TextPart]) -> None:
        """Show the new text of `parts` when there is a call for it."""
        if self.is_closed or self.story.draft.is_held:
            return
        for part in parts:
            if part.ts is not None:
                is_first = not part.rendered
                self._mark(part, Priority.FIRST_PAINT if is_first else Priority.TEXT)
            elif self._sets_paint_time(part) or self._streaming.may_begin(part):
                self._offer_post()

    def attached(self, part: Part) -> None:
        """Show what a data message has become a part of."""
        if part.ts is not None:
            is_card = isinstance(part, DataPart)
            self._mark(part, Priority.DATA if is_card else Priority.STATUS)
        elif isinstance(part, TextPart):
            at = self._desk.now() + _PATIENCE_FOR_TEXT
            part.paint_at = min(part.paint_at, at)
        self._streaming.end_sealed()
        self._offer_post()

    def line_changed(self, before: str) -> None:
        """Show the line under the text, and the sign, unless it is as `before`."""
        part = self.story.with_line
        if self.is_closed or before == self.standing.line:
            return
        if part is not None and part.ts is not None:
            self._mark(part, Priority.STATUS)
        self.sign.refresh()

    def amend(self, part: TextPart) -> None:
        """Show a new line under `part` although the reply has ended."""
        amended = Message(
            self._turn.lease.team_id,
            self._turn.thread.channel_id,
            lambda: self._posting.amend(part),
            Method.UPDATE,
        )
        self._desk.scheduler.mark_dirty(amended, Priority.STATUS)

    async def bring_to_rest(self) -> bool:
        """Wait until Slack has all parts; false where it will not have them."""
        for part in self.story.parts:
            if part.ts is not None or self.is_silent:
                self._mark(part, Priority.FINAL)
        self._offer_post()
        if not await self._all_settled():
            return False
        await self.remove_surplus()
        return True

    async def _all_settled(self) -> bool:
        while True:
            messages = [self._message_of(part) for part in self.story.parts]
            errors = [each.error for each in messages if each.error]
            if errors:
                self.error = self.error or errors[0]
                return False
            waiting = [each for each in messages if not each.is_settled]
            if not waiting:
                return True
            await waiting[0].settled()

    async def remove_surplus(self) -> None:
        """Take away the messages that the text does not need after all."""
        for part in self.story.surplus:
            part.is_surplus = True
            self._mark(part, Priority.FINAL)
        for part in self.story.surplus:
            await self._message_of(part).settled()

    def fall_silent(self) -> None:
        """Post nothing any more; what still stands there is brought to its end."""
        self.is_silent = True
        self.story.keep_what_stands()

    def close(self, error: BaseException | None) -> None:
        """Send nothing more."""
        self.error = self.error or error
        self.is_closed = True
        for message in self._messages.values():
            self._desk.scheduler.close_message(message, error)
        self._streaming.close()
        self.story.rendering.forget()
        self._desk.scheduler.ended(self._growth)
        self.sign.close()

    def _sets_paint_time(self, part: TextPart) -> bool:
        """The first words of a part set the time of its post; a sentence may hasten it.

        After that it waits for its budget, and the text may grow long meanwhile.
        """
        is_steady = self._desk.first_paint is FirstPaint.STEADY
        if part.has_words and not is_steady:
            return False
        now, before = self._desk.now(), part.paint_at
        raw = "" if before <= now else self.story.raw(part).lstrip()
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
        part = self.story.next_to_post
        if part is None or self.is_mute:
            return
        following = self.story.parts[self.story.parts.index(part) :]
        if self.standing.is_at_rest:
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
        if isinstance(part := self.story.next_to_post, TextPart):
            part.paint_at = self._desk.now()
            self._offer_post()

    def _mark(self, part: Part, priority: Priority, *, not_before: float = 0.0) -> None:
        message = self._message_of(part)
        self._streaming.offer(part)
        self._desk.scheduler.move(message, self._streaming.method(part))
        self._desk.scheduler.mark_dirty(message, priority, not_before=not_before)

    def _mark_again(self, part: Part) -> None:
        """Have the next call made for a part that needs more than one."""
        is_sealed = isinstance(part, TextPart) and part.end is not None
        urgency = Priority.DATA if is_sealed else Priority.TEXT
        self._mark(part, Priority.FINAL if self.standing.is_at_rest else urgency)

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
        texts = self.story.texts
        if part in texts:
            if message.method is Method.UPDATE:
                self._desk.scheduler.painted(self._growth)
            # Only the newest has the line; those above it lose theirs.
            final = Priority.FINAL if self.standing.ending else Priority.STATUS
            for older in texts[: texts.index(part)]:
                self._mark(older, final)
        self.sign.posted(is_new=not part.is_in_doubt)
        self._offer_post()

    async def _send(self, part: Part) -> bool:
        """Bring one message up to date; called by the scheduler."""
        final = Priority.FINAL if self.standing.ending else Priority.TEXT
        message = self._message_of(part)
        method = message.method
        if not self._streaming.may_use(part, method):
            self._mark_again(part)
            return False
        try:
            was_in_doubt = part.is_in_doubt
            is_sent = await self._posting.bring_up_to_date(
                part, method, may_post=not self.is_silent
            )
        except (SlackUnavailable, RateLimited, DatabaseUnavailable):
            message.method = self._streaming.method(part)
            raise
        except PayloadRefused as error:
            if not isinstance(part, TextPart) or part.is_plain:
                self.close(error)
                raise
            telemetry.count("slack.shown_plain")
            part.is_plain = True
            self._mark(part, final)
            return True
        except (SlackError, UnsafePayload, LeaseLost) as error:
            if part.ts is None or not self._can_do_without(part, error):
                self.close(error)
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
        following = self.story.next_to_post
        if isinstance(following, TextPart) and following is not part:
            # Rendering may have found that the text goes on in another message.
            self.changed([following])
        is_long = isinstance(part, TextPart) and part.size > _LONG
        is_streamed = message.method is Method.APPEND
        gap = self._streaming.gap if is_streamed else self._load.gap
        message.gap = _LONG_GAP if is_long and not is_streamed else gap

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
        self.story.remove(part)
        if isinstance(part, TextPart):
            self.fall_silent()
            if not self.standing.ending:
                self._on_deleted()
        else:
            self._offer_post()

    def _is_fixed(self, part: Part) -> None:
        """Go on in another message; the text waits for its end, as that may be next."""
        telemetry.count("slack.edits_refused")
        self._has_fixed = True
        self.story.fix(part)
        if self.standing.ending:
            self.story.tidy()
        self._mark(part, Priority.FINAL)
        self._offer_post()
