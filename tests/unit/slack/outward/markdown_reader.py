"""A reader with a real Markdown parser: what would be live in a `markdown` block."""

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_TOKEN = re.compile(r"<[!@#a-zA-Z/]")
_BARE = re.compile(r"(?:[a-z][a-z0-9+.\-]*://|www\.)\S+", re.IGNORECASE)
_END = ".,;:!?'\"*_~)]}>|"


def live(markdown: str) -> list[str]:
    """Everything in `markdown` that Slack could fetch, ping or link."""
    found = _TOKEN.findall(markdown)
    for token in _flat(_PARSER.parse(markdown)):
        match token.type:
            case "link_open":
                found.append(str(token.attrs["href"]))
            case "image":
                found.append("image " + str(token.attrs["src"]))
            case "html_block" | "html_inline":
                found.append("html " + token.content)
            case "text":
                found += [bare.rstrip(_END) for bare in _BARE.findall(token.content)]
    return found


def shown(markdown: str) -> str:
    """The words that a person reads."""
    pieces = []
    for token in _flat(_PARSER.parse(markdown)):
        if token.type in ("text", "code_inline", "fence", "code_block"):
            pieces.append(token.content.replace("&lt;", "<"))
        elif token.type in ("softbreak", "hardbreak", "paragraph_close"):
            pieces.append("\n")
    return "".join(pieces)


def _flat(tokens: list[Token]) -> list[Token]:
    out = []
    for token in tokens:
        if token.children:
            out += _flat(token.children)
        elif token.type != "inline":
            out.append(token)
    return out
