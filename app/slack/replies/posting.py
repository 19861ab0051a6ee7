"""Brings one Slack message of a reply up to date, and writes down what Slack has."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.crash import crash
from app.domain import DataMessage, PartKind, ReplyPart, StoredDataMessage, Turn
from app.errors import MessageGone, PlaceClosed, SlackUnavailable, StreamRefused
from app.slack.blocks import (
    Button,
    Payload,
    TextLook,
    about,
    data_payload,
    text_payload,
)
from app.slack.cards import SOURCES, Card, card, sources_markdown
from app.slack.links import LinkPolicy
from app.slack.replies.desk import Desk
from app.slack.replies.lookup import Lookup
from app.slack.replies.message import Method
from app.slack.replies.standing import Standing
from app.slack.replies.story import Part, Story, TextPart
from app.slack.replies.streamed import Piece, Streaming
from app.slack.text import neutralise


class Posting:
    """Posts, edits and removes the parts of one story.

    `on_posted` is called as soon as a part has a message in Slack; it is still in doubt
    where that was found, not made. Rows are written around the post: the intent before,
    its place after.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        turn: Turn,
        story: Story,
        standing: Standing,
        streaming: Streaming,
        links: LinkPolicy,
        holds_lease: Callable[[], bool],
        on_posted: Callable[[Part], None],
    ) -> None:
        self._desk = desk
        self._turn = turn
        self._story = story
        self._standing = standing
        self._streaming = streaming
        self._links = links
        self._holds_lease = holds_lease
        self._on_posted = on_posted
        self._lookup = Lookup(desk.outbound, turn, desk.now)
        self._about = about(turn.wanted[-1].text if turn.wanted else "")
        self._noted_text: str | None = None

    async def bring_up_to_date(
        self, part: Part, method: Method, *, may_post: bool = True
    ) -> bool:
        """Send what is new in `part`; false if nothing is, or nothing may be posted."""
        is_here = part in self._story.parts
        if method is Method.STOP and isinstance(part, TextPart):
            return await self._stop(part)
        if part.is_surplus:
            return await self._remove(part)
        if is_here and part.is_fixed:
            await self._save(part)
        if not is_here or part.is_fixed:
            return False
        if part.ts is None and part is not self._story.next_to_post:
            # It is offered again when the one before it is there.
            return False
        if part.is_in_doubt and await self._adopt(part):
            return True
        return await self._send(part, method, may_post=may_post)

    async def _send(self, part: Part, method: Method, *, may_post: bool) -> bool:
        # What a former owner shows is not overwritten by less of it.
        is_held = self._story.draft.is_held
        if is_held if part.ts is not None else not may_post:
            return False
        if isinstance(part, TextPart) and method in (Method.START, Method.APPEND):
            return await self._stream(part, method)
        payload = await self._payload(part)
        is_new = payload != part.shown
        if is_new and part.ts is None:
            await self._post(part, payload)
        elif is_new and part.ts is not None:
            if isinstance(part, TextPart):
                await self._note_text()
            if not await self._update(part, part.ts, payload):
                return True
            _stands(part, payload)
        await self._save(part)
        return is_new

    async def _update(self, part: Part, ts: str, payload: Payload) -> bool:
        """Show `payload` at `ts`; false where a stream must be ended before."""
        try:
            await self._desk.outbound.update(
                self._turn.thread, ts, payload, may_send=self._holds_lease
            )
        except StreamRefused as error:
            if error.code != "streaming_state_conflict":
                raise
            if isinstance(part, TextPart) and self._streaming.is_open_after_all(part):
                return False
            # It ends by itself in a few minutes.
            raise SlackUnavailable(error.code, "chat.update") from error
        return True

    async def _stream(self, part: TextPart, method: Method) -> bool:
        piece = self._streaming.piece(part)
        if piece is None:
            return False
        if method is Method.APPEND:
            await self._note_text()
            await self._streaming.append(part, piece)
        else:
            await self._start(part, piece)
        await self._save(part)
        return True

    async def _start(self, part: TextPart, piece: Piece) -> None:
        await self._intend(part)
        try:
            part.ts = await self._streaming.start(part, piece)
        except SlackUnavailable:
            # It may be there all the same.
            part.is_in_doubt = True
            raise
        if part.ts is not None:
            crash("C4")
            self._on_posted(part)

    async def _stop(self, part: TextPart) -> bool:
        if part.is_surplus:
            await self._streaming.stop(part, None)
            return True
        payload = await self._payload(part)
        await self._note_text()
        if await self._streaming.stop(part, payload):
            _stands(part, payload)
        await self._save(part)
        return True

    async def amend(self, part: Part) -> bool:
        """Show what is new in `part` after its turn has ended, if nothing came after.

        Who tries it again writes in the same message.
        """
        payload = await self._payload(part)
        if part.ts is None or payload == part.shown:
            return False
        if not await self._desk.parts.is_newest(self._turn.lease):
            return False
        await self._desk.outbound.update(
            self._turn.thread, part.ts, payload, may_send=lambda: True
        )
        part.shown = payload
        return True

    async def _intend(self, part: Part) -> None:
        """Write down that `part` is about to be there."""
        part.is_above = True
        is_text = isinstance(part, TextPart)
        row = ReplyPart(
            part_no=self._story.number(part),
            kind=PartKind.TEXT if is_text else PartKind.DATA,
            post_key=part.post_key,
            start=part.start if isinstance(part, TextPart) else 0,
        )
        text = self._unnoted_text() if is_text else None
        await self._desk.parts.intend(self._turn.lease, row, text)
        self._noted_text = self._noted_text if text is None else text

    async def _post(self, part: Part, payload: Payload) -> None:
        if isinstance(part, TextPart):
            self._streaming.give_up(part)
        await self._intend(part)
        part.posted = payload
        try:
            part.ts = await self._desk.outbound.post(
                self._turn.thread, payload, may_send=self._holds_lease
            )
        except SlackUnavailable:
            # It may be there all the same.
            part.is_in_doubt = True
            raise
        crash("C4")
        _stands(part, payload)
        self._on_posted(part)

    async def _note_text(self) -> None:
        """Write down the text in view before Slack has it.

        So whoever goes on knows at least what people see, and never shows less.
        """
        text = self._unnoted_text()
        if text is not None:
            await self._desk.parts.checkpoint(self._turn.lease, text)
            self._noted_text = text

    def _unnoted_text(self) -> str | None:
        ending, text = self._standing.ending, self._story.draft.visible
        is_over = ending is not None and not ending.status.may_be_retried
        return None if is_over or text == self._noted_text else text

    async def _adopt(self, part: Part) -> bool:
        """Look for a post whose answer was lost, before it is made again."""
        ts = await self._find(part)
        stream = part.stream if isinstance(part, TextPart) else None
        if ts is None:
            part.is_in_doubt = False
            if isinstance(part, TextPart) and stream:
                self._streaming.give_up(part)
            return stream is not None
        part.ts = ts
        if part.posted:
            _stands(part, part.posted)
        if isinstance(part, TextPart):
            self._streaming.found(part)
        self._on_posted(part)
        part.is_in_doubt = False
        await self._save(part)
        return True

    async def _find(self, part: Part) -> str | None:
        is_text = isinstance(part, TextPart)
        besides = self._streaming.sought_besides if is_text else None
        return await self._lookup.find(part.post_key, besides=besides)

    async def _save(self, part: Part) -> None:
        """Write down what Slack has of `part`, as far as that is not done yet."""
        rows, lease = self._desk.parts, self._turn.lease
        if part.part_no is None or part.ts is None:
            return
        if not part.is_saved:
            await rows.posted(lease, part.part_no, part.ts)
            part.is_saved = True
        if new := part.standing_seqs - part.saved_seqs:
            crash("C12")
            await self._desk.data_messages.shown(lease, sorted(new), part.part_no)
            part.saved_seqs |= new
        if isinstance(part, TextPart) and part.end is not None:
            sealed_as = (part.start, part.end)
            if part.sealed_as != sealed_as:
                await rows.seal(lease, part.part_no, *sealed_as)
                part.sealed_as = sealed_as

    async def _remove(self, part: Part) -> bool:
        if part.is_in_doubt:
            part.ts = await self._find(part)
            part.is_in_doubt = False
        if part.ts is not None and not await self._delete(part, part.ts):
            return True
        if part.part_no is not None:
            await self._desk.parts.forget(self._turn.lease, part.part_no)
        return True

    async def _delete(self, part: Part, ts: str) -> bool:
        """Remove a message; false where a stream must be ended before."""
        try:
            await self._desk.outbound.delete(
                self._turn.thread, ts, may_send=self._holds_lease
            )
        except MessageGone:
            # Somebody has removed it before us.
            return True
        except PlaceClosed as error:
            # Perhaps nobody may remove it.
            if error.code != "cant_delete_message" or not isinstance(part, TextPart):
                return True
            is_possible = self._streaming.sought_besides is not None
            return not (is_possible and self._streaming.is_open_after_all(part))
        return True

    async def _payload(self, part: Part) -> Payload:
        # More may come while names are asked for.
        data = tuple(part.data)
        part.rendered_seqs = frozenset(each.seq for each in data)
        if isinstance(part, TextPart):
            notes = [each for each in data if each.message.type != SOURCES]
            cited = [each.message for each in data if each.message.type == SOURCES]
            cards = [await self._card(each) for each in notes]
            return self._text_payload(part, cards, self._sources(cited))
        cards = [await self._card(each) for each in data]
        return data_payload(cards, part.post_key)

    def _text_payload(self, part: TextPart, notes: list[Card], sources: str) -> Payload:
        story, has_ended = self._story, self._standing.ending is not None
        story.roll_over(part)
        source = story.source(part)
        if part.end is None and not has_ended:
            body = story.rendering.interim(source).strip("\n")
        else:
            body = neutralise(source, self._links).strip("\n")
        part.size, part.rendered = len(body), story.raw(part)
        # At the end the line says how all of it ended, so it waits for the last part.
        last = story.texts[-1] if has_ended else story.with_line
        has_line = part is last or (part.ts is None and not has_ended)
        return text_payload(
            TextLook(
                body=body if body.strip() else "",
                preview=story.raw(part).strip(),
                post_key=part.post_key,
                sources=sources,
                line=self._standing.line if has_line else None,
                about=self._about,
                button=self._button if has_line else None,
                notes=notes,
                is_plain=part.is_plain,
            )
        )

    @property
    def _button(self) -> Button | None:
        action = self._standing.action
        return Button(action, self._turn.turn_id) if action else None

    def _sources(self, cited: Sequence[DataMessage]) -> str:
        # Whatever is cited was read by the model, and anybody may have written it.
        links = replace(self._links, read_untrusted=True)
        return neutralise(sources_markdown(cited), links)

    async def _card(self, data: StoredDataMessage) -> Card:
        user_id = data.message.caused_by
        if user_id is None:
            return card(data.message, None)
        name = await self._desk.name_of(self._turn.lease.team_id, user_id)
        # Somebody whose name is not known has the id for a name.
        return card(data.message, None if name == user_id else name)


def _stands(part: Part, payload: Payload) -> None:
    part.shown, part.standing_seqs = payload, part.rendered_seqs
    if isinstance(part, TextPart):
        part.standing = part.rendered
