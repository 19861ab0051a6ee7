"""How much of a growing Markdown text looks the same whatever comes after it.

What is streamed can't be unsaid, so what may still become part of a link, of code, of
an emphasis or of a table is kept back until that is known.
"""

import re
from collections.abc import Iterator
from itertools import islice

from app.slack.healing import is_whole, last_block_start
from app.slack.links import LinkPolicy
from app.slack.markdown import Fence, chunks
from app.slack.text import has_address, neutralise

# What is not settled after so many words is shown by other means.
_MOST_WORDS = 150
_LOOKED_AT = 1_500
_CLOSING_FENCE = re.compile(r"`{3,}\n?\Z")
_FENCE_START = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t>]+)?[`~]\Z")
_ROW = re.compile(r"[ \t]*\|")
# Chinese and Japanese have no spaces, so every sign of theirs is a word.
_FIRST_WIDE, _LAST_WIDE = "\u2e80", "\ud7ff"


def settled(markdown: str) -> int:
    """The offset up to which `markdown` is settled.

    It is followed by a sign that is seen, as white space at a seam may be lost.
    """
    pieces = list(chunks(markdown))
    if not pieces:
        return 0
    last = pieces[-1]
    if isinstance(last, Fence):
        if "\n" not in last.text:
            return settled(markdown[: last.start])
        at = last.start + _settled_code(last)
    else:
        at = last.start + _settled_prose(last.text)
    rest = markdown[at:]
    return at + len(rest) - len(rest.lstrip()) if rest.strip() else 0


def open_ended(markdown: str, links: LinkPolicy) -> str:
    """Make `markdown` safe as `neutralise` does, but close no fence at its end."""
    body = neutralise(markdown, links)
    pieces = list(chunks(markdown))
    if pieces and isinstance(pieces[-1], Fence) and not pieces[-1].is_closed:
        body = _CLOSING_FENCE.sub("", body)
        if not pieces[-1].content.endswith("\n") and pieces[-1].content:
            body = body.removesuffix("\n")
    return body


def _settled_prose(prose: str) -> int:
    skipped = max(0, prose.rfind("\n\n", 0, max(0, len(prose) - _LOOKED_AT)))
    text = prose[skipped:]
    for at in islice(_word_starts(text), _MOST_WORDS):
        if not (_is_in_table(text, at) or _may_open_code(text, at)):
            start = last_block_start(text[:at])
            if is_whole(text[start:at]):
                return skipped + at
    return skipped


def _word_starts(text: str) -> Iterator[int]:
    """Where words begin, the last first."""
    for at in range(len(text) - 1, 0, -1):
        if (
            not text[at].isspace()
            and _ends_word(text[at - 1])
            and text[at].isprintable()
        ):
            yield at


def _ends_word(sign: str) -> bool:
    return sign.isspace() or _FIRST_WIDE <= sign <= _LAST_WIDE


def _is_in_table(text: str, at: int) -> bool:
    """Whether `at` is in a row, or between a head and the rule that makes it one."""
    line_start = text.rfind("\n", 0, at) + 1
    if not _ROW.match(text, line_start):
        return False
    if text[line_start:at].strip():
        return True
    before = text[:line_start].splitlines()
    rows = 0
    while rows < len(before) and _ROW.match(before[-1 - rows]):
        rows += 1
    return rows == 1


def _may_open_code(text: str, at: int) -> bool:
    return bool(_FENCE_START.match(text, text.rfind("\n", 0, at) + 1, at + 1))


def _settled_code(fence: Fence) -> int:
    """Whole lines of code, up to one that could be something else outside of it."""
    lines = fence.text.splitlines(keepends=True)
    if not lines[0].endswith("\n"):
        return 0
    offset = len(lines[0])
    for line in lines[1:-1]:
        if "```" in line or has_address(line):
            break
        offset += len(line)
    return offset
