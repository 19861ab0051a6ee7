"""The last look at everything that is about to be sent to Slack."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.errors import UnsafePayload
from app.slack.blocks import Payload

# Slack: docs.slack.dev/reference/block-kit/blocks. The Markdown of a message counts
# together; all blocks together must stay below some 13,000, which is not documented.
_MAX_MARKDOWN = 12_000
_MAX_TEXT = 4_000
_MAX_SECTION = 3_000
_MAX_BLOCKS = 50
_MAX_ATTACHMENTS = 20

_BLOCKS = frozenset({"markdown", "section", "context", "actions"})
_NEVER = frozenset({"image_url", "thumb_url", "url", "title_link", "slack_file"})
_READ_BY_PEOPLE = frozenset({"text", "fallback"})
_PERSON = re.compile(r"[UW][A-Z0-9]{1,31}")
MOST_CALLED = 5


def check(payload: Payload) -> None:
    """Let `payload` pass, or raise UnsafePayload.

    Whatever people read is neutralised before it comes here, so that no `<` is left:
    with it goes every token that Slack would act on. The one exception is the opening
    of a payload that `calls` people by their ids. Pictures and link buttons have no
    place in a reply at all.
    """
    opening = call_to(payload.calls)
    if len(payload.text) > _MAX_TEXT or not payload.text.strip():
        raise UnsafePayload("the text is empty or too long")
    attachments = payload.attachments or ()
    if len(payload.blocks) > _MAX_BLOCKS or len(attachments) > _MAX_ATTACHMENTS:
        raise UnsafePayload("too many blocks or attachments")
    _check_blocks(payload.blocks)
    for attachment in attachments:
        _check_blocks(attachment.get("blocks", ()))
    shown = {"text": payload.text, "blocks": payload.blocks, "more": attachments}
    for key, value in _strings(shown, ""):
        is_live = key in _READ_BY_PEOPLE and "<" in value.removeprefix(opening)
        if key in _NEVER or is_live:
            raise UnsafePayload(f"`{key}` is live")


def call_to(user_ids: Sequence[str]) -> str:
    """The opening of a text that calls these people; raises UnsafePayload."""
    if len(user_ids) > MOST_CALLED or not all(map(_PERSON.fullmatch, user_ids)):
        raise UnsafePayload("only a few people can be called, and only people")
    return "".join(f"<@{user_id}> " for user_id in user_ids)


def check_text(text: str) -> None:
    """Let a message that is only text pass, or raise UnsafePayload."""
    check(Payload(text=text, blocks=()))


def check_markdown(text: str, blocks: Sequence[Mapping[str, Any]] = ()) -> None:
    """Let a piece of Markdown pass, with blocks below it, or raise UnsafePayload."""
    body = ({"type": "markdown", "text": text},) if text else ()
    check(Payload(text="A stream", blocks=(*body, *blocks)))


def _check_blocks(blocks: Any) -> None:  # noqa: ANN401 - as Slack's JSON has it
    markdown = 0
    for block in blocks:
        if block.get("type") not in _BLOCKS:
            raise UnsafePayload("a block of this type is not for replies")
        size = sum(len(value) for key, value in _strings(block, "") if key == "text")
        if block["type"] == "markdown":
            markdown += size
        elif block["type"] == "section" and "fields" not in block:
            _require(size <= _MAX_SECTION)
    _require(markdown <= _MAX_MARKDOWN)


def _require(fits: bool) -> None:
    if not fits:
        raise UnsafePayload("a block is too long")


def _strings(value: object, key: str) -> Iterator[tuple[str, str]]:
    match value:
        case str():
            yield key, value
        case Mapping():
            for name, child in value.items():
                yield from _strings(child, str(name))
        case list() | tuple():
            for child in value:
                yield from _strings(child, key)
        case _:
            pass
