"""What output items say; servers wrote them, so nothing is known of their shape."""

from collections.abc import Mapping
from typing import Any


def text_in(content: object) -> str:
    """Return what a message's content says, in text or as a refusal."""
    match content:
        case str():
            return content
        case list():
            return "".join(map(_words_of, content))
    return ""


def parts_in(content: object) -> list[Mapping[str, Any]]:
    """Return the parts of a message's content."""
    parts = content if isinstance(content, list) else ()
    return [part for part in parts if isinstance(part, dict)]


def _words_of(part: object) -> str:
    match part:
        case {"text": str(text)} if text:
            return text
        case {"refusal": str(text)}:
            return text
    return ""
