"""Where code begins and ends in a Markdown text, with offsets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_OPENER = re.compile(
    r"(?P<lead>[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++[ \t>]*+)?)"
    r"(?P<fence>`{3,}(?=[^`\n]*$)|~{3,})(?P<info>[^\n]*)"
)
_LANGUAGE = re.compile(r"[\w+#.\-]{1,30}")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_QUOTE = re.compile(r"[ \t]*>[ \t]?")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Prose:
    """A stretch of text outside fences, whole lines."""

    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block: `opener` is its first line, `content` what a reader sees."""

    start: int
    text: str
    opener: str
    lead: str
    language: str
    content: str
    is_closed: bool


def chunks(markdown: str) -> Iterator[Prose | Fence]:
    """Split into prose and fences; joined together, their texts are `markdown`."""
    # Markdown's lines end with \n alone; str.splitlines knows ten more ends.
    lines = _LINE.findall(markdown)
    offset = start = index = 0
    while index < len(lines):
        opener = _OPENER.match(lines[index].rstrip("\n"))
        if opener is None:
            offset += len(lines[index])
            index += 1
            continue
        if offset > start:
            yield Prose(start, markdown[start:offset])
        count, closed = _fence_length(lines, index, opener)
        text = "".join(lines[index : index + count])
        yield _fence(offset, text, lines[index : index + count], opener, closed=closed)
        offset += len(text)
        start, index = offset, index + count
    if offset > start:
        yield Prose(start, markdown[start:])


def finished(markdown: str) -> int:
    """How much at the beginning of a growing text stands apart from all that follows.

    That ends with a closed fence, or with an empty line outside of fences: neither code
    nor emphasis, neither a table nor a heading underlined reaches over either.
    """
    end = 0
    for chunk in chunks(markdown):
        if isinstance(chunk, Prose):
            for gap in _BLANK_LINE.finditer(chunk.text):
                end = chunk.start + gap.end()
        elif chunk.is_closed and chunk.text.endswith("\n"):
            end = chunk.start + len(chunk.text)
    return end


def _fence_length(
    lines: list[str], first: int, opener: re.Match[str]
) -> tuple[int, bool]:
    mark = opener["fence"]
    closer = re.compile(rf"[ \t>]*{re.escape(mark)}{re.escape(mark[0])}*[ \t]*")
    quoted = ">" in opener["lead"]
    for index in range(first + 1, len(lines)):
        line = lines[index].rstrip("\n")
        if quoted and not line.lstrip(" \t").startswith(">"):
            return index - first, False
        if closer.fullmatch(line):
            return index - first + 1, True
    return len(lines) - first, False


def _fence(
    start: int, text: str, lines: list[str], opener: re.Match[str], *, closed: bool
) -> Fence:
    body = lines[1:]
    if closed:
        body = body[:-1]
    if ">" in opener["lead"]:
        body = [_QUOTE.sub("", line, count=1) for line in body]
    indent = len(opener["lead"].expandtabs(4)) if ">" not in opener["lead"] else 0
    language = _LANGUAGE.match(opener["info"].strip())
    return Fence(
        start=start,
        text=text,
        opener=lines[0].rstrip("\n"),
        lead=opener["lead"],
        language=language[0] if language else "",
        content="".join(_dedented(line, indent) for line in body),
        is_closed=closed,
    )


def _dedented(line: str, indent: int) -> str:
    expanded = line.expandtabs(4) if line[:1] == "\t" else line
    spaces = len(expanded) - len(expanded.lstrip(" "))
    return expanded[min(indent, spaces) :]
