"""Which Slack messages a reply consists of, and what stands in each; nothing is sent.

A text part covers a range of the raw text. It ends where it is full, or where a data
message comes; the last one is open. The order of the parts is that of the posts, so a
part that is above already stays there.
"""

import secrets
from dataclasses import dataclass, field
from itertools import pairwise

from app.domain import PartKind, ReplyPart, StoredDataMessage
from app.slack.blocks import Payload
from app.slack.cards import MAX_CARDS, is_quiet
from app.slack.cutting import Cut, opening_at
from app.slack.links import LinkPolicy
from app.slack.rendering import Rendering
from app.slack.replies.draft import Draft

# Slack: 12,000 in a markdown block; this leaves room for the rest of the message.
FULL = 8_000
_RESTS = (".", "!", "?", ":", ";", "\n", "。", "！", "？")  # noqa: RUF001 - their full stops


@dataclass(slots=True, kw_only=True, eq=False)
class Part:
    """One Slack message of the reply.

    `is_above` says that its post has begun; `is_in_doubt` that nobody knows whether it
    has arrived; `posted` is what this process has put in it, `shown` what Slack has for
    certain; `is_fixed` that it lets nobody change the message any more. Of its `data`,
    `rendered_seqs` are in what was last sent, `standing_seqs` in what Slack has for
    certain, and `saved_seqs` noted as such.
    """

    post_key: str = field(default_factory=lambda: secrets.token_hex(12))
    part_no: int | None = None
    ts: str | None = None
    is_saved: bool = False
    is_above: bool = False
    is_in_doubt: bool = False
    is_surplus: bool = False
    is_fixed: bool = False
    posted: Payload | None = None
    shown: Payload | None = None
    data: list[StoredDataMessage] = field(default_factory=list)
    rendered_seqs: frozenset[int] = frozenset()
    standing_seqs: frozenset[int] = frozenset()
    saved_seqs: frozenset[int] = frozenset()

    @property
    def due(self) -> list[StoredDataMessage]:
        """The data messages that Slack does not have yet, as far as is known."""
        return [each for each in self.data if each.seq not in self.standing_seqs]

    def leave_due(self) -> list[StoredDataMessage]:
        """Return what is due, which is for another message to show."""
        due = self.due
        self.data = [each for each in self.data if each.seq in self.standing_seqs]
        return due


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class Stream:
    """How a part is streamed: since when, and the safe text that Slack has of it.

    Once it `is_broken` nobody knows what stands there; one that `is_leaving` shows what
    it should, and is gone on with by edits. It `is_whole` when all its text was sent.
    """

    began_at: float | None = None
    sent: str = ""
    is_broken: bool = False
    is_leaving: bool = False
    is_whole: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class TextPart(Part):
    """A range of the raw text; its `data` are mere notes below it.

    `end` is None while it is open. `opening` is what must be written again before it,
    None when that must be found out first. `size` counts what was last sent, `rendered`
    is the raw text in it; `standing` the one that Slack has, if that is known. `stream`
    is there as long as it is streamed, or is to be; `said` is how much raw text was
    sent so, which can't move to another message. It `is_unstreamed` once that ended.
    """

    start: int = 0
    end: int | None = None
    opening: str | None = ""
    paint_at: float = float("inf")
    has_words: bool = False
    is_plain: bool = False
    size: int = 0
    rendered: str = ""
    standing: str | None = None
    sealed_as: tuple[int, int] | None = None
    stream: Stream | None = None
    said: int = 0
    is_unstreamed: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class DataPart(Part):
    """Some data messages, in order."""


class Story:
    """The parts of one reply in order, and the text that they share."""

    def __init__(self, links: LinkPolicy) -> None:
        self.draft = Draft()
        self.parts: list[TextPart | DataPart] = []
        self.surplus: list[TextPart] = []
        # Of the part that grows; the others are looked at too rarely.
        self.rendering = Rendering(links, FULL)
        self._changed_from = 0
        self._next_number = 0

    def number(self, part: Part) -> int:
        """The number of `part` in the order of the posts."""
        if part.part_no is None:
            part.part_no = self._next_number
            self._next_number += 1
        return part.part_no

    def append(self, delta: str) -> list[TextPart]:
        """Add text; returns the parts that look different now."""
        part = self.open_text()
        did_show_old = self.draft.shows_old
        self.draft.append(delta)
        if did_show_old and not self.draft.shows_old:
            return self._recut()
        return [part]

    def replace(self, text: str) -> list[TextPart]:
        """Replace the message begun last; returns the parts that look different now."""
        self.open_text()
        self._changed_from = self.draft.replace(text)
        return [] if self.draft.shows_old else self._recut()

    def show_newest(self) -> list[TextPart]:
        """Keep no old text in view; returns the parts that look different now."""
        did_show_old = self.draft.shows_old
        self.draft.show_newest()
        return self._recut() if did_show_old else []

    def pass_done(self) -> list[TextPart]:
        """Show the newest text, short as it may be; returns what looks different."""
        was_held, self.draft.is_held = self.draft.is_held, False
        changed = self.show_newest()
        return self.texts if was_held else changed

    def take_up(
        self,
        rows: list[ReplyPart],
        data: list[StoredDataMessage],
        shown: str | None,
    ) -> None:
        """Go on in the messages that a former owner of the turn has begun.

        `shown` is the raw text that they show, if that is known.
        """
        for row in rows:
            if row.kind is PartKind.NOTE:
                continue
            part = _taken_up(
                row, [each for each in data if each.part_no == row.part_no]
            )
            self.parts.append(part)
            self._next_number = row.part_no + 1
        self._fill_empty_cards([each for each in data if each.part_no is None])
        texts = self.texts
        for part, following in pairwise(texts):
            part.end = following.start if part.end is None else part.end
        self.draft.go_on_from(shown or "")
        self.draft.is_held = shown is None and any(part.is_above for part in texts)

    def _fill_empty_cards(self, unshown: list[StoredDataMessage]) -> None:
        """A card whose content was not written down any more shows what is due."""
        due = [each for each in unshown if not is_quiet(each.message)]
        for part in [each for each in self.parts if isinstance(each, DataPart)]:
            if not part.data:
                part.data, due = due[:MAX_CARDS], due[MAX_CARDS:]
            if not part.data:
                self.parts.remove(part)

    @property
    def texts(self) -> list[TextPart]:
        """The text parts in order."""
        return [part for part in self.parts if isinstance(part, TextPart)]

    @property
    def with_line(self) -> TextPart | None:
        """The part that shows the status: the newest above, else the first to come."""
        texts = [part for part in self.texts if not part.is_fixed]
        above = [part for part in texts if part.ts is not None]
        return above[-1] if above else next(iter(texts), None)

    @property
    def next_to_post(self) -> TextPart | DataPart | None:
        """The first part that has no message yet; those after it must wait for it."""
        return next((part for part in self.parts if part.ts is None), None)

    def open_text(self) -> TextPart:
        """The part in which the next text goes; a new one where there is none."""
        texts = self.texts
        if texts and texts[-1].end is None:
            return texts[-1]
        # What a former owner of the turn has sealed covers its range already.
        covered = (texts[-1].end or 0) if texts else 0
        return self._begin_text(len(self.parts), max(len(self.draft), covered))

    def source(self, part: TextPart) -> str:
        """The Markdown of `part`, with what its beginning reopens."""
        return self.opening(part) + self.raw(part)

    def opening(self, part: TextPart) -> str:
        """What must be written again before the text of `part`."""
        text = self.draft.visible
        if part.opening is None and len(text) > part.start:
            part.opening = opening_at(text, part.start, FULL)
        return part.opening or ""

    def raw(self, part: TextPart) -> str:
        """The range of the raw text that `part` shows."""
        return self.draft.visible[part.start : part.end]

    def has_text(self, part: TextPart) -> bool:
        """Whether there is anything to read in `part`."""
        return bool(self.raw(part).strip())

    def attach(self, message: StoredDataMessage) -> Part:
        """Find the place of a data message; returns the part that shows it."""
        texts = self.texts
        opened = texts[-1] if texts and texts[-1].end is None else None
        if is_quiet(message.message) and (quiet := self._quiet_place(opened)):
            quiet.data.append(message)
            return quiet
        if opened and self.has_text(opened):
            self.roll_over(opened)
            self._seal_open(len(self.draft))
            opened = None
        joined = self._joinable()
        if joined is None:
            joined = DataPart()
            is_below = opened is not None and not opened.is_above
            self.parts.insert(len(self.parts) - is_below, joined)
        joined.data.append(message)
        return joined

    def roll_over(self, part: TextPart) -> None:
        """Cut what does not fit into `part`, and into those after it."""
        while True:
            raw, opening = self.raw(part), self.opening(part)
            cut = self.rendering.cut(raw, opening)
            if cut is None or not raw[cut.at :].strip():
                return
            part = self._cut(part, cut)

    def end_at_what_was_said(self, part: TextPart) -> None:
        """Let what is not streamed yet go into another message."""
        cut = self._cut_after_said(part)
        raw = self.raw(part)
        # What was kept back may only be the last word of a text that has come to rest.
        is_at_rest = not raw[part.said :].strip() or raw.rstrip(" ").endswith(_RESTS)
        if cut.opening or not is_at_rest:
            self._cut(part, cut)
        else:
            part.end = part.start + len(raw)

    def _cut_after_said(self, part: TextPart) -> Cut:
        opening = self.opening(part)
        source = opening + self.raw(part)
        reopened = opening_at(source, len(opening) + part.said, FULL)
        return Cut(part.said, reopened)

    def _cut(self, part: TextPart, cut: Cut) -> TextPart:
        if part.stream and cut.at < part.said:
            cut = self._cut_after_said(part)
        place = self.parts.index(part) + 1
        following = self._begin_text(place, part.start + cut.at)
        following.end, following.opening = part.end, cut.opening
        part.end = following.start
        return following

    def roll_over_all(self) -> None:
        """Cut whatever does not fit anywhere."""
        for part in self.texts:
            self.roll_over(part)

    def _recut(self) -> list[TextPart]:
        """Cut anew what has changed; what was after a data message stays there."""
        self._keep_fixed_short()
        changed = [
            part
            for part in self.texts
            if part.end is None or part.end > self._changed_from
        ]
        barrier = max(
            (i for i, part in enumerate(self.parts) if isinstance(part, DataPart)),
            default=-1,
        )
        tail = [part for part in changed if self.parts.index(part) > barrier]
        for part in tail[1:]:
            self._discard(part)
        if tail:
            tail[0].end = None
        return [part for part in changed if part not in tail[1:]]

    def _keep_fixed_short(self) -> None:
        """What is not as it was in a message that must stay is said after it."""
        for part, following in pairwise(self.texts):
            if part.is_fixed and (part.end or 0) > self._changed_from:
                part.end = max(part.start, self._changed_from)
                following.start, following.opening = part.end, None

    def tidy(self) -> None:
        """At the end: cut all, drop parts without text but the one with the line."""
        for part in self.texts:
            if part.start > len(self.draft) and part is not self.texts[0]:
                self._discard(part)
        self.roll_over_all()
        self.newest_text()
        texts = self.texts
        for part in texts[:-1]:
            if not self.has_text(part) and not part.data:
                self._discard(part)

    def give_up(self) -> None:
        """Nothing is to be said after all: what is above already is one too many."""
        for part in self.texts:
            self._discard(part)

    def fix(self, part: Part) -> None:
        """A message must stay as it is; what it does not show gets another one.

        Of its text whole paragraphs stay, and the one in which it stopped comes again.
        """
        part.is_fixed = True
        place = [each is part for each in self.parts].index(True)
        if isinstance(part, TextPart):
            self._go_on_below(part, place)
        elif due := part.leave_due():
            self.parts.insert(place + 1, DataPart(data=due))

    def _go_on_below(self, part: TextPart, place: int) -> None:
        raw, due = self.raw(part), part.leave_due()
        is_whole = part.end is not None and part.standing in (None, raw)
        if is_whole and not self.draft.is_held:
            if due:
                newest = self.newest_text()
                newest.data = due + newest.data
            return
        kept = part.standing or ""
        paragraphs = kept.rpartition("\n\n")[:2] if raw.startswith(kept) else ()
        stays = len("".join(paragraphs))
        following = self._begin_text(place + 1, part.start + stays)
        following.end, following.opening = part.end, None
        following.data = due + following.data
        part.end = following.start

    def remove(self, gone: Part) -> None:
        """Somebody has removed a message; what it has not shown yet gets another."""
        due = gone.due
        place = [part is gone for part in self.parts].index(True)
        self.parts.pop(place)
        if due and isinstance(gone, DataPart):
            self.parts.insert(place, DataPart(data=due))

    def keep_what_stands(self) -> None:
        """Have no parts but those whose post has begun."""
        self.parts = [part for part in self.parts if part.is_above]

    def newest_text(self) -> TextPart:
        """The newest text part, a new one where there is none at all."""
        texts = self.texts
        may_grow = texts and not texts[-1].is_fixed
        return texts[-1] if may_grow else self.open_text()

    def _begin_text(self, index: int, start: int) -> TextPart:
        usable = [each for each in self.surplus if not each.is_fixed]
        part = usable[0] if usable else TextPart()
        self.surplus = [each for each in self.surplus if each is not part]
        part.start, part.end, part.opening, part.said = start, None, "", 0
        self.parts.insert(index, part)
        return part

    def _seal_open(self, end: int) -> None:
        for part in self.texts:
            if part.end is None:
                part.end = end

    def _discard(self, part: TextPart) -> None:
        self.parts.remove(part)
        if part.is_above:
            self.surplus.append(part)

    def _joinable(self) -> DataPart | None:
        for part in reversed(self.parts):
            if isinstance(part, DataPart):
                has_room = len(part.data) < MAX_CARDS and not part.is_fixed
                return part if has_room else None
            if part.end is not None or self.has_text(part):
                return None
        return None

    def _quiet_place(self, opened: TextPart | None) -> Part | None:
        place: Part | None = None
        if opened is None or not self.has_text(opened):
            place = self._joinable()
        place = place or self.newest_text()
        return place if len(place.data) < MAX_CARDS else None


def _taken_up(row: ReplyPart, data: list[StoredDataMessage]) -> TextPart | DataPart:
    part = TextPart() if row.kind is PartKind.TEXT else DataPart()
    part.post_key, part.part_no, part.ts = row.post_key, row.part_no, row.ts
    part.is_above = True
    part.is_saved, part.is_in_doubt = row.ts is not None, row.ts is None
    part.data = data
    part.standing_seqs = part.saved_seqs = frozenset(each.seq for each in data)
    if isinstance(part, TextPart):
        part.start = row.start
        part.end = row.end if row.sealed else None
        part.opening = None if row.start else ""
        part.sealed_as = (row.start, row.end or 0) if row.sealed else None
    return part
