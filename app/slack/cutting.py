"""Where a long text is cut into Slack messages.

Sizes are those of the text as it will be sent; offsets are into the raw text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from app.slack.markdown import Fence, chunks

# Slack: a table has at most 100 rows, and a message one table.
_MAX_ROWS = 90
_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*\n?")
_UNBREAKABLE = re.compile(
    r"!?\[[^\]\n]{0,500}\]\([^)\s]{0,2000}\)|(?<!`)(`+)(?!`)[^`\n]*\1|(?<!\S)\S*://\S*"
)
_SENTENCE = re.compile(r"[.!?:;。！？]['\")\]]*\s+")  # noqa: RUF001 - their full stops
_SPACE = re.compile(r"\s+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_JOINER = "\u200d"


@dataclass(frozen=True, slots=True)
class Cut:
    """The next message starts at offset `at`, after `opening` is written again."""

    at: int
    opening: str


@dataclass(frozen=True, slots=True)
class Filled:
    """How far a message is known to be full: up to offset `at`, the end of a block.

    `used` is the size of what stands before it, `tables` how many of that are tables.
    """

    at: int = 0
    used: int = 0
    tables: int = 0


@dataclass(frozen=True, slots=True)
class _Block:
    start: int
    text: str
    opening: str = ""
    is_table: bool = False


def next_cut(
    source: str,
    opening: str,
    limit: int,
    size: Callable[[str], int],
    filled: Filled = Filled(),
) -> Cut | None:
    """Where `opening + source` must be cut to fit into `limit`; None if it fits.

    `opening` is what the cut before has reopened; `filled` is known to need no cut. A
    cut falls before a paragraph, a fence or a second table if it can; else between
    lines, sentences or words. It never falls inside a link, inline code or a character;
    no text is dropped.
    """
    text = opening + source
    used, tables = filled.used, filled.tables
    for block in _blocks(text, limit, filled.at):
        cost = _cost(block, limit, size)
        inside = (
            block.start < len(opening) or not text[len(opening) : block.start].strip()
        )
        too_large = used + cost > limit or _is_long_table(block)
        if block.is_table and tables and not inside:
            return _moved(Cut(block.start, ""), opening)
        if too_large and not inside and used * 2 >= limit:
            return _moved(Cut(block.start, ""), opening)
        if too_large:
            cut = _cut_inside(block, limit - used, size, len(opening))
            if cut is None and not inside:
                cut = Cut(block.start, "")
            if cut is not None and cut.at < len(text):
                return _moved(cut, opening)
        used += cost
        tables += block.is_table
    return None


def filled_to(
    text: str, end: int, limit: int, size: Callable[[str], int], filled: Filled
) -> Filled:
    """Go on from `filled` to `end`, where a block of `text` ends that needs no cut."""
    used, tables = filled.used, filled.tables
    for block in _blocks(text[:end], limit, filled.at):
        used += _cost(block, limit, size)
        tables += block.is_table
    return Filled(end, used, tables)


def _cost(block: _Block, limit: int, size: Callable[[str], int]) -> int:
    # Measuring is the dear part, and what is far too long need not be measured.
    long = len(block.text)
    return size(block.text) if long <= 2 * limit else long


def opening_at(text: str, offset: int, limit: int) -> str:
    """What a message must reopen that starts at `offset`: a fence, a table's head."""
    for block in _blocks(text, limit):
        if block.start < offset < block.start + len(block.text):
            return block.opening
    return ""


def _moved(cut: Cut, opening: str) -> Cut:
    return Cut(cut.at - len(opening), cut.opening)


def _blocks(text: str, limit: int, at: int = 0) -> Iterator[_Block]:
    """The blocks of `text` from `at` on; one with too long an opening has none."""
    for chunk in chunks(text[at:]):
        blocks = (
            [_fence_block(at, chunk)]
            if isinstance(chunk, Fence)
            else _prose_blocks(at + chunk.start, chunk.text)
        )
        for block in blocks:
            is_modest = len(block.opening) * 4 <= limit
            yield block if is_modest else replace(block, opening="")


def _fence_block(at: int, fence: Fence) -> _Block:
    blank = re.sub(r"[^ \t>]", " ", fence.lead)
    opener = blank + fence.opener[len(fence.lead) :] + "\n"
    return _Block(at + fence.start, fence.text, opener)


def _prose_blocks(start: int, text: str) -> Iterator[_Block]:
    lines = _LINE.findall(text)
    begun = index = 0
    while index < len(lines):
        ends = index + 1
        is_table = _opens_table(lines, index)
        if is_table:
            if index > begun:
                yield (block := _block_of(start, lines[begun:index]))
                start += len(block.text)
            begun = index
            while ends < len(lines) and "|" in lines[ends]:
                ends += 1
        if is_table or not lines[index].strip():
            yield (block := _block_of(start, lines[begun:ends], is_table=is_table))
            start += len(block.text)
            begun = ends
        index = ends
    if begun < len(lines):
        yield _block_of(start, lines[begun:])


def _opens_table(lines: list[str], index: int) -> bool:
    following = lines[index + 1] if index + 1 < len(lines) else ""
    return "|" in lines[index] and "|" in following and bool(_RULE.fullmatch(following))


def _block_of(start: int, lines: list[str], *, is_table: bool = False) -> _Block:
    opening = "".join(lines[:2]) if is_table else ""
    return _Block(start, "".join(lines), opening, is_table=is_table)


def _is_long_table(block: _Block) -> bool:
    return block.is_table and block.text.count("\n") > _MAX_ROWS


def _cut_inside(
    block: _Block, room: int, size: Callable[[str], int], fixed: int
) -> Cut | None:
    """A cut within `block` after at most `room`, and after the first `fixed` signs."""
    keep = max(fixed - block.start, len(block.opening) if block.opening else 0)
    if block.is_table:
        room_for_rows = _offset_of_line(block.text, _MAX_ROWS)
    else:
        room_for_rows = len(block.text)
    reach = min(_reach(block.text, room, size), room_for_rows)
    if reach <= keep:
        return None
    line = block.text.rfind("\n", keep, reach) + 1
    if block.opening:
        at = line if line > keep else _whole(block.text, keep, reach)
    else:
        at = _boundary(block.text, keep, reach)
    return Cut(block.start + at, block.opening) if at > keep else None


def _offset_of_line(text: str, count: int) -> int:
    offset = 0
    for _ in range(count):
        offset = text.find("\n", offset) + 1
        if not offset:
            return len(text)
    return offset


def _reach(text: str, room: int, size: Callable[[str], int]) -> int:
    """How many signs of `text` surely fit into `room` when they are sent."""
    count = min(len(text), max(room, 0))
    while count and (cost := size(text[:count])) > room:
        count = min(count - 1, count * room // cost)
    return count


def _boundary(text: str, keep: int, reach: int) -> int:
    """The best place to cut in `text[keep:reach]`: line, sentence, word, character."""
    spans = [match.span() for match in _UNBREAKABLE.finditer(text, 0, reach + 2500)]
    half = keep + (reach - keep) // 2
    for places in (
        [match.end() for match in re.finditer(r"\n", text[:reach])],
        [match.end() for match in _SENTENCE.finditer(text[:reach])],
        [match.end() for match in _SPACE.finditer(text[:reach])],
    ):
        for place in reversed(places):
            if place < half:
                break
            if not any(start < place < end for start, end in spans):
                return place
    for start, end in spans:
        if start < reach < end and start > keep:
            return start
    return _whole(text, keep, reach)


def _whole(text: str, keep: int, reach: int) -> int:
    """The last place up to `reach` that does not split what is seen as one sign."""
    at = reach
    while at > keep + 1 and at < len(text) and _continues(text, at):
        at -= 1
    return at


def _continues(text: str, at: int) -> bool:
    sign, before = text[at], text[at - 1]
    return (
        unicodedata.combining(sign) != 0
        or _JOINER in (sign, before)
        or "\ufe00" <= sign <= "\ufe0f"
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\U000e0020" <= sign <= "\U000e007f"
        or ("\udc00" <= sign <= "\udfff" and "\ud800" <= before <= "\udbff")
        or _is_half_flag(text, at)
        or unicodedata.category(sign) in ("Mn", "Mc", "Me")
    )


def _is_half_flag(text: str, at: int) -> bool:
    """Whether `at` is between the two letters of a flag."""
    first = at
    while first and "\U0001f1e6" <= text[first - 1] <= "\U0001f1ff":
        first -= 1
    return (at - first) % 2 == 1 and "\U0001f1e6" <= text[at] <= "\U0001f1ff"
