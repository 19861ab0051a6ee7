"""Half-written Markdown, made whole for an interim look at it."""

import re

from app.slack.markdown import Fence, chunks

_ADDRESS_START = re.compile(
    r"(?<![a-z0-9+.\-])[0-9+.\-]*+([a-z][a-z0-9+.\-]*+:)|www\.", re.IGNORECASE
)
_HALF_LINK = re.compile(r"!?\[([^\[\]\n]*)\](?:\([^()\s]*)\Z")
_HALF_FENCE = re.compile(r"(?:\A|(?<=\n))[ \t>]*(?:`{1,2}|~{1,2})\Z")
# Emphasis does not reach over these.
_BLOCK_START = re.compile(
    r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+]|\d{1,9}[.)]|#{1,6}|>)[ \t]|\|)"
)
_CODE = re.compile(r"(?<!`)(`+)(?!`)([^\n]*?)(?<!`)\1(?!`)")
_OPEN_CODE = re.compile(r"(?<![`\\])(`+)(?!`)([^\n]*)\Z")
_EMPHASIS = re.compile(
    r"\\.|(?P<mark>\*{1,3}|(?<!\w)_{1,2}|_{1,2}(?!\w)|~~)", re.DOTALL
)
_ROW = re.compile(r"[ \t]*\|")
_MARKS_AT_END = re.compile(r"(?:^|(?<=[\s(]))(?:\*{1,3}|_{1,2}|~{1,2})\Z|(?<!~)~\Z")


_HALF_BRACKETS = re.compile(r"\[[^\[\]\n]*\Z|\]\([^()\n]*\Z")
# A mark that is further away than this may well be none.
_NEAR = 240


def is_whole(block: str) -> bool:
    """Whether nothing near the end of `block` is begun and not ended.

    That is code, emphasis or a link. `block` is one paragraph, or item, as far as read.
    """
    bare = _CODE.sub(lambda match: "x" * len(match[0]), block)
    near = bare[-_NEAR:]
    return not (
        _OPEN_CODE.search(bare) or _HALF_BRACKETS.search(near) or _open_marks(near)
    )


def last_block_start(text: str) -> int:
    """Where the last paragraph, item, heading or row of a prose begins."""
    start = 0
    for block in _BLOCK_START.finditer(text):
        start = block.end()
    return start


def heal(markdown: str) -> str:
    """Close or hide what is only half there: fences, code, emphasis, links, tables.

    Only for looks while the text still grows; a final text is shown as it is.
    """
    pieces = list(chunks(markdown))
    if not pieces or isinstance(pieces[-1], Fence):
        return markdown
    return markdown[: pieces[-1].start] + _healed(pieces[-1].text)


def _healed(text: str) -> str:
    text = _HALF_FENCE.sub("", _without_half_table(text))
    if text and "\ud800" <= text[-1] <= "\udbff":
        text = text[:-1]
    text = _HALF_LINK.sub(r"\1", text)
    start = last_block_start(text)
    return text[:start] + _closed(_without_half_address(text[start:]))


def _without_half_table(text: str) -> str:
    """Hide a table's unfinished row, and a head that has no rule below it yet."""
    lines = text.split("\n")
    first = len(lines)
    while first and _ROW.match(lines[first - 1]):
        first -= 1
    if first == len(lines) or lines[-1] == "":
        rows = _rows_before_end(lines)
        return text if rows != 1 else "\n".join([*lines[:-2], ""])
    whole = lines[first:-1]
    kept = lines[:first] + (whole if len(whole) > 1 else [])
    return "\n".join([*kept, ""]) if kept else ""


def _rows_before_end(lines: list[str]) -> int:
    index = len(lines) - 1
    while index and _ROW.match(lines[index - 1]):
        index -= 1
    return len(lines) - 1 - index if lines[-1] == "" else 0


def _without_half_address(paragraph: str) -> str:
    bare = _CODE.sub(lambda match: "x" * len(match[0]), paragraph)
    if bare[-1:].isspace():
        return paragraph
    last = len(bare) - len("".join(bare.rsplit(maxsplit=1)[-1:]))
    match = _ADDRESS_START.search(bare, last)
    if match is None or _OPEN_CODE.search(bare):
        return paragraph
    start = match.start(1) if match[1] else match.start()
    return paragraph[:start].rstrip("([<\"'")


def _closed(paragraph: str) -> str:
    bare = _CODE.sub(lambda match: "x" * len(match[0]), paragraph)
    code = _OPEN_CODE.search(bare)
    if code is not None:
        content = code[2].strip()
        paragraph = paragraph[: code.start()] if not content else paragraph.rstrip()
        bare = bare[: code.start()]
        if content:
            return paragraph + code[1] + "".join(reversed(_open_marks(bare)))
    paragraph = _MARKS_AT_END.sub("", paragraph)
    marks = _open_marks(bare[: len(paragraph)])
    if not marks:
        return paragraph
    if len(marks[-1]) > 1 and paragraph.endswith(marks[-1][0]):
        paragraph = paragraph[:-1]
    return paragraph.rstrip() + "".join(reversed(marks))


def _open_marks(text: str) -> list[str]:
    opened: list[str] = []
    for match in _EMPHASIS.finditer(text):
        mark = match["mark"]
        if mark is None:
            continue
        before = text[match.start() - 1 : match.start()] or " "
        after = text[match.end() : match.end() + 1] or " "
        if mark in opened and not before.isspace():
            del opened[opened.index(mark) :]
        elif not after.isspace():
            opened.append(mark)
    return opened
