"""Brings one Slack message of a reply up to date, and writes down what Slack has."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from app.crash import crash
from app.domain import DataMessage, PartKind, ReplyPart, StoredDataMessage, Turn
from app.errors import MessageGone, PlaceClosed, SlackUnavailable
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
from app.slack.replies.standing import Standing
from app.slack.replies.story import Part, Story, TextPart
from app.slack.text import neutralise


class Posting:
    """Posts, edits and removes the parts of one story.

    `on_posted` is called as soon as a part has a message in Slack. Rows are written
    around the post: the intent before, its place after.
    """

    def __init__(
        self,
        *,
        desk: Desk,
        turn: Turn,
        story: Story,
        standing: Standing,
        links: LinkPolicy,
        holds_lease: Callable[[], bool],
        on_posted: Callable[[Part], None],
    ) -> None:
        self._desk = desk
        self._turn = turn
        self._story = story
        self._standing = standing
        self._links = links
        self._holds_lease = holds_lease
        self._on_posted = on_posted
        self._lookup = Lookup(desk.outbound, turn, desk.now)
        self._about = about(turn.wanted[-1].text if turn.wanted else "")
        self._noted_text: str | None = None

    async def bring_up_to_date(self, part: Part, *, may_post: bool = True) -> bool:
        """Send what is new in `part`; false if nothing is, or nothing may be posted."""
        if part.is_surplus:
            return await self._remove(part)
        if part not in self._story.parts:
            return False
        if part.is_fixed:
            await self._save(part)
            return False
        if part.is_in_doubt and await self._adopt(part):
            return True
        # What a former owner shows is not overwritten by less of it.
        is_held = self._story.draft.is_held
        if is_held if part.ts is not None else not may_post:
            return False
        payload = await self._payload(part)
        is_new = payload != part.shown
        if is_new and part.ts is None:
            await self._post(part, payload)
        elif is_new and part.ts is not None:
            if isinstance(part, TextPart):
                await self._note_text()
            await self._desk.outbound.update(
                self._turn.thread, part.ts, payload, may_send=self._holds_lease
            )
            _stands(part, payload)
        await self._save(part)
        return is_new

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

    async def _post(self, part: Part, payload: Payload) -> None:
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
        ts = await self._lookup.find(part.post_key)
        part.is_in_doubt = False
        if ts is None:
            return False
        part.ts = ts
        if part.posted:
            _stands(part, part.posted)
        self._on_posted(part)
        await self._save(part)
        return True

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
            part.ts = await self._lookup.find(part.post_key)
            part.is_in_doubt = False
        if part.ts is not None:
            # Somebody may have removed it before us, or nobody may.
            with suppress(MessageGone, PlaceClosed):
                await self._desk.outbound.delete(
                    self._turn.thread, part.ts, may_send=self._holds_lease
                )
        if part.part_no is not None:
            await self._desk.parts.forget(self._turn.lease, part.part_no)
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
