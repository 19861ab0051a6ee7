"""Text on its way out and in.

Slack reads its own tokens (`<!channel>`, `<@U1>`, `<url|label>`) inside Markdown too,
and makes links of bare addresses. So everything that a model or a person wrote goes
through `neutralise` or `escape_mrkdwn` before it is sent, whole, on every render.
"""

import re
from collections.abc import Mapping

from app.slack.links import (
    LinkPolicy,
    address_at,
    is_host,
    scheme_start,
)
from app.slack.markdown import Fence, Prose, chunks

__all__ = [
    "LinkPolicy",
    "escape_mrkdwn",
    "has_address",
    "neutralise",
    "plain_text",
    "readable",
]

_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
_HIDDEN = re.compile(
    f"({_FLAG})|"
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028\u2029"
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_PARAGRAPH_GAP = re.compile(r"(\n[ \t]*\n\s*)")
_INTERESTING = re.compile(
    r"(?P<mark>[\\`<&\[\]])"
    r"|(?P<scheme>(?<![A-Za-z0-9+.\-])[A-Za-z0-9+.\-]++\\?:\\?/\\?/)"
    r"|(?P<dotted>(?<![\w\-])[\w\-]++(?:\\?\.[\w\-]++)++)"
)
_AUTOLINK = re.compile(r"<(https?://[^\s<>]*)>", re.IGNORECASE)
_ENTITY = re.compile(r"&(?=#|(?!(?:lt|gt|amp);)[A-Za-z][A-Za-z0-9]*;)")
_DESTINATION = re.compile(
    r"\(\s*(?:<(?P<angled>[^<>\n]*)>|(?P<bare>(?:[^\s()<>\\]|\([^\s()<>\\]*\))*))"
    r"(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?\s*\)"
)
_WEB = re.compile(r"https?://", re.IGNORECASE)
_TICKS = re.compile(r"`+")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def neutralise(text: str, links: LinkPolicy) -> str:
    """Make Markdown safe to stand in a `markdown` block.

    Links are live only as `links` allows, others become code beside their label;
    images become text. Fences are written anew at the left edge, each closed, so that
    every parser agrees on what is code.
    """
    out = [_block(chunk, links) for chunk in chunks(readable(text))]
    return "".join(out)


def escape_mrkdwn(text: str) -> str:
    """Make plain text safe to stand in mrkdwn: a context line, a card, a fallback.

    No address is live there. Slack: `&`, `<` and `>` are to be escaped.
    """
    out: list[str] = []
    position = 0
    text = readable(text).replace("`", "'")
    for start, end in _addresses(text):
        out += (_escaped(text[position:start]), f"`{_escaped(text[start:end])}`")
        position = end
    return "".join(out) + _escaped(text[position:])


def readable(text: str) -> str:
    """Drop what cannot be seen: controls, bidi overrides, tag and zero-width signs.

    Halves of a surrogate pair that meet are joined; a lonely half becomes U+FFFD.
    """
    if _SURROGATE.search(text):
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _HIDDEN.sub(lambda match: match[1] or "", text)


def has_address(text: str) -> bool:
    """Whether Slack might make a link of anything in `text`."""
    return bool(_addresses(text))


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _addresses(text: str) -> list[tuple[int, int]]:
    found = []
    position = 0
    while match := _INTERESTING.search(text, position):
        position = match.end()
        if match["mark"]:
            continue
        start = match.start()
        if match["scheme"]:
            start = scheme_start(text, start, position)
        elif not is_host(text, start, match["dotted"]):
            continue
        position = max(address_at(text, start).end, start + 1)
        found.append((start, position))
    return found


def _block(chunk: Prose | Fence, links: LinkPolicy) -> str:
    if isinstance(chunk, Fence):
        return _fence(chunk)
    parts = _PARAGRAPH_GAP.split(chunk.text)
    return "".join(
        part if index % 2 else _Paragraph(part, links).safe()
        for index, part in enumerate(parts)
    )


def _fence(fence: Fence) -> str:
    longest = max((len(run) for run in _TICKS.findall(fence.content)), default=0)
    mark = "`" * max(3, longest + 1)
    content = fence.content.replace("<", "&lt;")
    if content and not content.endswith("\n"):
        content += "\n"
    ending = "\n" if fence.text.endswith("\n") or not fence.is_closed else ""
    marker = fence.lead.replace(">", "").strip()
    item = f"{marker}\n" if marker else ""
    return f"{item}{mark}{fence.language}\n{content}{mark}{ending}"


class _Paragraph:
    """One paragraph being made safe, in a single pass from left to right."""

    def __init__(self, text: str, links: LinkPolicy) -> None:
        self._text = text
        self._links = links
        self._out: list[str] = []
        self._brackets: list[tuple[int, int]] = []

    def safe(self) -> str:
        """The paragraph as it may be sent."""
        text, position = self._text, 0
        while match := _INTERESTING.search(text, position):
            self._put(text[position : match.start()])
            if match["mark"]:
                position = self._mark(match.start(), match["mark"])
            elif match["scheme"]:
                start = scheme_start(text, match.start(), match.end())
                self._put(text[match.start() : start])
                position = self._bare(start, glued=start > match.start())
            elif is_host(text, match.start(), match["dotted"]):
                position = self._bare(match.start())
            else:
                self._put(match["dotted"])
                position = match.end()
        self._put(text[position:])
        return "".join(self._out)

    def _mark(self, at: int, mark: str) -> int:
        match mark:
            case "\\":
                return self._backslash(at)
            case "`":
                return self._code(at)
            case "<":
                return self._angle(at)
            case "&":
                self._put("&amp;" if _ENTITY.match(self._text, at) else "&")
            case "[":
                self._brackets.append((len(self._out), at))
                self._put("[")
            case _:
                return self._closing_bracket(at)
        return at + 1

    def _backslash(self, at: int) -> int:
        following = self._text[at + 1 : at + 2]
        if following in ("<", "&"):
            self._put("&lt;" if following == "<" else "&amp;")
        elif following and following in _PUNCTUATION:
            self._put("\\" + following)
        else:
            self._put("\\")
            return at + 1
        return at + 2

    def _code(self, at: int) -> int:
        text = self._text
        ticks = _TICKS.match(text, at)
        run = ticks[0] if ticks else "`"
        closer = re.compile(rf"(?<!`){run}(?!`)").search(text, at + len(run))
        line_end = text.find("\n", at)
        if closer is None or (line_end >= 0 and closer.start() > line_end):
            self._put("\\`" * len(run))
            return at + len(run)
        content = text[at + len(run) : closer.start()]
        # A table's cells end at a pipe even inside code, which would set the rest free.
        for index, cell in enumerate(
            content.split("|") if _addresses(content) else [content]
        ):
            if index:
                self._put("|")
            if cell.strip():
                self._put_code(run + cell.replace("<", "&lt;") + run)
        return closer.end()

    def _angle(self, at: int) -> int:
        autolink = _AUTOLINK.match(self._text, at)
        if autolink is None:
            self._put("&lt;")
            return at + 1
        address = autolink[1]
        if self._links.allows_bare(address):
            self._put(f"[{address}]({address})")
        else:
            self._put_code(_as_code(address))
        return autolink.end()

    def _closing_bracket(self, at: int) -> int:
        opened = self._brackets.pop() if self._brackets else None
        following = self._text[at + 1 : at + 2]
        if following == ":":
            # Reference definitions could give a link to any label elsewhere.
            self._put("]\\:")
            return at + 2
        if following != "(":
            self._put("]")
            return at + 1
        destination = _DESTINATION.match(self._text, at + 1)
        address = destination["angled"] or destination["bare"] if destination else ""
        if opened is None or destination is None or not _WEB.match(address or ""):
            self._put("]\\(")
            return at + 2
        self._link(opened, at, address)
        return destination.end()

    def _link(self, opened: tuple[int, int], at: int, address: str) -> None:
        index, start = opened
        label = "".join(self._out[index + 1 :])
        raw_label = self._text[start + 1 : at].strip()
        del self._out[index:]
        is_image = bool(self._out) and self._out[-1].endswith("!") and start > 0
        if is_image:
            self._out[-1] = self._out[-1][:-1]
        if raw_label in ("", address):
            self._address(address)
        elif is_image or _addresses(raw_label) or not self._links.allows(address):
            self._put_code(label) if label.startswith("`") else self._put(label)
            self._put(" (")
            self._address(address)
            self._put(")")
        else:
            self._put(f"[{label}]({address})")

    def _address(self, address: str) -> None:
        if self._links.allows_bare(address):
            self._put(f"[{address}]({address})")
        else:
            self._put_code(_as_code(address))

    def _bare(self, start: int, *, glued: bool = False) -> int:
        found = address_at(self._text, start)
        if not found.text:
            self._put(self._text[start])
            return start + 1
        is_free = found.stands_alone and not glued
        if is_free and self._links.allows_bare(found.text):
            self._put(found.text)
        else:
            self._put_code(_as_code(found.text))
        return found.end

    def _put(self, piece: str) -> None:
        if piece:
            self._out.append(piece)

    def _put_code(self, code: str) -> None:
        before = self._out[-1] if self._out else ""
        # A backtick or an odd backslash just before would change what is code.
        if before.endswith("`") or len(before) - len(before.rstrip("\\")) == 1:
            self._put(" ")
        self._put(code)


def _as_code(address: str) -> str:
    safe = address.replace("|", "%7C").replace("<", "&lt;").replace("`", "%60")
    return f"`{safe}`"


_TOKEN = re.compile(r"<([^<>]*)>")
_BROADCASTS = frozenset({"here", "channel", "everyone"})


def plain_text(raw: str, names: Mapping[str, str]) -> str:
    """What a person wrote, as people read it.

    Slack's tokens become words (`names` maps user and channel ids), its escapes are
    undone, and signs that cannot be seen are dropped.
    """
    out: list[str] = []
    position = 0
    for token in _TOKEN.finditer(raw):
        out.append(_unescaped(raw[position : token.start()]))
        target, _, label = token[1].partition("|")
        out.append(_spoken(_unescaped(target), _unescaped(label), names))
        position = token.end()
    out.append(_unescaped(raw[position:]))
    return readable("".join(out)).strip()


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _spoken(target: str, label: str, names: Mapping[str, str]) -> str:
    kind, name = target[:1], target[1:]
    match kind:
        case "@":
            return "@" + (names.get(name) or label or name).removeprefix("@")
        case "#":
            return "#" + (label or names.get(name) or name).removeprefix("#")
        case "!":
            word = name.partition("^")[0]
            if word in _BROADCASTS:
                return "@" + word
            return label or {"subteam": "@group", "date": "a date"}.get(word, word)
    address = target.removeprefix("mailto:").removeprefix("tel:")
    without_scheme = re.sub(r"^https?://", "", address)
    if not label or label.rstrip("/") in (address, without_scheme.rstrip("/")):
        return address
    return f"{label} ({address})"
