"""Text parts that grow by Slack's own streams, where a workspace wants them.

A stream only grows: what was sent stays until its end, and an append whose answer was
lost can't be made again, as nobody knows whether it counts already. So only settled
text is appended, one call at a time, and whatever goes wrong ends the stream without a
word and shows the whole text by an edit, which may be made as often as need be.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from app import telemetry
from app.domain import ChannelKind, Turn
from app.errors import (
    AccessLost,
    CredentialsRefused,
    LeaseLost,
    MessageGone,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
)
from app.slack.blocks import Payload
from app.slack.links import LinkPolicy
from app.slack.outbound import Reader, StreamEnding
from app.slack.replies.desk import Desk
from app.slack.replies.message import Growth, Message, Method, Priority
from app.slack.replies.standing import Standing
from app.slack.replies.story import Part, Story, Stream, TextPart
from app.slack.text import neutralise

log = logging.getLogger(__name__)

# Slack ends a stream after five minutes, whatever happens in it.
SPAN = 240.0
# So much text that is not settled is better shown by edits.
_MOST_KEPT_BACK = 600
_OVER = frozenset({"message_not_in_streaming_state", "stopped_by_user"})
# These are about every direct message of a workspace, not about one.
_EVERYWHERE = frozenset(
    {"channel_type_not_supported", "method_not_supported_for_channel_type"}
)


@dataclass(frozen=True, slots=True)
class Piece:
    """What is to be appended, and up to which raw offset that says the part."""

    text: str
    said: int
    is_whole: bool


class Streaming:
    """Streams the parts of one reply.

    `on_due` is called with a part that has to be sent although nothing is new.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        turn: Turn,
        story: Story,
        standing: Standing,
        links: LinkPolicy,
        growth: Growth,
        on_due: Callable[[TextPart], None],
    ) -> None:
        self._streams = desk.streams
        self._outbound = desk.outbound
        self._scheduler = desk.scheduler
        self._now = desk.now
        self._turn = turn
        self._story = story
        self._standing = standing
        self._links = links
        self._growth = growth
        self._holds_lease = growth.holds_lease
        self._on_due = on_due
        self._is_here = self._did_wait = False
        self._declined: set[TextPart] = set()
        self._watch = Message(
            turn.lease.team_id, turn.thread.channel_id, self._expire, Method.APPEND
        )

    def begin(self) -> None:
        """From now on parts that have text may be streamed, where that is wanted."""
        self._is_here = self._did_wait = self._streams.are_for(self._turn)
        self._story.rendering.counts_bytes = self._is_here

    @property
    def sought_besides(self) -> frozenset[str] | None:
        """The messages that no lost stream can be; None where there are no streams."""
        is_direct = self._turn.channel_kind is ChannelKind.IM
        if not (self._streams.is_wanted and is_direct):
            return None
        return frozenset(each.ts for each in self._story.parts if each.ts)

    def waits_for_text(self, part: TextPart) -> bool:
        """Whether `part` is not to be posted before it has text."""
        is_empty = not (self._story.has_text(part) or part.data)
        return self._is_here and is_empty and part not in self._declined

    def leave_out(self) -> None:
        """Stream nothing that is not begun: something must be seen at once."""
        self._is_here = False

    def offer(self, part: Part) -> bool:
        """Take a place for `part` if it may be streamed, and say whether it has one.

        It is asked for once.
        """
        if not isinstance(part, TextPart) or part.stream or not self._is_here:
            return isinstance(part, TextPart) and part.stream is not None
        is_late = part.is_above or self._standing.is_at_rest
        if is_late or part in self._declined or not self._story.has_text(part):
            return False
        if not part.data:
            own = sum(each.stream is not None for each in self._story.texts)
            part.stream = self._streams.admit(self._growth, own=own)
        if part.stream is None:
            self._declined.add(part)
        return part.stream is not None

    def may_begin(self, part: TextPart) -> bool:
        """Whether more text may be what a post of `part` waits for."""
        return part.is_above or self.offer(part) or self._did_wait

    def method(self, part: Part) -> Method:
        """What is to be called next for `part`."""
        if not isinstance(part, TextPart):
            return Method.POST if part.ts is None else Method.UPDATE
        stream = part.stream
        if part.ts is None:
            is_wanted = stream and not self._standing.is_at_rest
            return Method.START if is_wanted and not part.is_surplus else Method.POST
        if stream is None:
            return Method.UPDATE
        if stream.is_broken or stream.is_leaving or part.is_surplus:
            return Method.STOP
        if not self._is_ending(part):
            return Method.APPEND
        is_busy = self._scheduler.wait_for(self._turn.lease.team_id, Method.STOP) > 0
        return Method.APPEND if is_busy and not stream.is_whole else Method.STOP

    def may_use(self, part: Part, method: Method) -> bool:
        """Whether `method` is of use for `part`, even if another one were better."""
        wanted = self.method(part)
        if wanted is Method.APPEND and isinstance(part, TextPart):
            return method is wanted or (method is Method.STOP and self._is_ending(part))
        return method is wanted

    @property
    def gap(self) -> float:
        """Seconds to keep between two pieces."""
        return self._streams.gap(self._turn.lease.team_id)

    def end_sealed(self) -> None:
        """Have those streams ended to whose parts nothing will be added."""
        for part in self._story.texts:
            if part.stream and part.ts and part.end is not None:
                self._on_due(part)

    def goes_on(self, part: Part, method: Method) -> bool:
        """Whether `part` needs another call, now that `method` was used for it."""
        if not isinstance(part, TextPart):
            return False
        stream = part.stream
        match method:
            case Method.START:
                return part.ts is None and not part.is_in_doubt and stream is None
            case Method.APPEND:
                return stream is None or self.method(part) is not Method.APPEND
            case Method.STOP:
                return stream is not None or part.shown is None or part.is_surplus
            case _:
                return stream is not None and part.ts is not None

    async def start(self, part: TextPart, piece: Piece) -> str | None:
        """Begin the stream of `part`; None when it is to be posted instead."""
        try:
            ts = await self._outbound.start_stream(
                self._turn.thread, piece.text, self._reader, may_send=self._holds_lease
            )
        except (SlackUnavailable, LeaseLost, AccessLost):
            raise
        except RateLimited:
            self.give_up(part)
            raise
        except SlackError as error:
            self._refused(error)
            self.give_up(part)
            return None
        telemetry.count("slack.streams")
        stream = part.stream or Stream()
        part.stream, stream.began_at = stream, self._now()
        self._standing.is_streamed = True
        self._has_sent(part, stream, piece)
        self._scheduler.mark_dirty(
            self._watch, Priority.STATUS, not_before=stream.began_at + SPAN
        )
        return ts

    async def append(self, part: TextPart, piece: Piece) -> None:
        """Add to the stream of `part`; what goes wrong breaks it."""
        stream = part.stream
        if stream is None or part.ts is None:
            return
        try:
            await self._outbound.append_stream(
                self._turn.thread, part.ts, piece.text, may_send=self._holds_lease
            )
        except (RateLimited, LeaseLost, AccessLost, MessageGone):
            raise
        except SlackUnavailable:
            self._break(stream, "no_answer")
            raise
        except SlackError as error:
            self._break(stream, error.code)
            if isinstance(error, CredentialsRefused):
                self._refused(error)
            if error.code in _OVER:
                self._ended(part)
            return
        self._has_sent(part, stream, piece)

    async def stop(self, part: TextPart, payload: Payload | None) -> bool:
        """End the stream of `part`; whether it shows `payload` then.

        Without a payload it is going to be removed.
        """
        stream, ts = part.stream, part.ts
        if stream is None or ts is None:
            return False
        ending = self._ending_with(stream, payload)
        try:
            await self._outbound.stop_stream(
                self._turn.thread, ts, ending, may_send=self._holds_lease
            )
        except (RateLimited, LeaseLost, AccessLost, MessageGone):
            raise
        except SlackUnavailable:
            self._break(stream, "no_answer")
            raise
        except SlackError as error:
            was_broken = stream.is_broken
            self._break(stream, error.code)
            if error.code in _OVER or was_broken:
                self._ended(part)
            return False
        is_behind = stream.is_broken or stream.is_leaving
        self._ended(part)
        return payload is not None and not (is_behind or payload.attachments)

    def piece(self, part: TextPart) -> Piece | None:
        """What can be added to `part` now, if anything can."""
        self._story.roll_over(part)
        stream = part.stream
        if stream is None:
            return None
        if not self._story.raw(part).startswith(part.standing or ""):
            self._break(stream, "text_changed")
            return None
        safe, said, is_whole = self._settled(part)
        if safe.startswith(stream.sent):
            text = safe[len(stream.sent) :]
            if text.strip():
                return Piece(text, said, is_whole)
            stream.is_whole = is_whole
        elif is_whole and safe == stream.sent.rstrip():
            stream.is_whole = True
        elif is_whole or not stream.sent.startswith(safe):
            self._break(stream, "text_changed")
            return None
        self._keep_back_no_longer(part, stream)
        return None

    def found(self, part: TextPart) -> None:
        """A message was there whose beginning was in doubt: nobody knows its text."""
        if part.stream:
            self._break(part.stream, "no_answer")

    def is_open_after_all(self, part: TextPart) -> bool:
        """Note that Slack holds a stream open which nobody here knew of.

        False when it was ended before, as far as that could be done.
        """
        if part.is_unstreamed:
            return False
        part.stream, part.shown = Stream(is_broken=True), None
        return True

    def give_up(self, part: TextPart) -> None:
        """Post `part` and edit it, as everywhere else."""
        self._declined.add(part)
        self._ended(part)

    def close(self) -> None:
        """Leave the places of this reply to others."""
        for part in self._story.texts:
            self._ended(part)
        self._scheduler.close_message(self._watch)

    @property
    def _reader(self) -> Reader:
        asked = self._turn.wanted[-1]
        team_id = asked.author_team_id or self._turn.lease.team_id
        return Reader(team_id=team_id, user_id=asked.author_id)

    def _is_ending(self, part: TextPart) -> bool:
        return part.end is not None or self._standing.is_at_rest

    def _settled(self, part: TextPart) -> tuple[str, int, bool]:
        opening = self._story.opening(part)
        source = self._story.source(part)
        if self._is_ending(part):
            safe = neutralise(source, self._links).strip("\n")
            return safe, len(source) - len(opening), True
        safe, at = self._story.rendering.settled(source)
        return safe.lstrip("\n"), max(0, at - len(opening)), False

    def _keep_back_no_longer(self, part: TextPart, stream: Stream) -> None:
        if len(self._story.raw(part)) - part.said <= _MOST_KEPT_BACK:
            return
        telemetry.count("slack.streams_left")
        if stream.began_at is None:
            self.give_up(part)
        else:
            stream.is_leaving = True

    def _ending_with(self, stream: Stream, payload: Payload | None) -> StreamEnding:
        """The last text and the blocks, where it is known what stands above them."""
        if payload is None:
            return StreamEnding()
        plain = StreamEnding(metadata=payload.metadata)
        if stream.is_broken or stream.is_leaving:
            return plain
        first = payload.blocks[0] if payload.blocks else {}
        body = str(first["text"]) if first.get("type") == "markdown" else ""
        if body.startswith(stream.sent):
            text = body[len(stream.sent) :]
        elif body and body == stream.sent.rstrip():
            text = ""
        else:
            self._break(stream, "text_changed")
            return plain
        return StreamEnding(
            text=text, blocks=payload.blocks[1:], metadata=payload.metadata
        )

    def _has_sent(self, part: TextPart, stream: Stream, piece: Piece) -> None:
        stream.sent += piece.text
        stream.is_whole = piece.is_whole
        part.said = piece.said
        part.rendered = part.standing = self._story.raw(part)[: piece.said]

    def _break(self, stream: Stream, code: str) -> None:
        if not stream.is_broken:
            telemetry.count("slack.streams_broken")
            log.info("stream broken", extra={"code": code})
        stream.is_broken = True
        # What went wrong once is not tried again in the same answer.
        self._is_here = False

    def _refused(self, error: SlackError) -> None:
        log.info("no stream", extra={"code": error.code})
        self._is_here = False
        if error.code in _EVERYWHERE or not isinstance(error, PlaceClosed):
            self._streams.refused.add(self._turn.lease.team_id)

    def _ended(self, part: TextPart) -> None:
        if part.stream:
            self._streams.leave(self._turn.lease.team_id, part.stream)
            part.stream = None
            part.is_unstreamed = True
        self._standing.is_streamed = any(
            each.stream and each.ts for each in self._story.texts
        )

    async def _expire(self) -> bool:
        """Let what has been streamed for long enough go on in another message."""
        now = self._now()
        live = [part for part in self._story.texts if part.stream and part.ts]
        for part in live:
            began_at = part.stream.began_at if part.stream else None
            if began_at is None or part.end is not None:
                continue
            if began_at + SPAN <= now:
                self._story.end_at_what_was_said(part)
                self._on_due(part)
            else:
                self._scheduler.mark_dirty(
                    self._watch, Priority.STATUS, not_before=began_at + SPAN
                )
        return False
