"""What Slack checks in a message before it takes it; each failure has its code."""

import json
import re
import secrets
from dataclasses import dataclass

from app.sandbox import blocks as block_kit
from app.sandbox.records import Json
from app.sandbox.refusal import Refused

# Slack: a longer text of a post is cut without a word.
POST_TEXT_LENGTH = 40_000
# Slack: chat.update takes less, counted in bytes after `&` is escaped.
UPDATE_TEXT_BYTES = 4_000
ATTACHMENTS = 100
FOOTER_LENGTH = 300
METADATA_BYTES = 16_000

_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt);)")
_COLOR = re.compile(r"^(?:good|warning|danger|#?[0-9a-fA-F]{6}|#?[0-9a-fA-F]{3})$")
_EVENT_TYPE = re.compile(r"^[A-Za-z0-9_.:-]{1,255}$")
_CONTENT = (
    "text",
    "fallback",
    "blocks",
    "title",
    "pretext",
    "fields",
    "image_url",
    "thumb_url",
    "author_name",
    "footer",
    "actions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a message is to show; None where the caller said nothing."""

    text: str | None
    blocks: tuple[Json, ...] | None
    attachments: tuple[Json, ...] | None
    metadata: Json | None

    @property
    def is_empty(self) -> bool:
        """Whether there would be nothing to show."""
        return (
            not (self.text or "").strip() and not self.blocks and not self.attachments
        )


def checked_content(
    *,
    text: str | None,
    blocks: object,
    attachments: object,
    metadata: object,
    markdown_text: str | None,
) -> Content:
    """Return the content if Slack would take it; raises Refused with Slack's code."""
    if markdown_text is not None:
        if text is not None or blocks is not None:
            raise Refused("markdown_text_conflict")
        if len(markdown_text) > block_kit.MARKDOWN_LENGTH:
            raise Refused("msg_too_long")
        text, blocks = markdown_text, [{"type": "markdown", "text": markdown_text}]
    checked_blocks = None if blocks is None else _blocks(blocks)
    checked_attachments = None if attachments is None else _attachments(attachments)
    _together(checked_blocks or [], checked_attachments or [])
    return Content(
        text=text,
        blocks=None if checked_blocks is None else with_ids(checked_blocks),
        attachments=_numbered(checked_attachments),
        metadata=_metadata(metadata),
    )


def checked_update_text(text: str | None) -> str | None:
    """Return the text if `chat.update` takes it; raises Refused."""
    if text is not None:
        escaped = _BARE_AMPERSAND.sub("&amp;", text)
        if len(escaped.encode()) > UPDATE_TEXT_BYTES:
            raise Refused("msg_too_long")
    return text


def with_ids(blocks: list[Json]) -> tuple[Json, ...]:
    """Give every block an id, as Slack does where none was sent."""
    return tuple({"block_id": secrets.token_urlsafe(4), **block} for block in blocks)


def decoded(value: object, code: str) -> object:
    """Return JSON sent as a string, as forms do, decoded; raises Refused."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except ValueError:
        raise Refused(code) from None


def _blocks(value: object) -> list[Json]:
    blocks = decoded(value, "invalid_blocks_format")
    if blocks is None:
        return []
    if not isinstance(blocks, list):
        raise Refused("invalid_blocks_format")
    faults = block_kit.faults(blocks, where="/blocks")
    if faults:
        raise Refused("invalid_blocks", faults)
    return blocks


def _attachments(value: object) -> list[Json]:
    attachments = decoded(value, "invalid_attachments")
    if attachments is None:
        return []
    if not isinstance(attachments, list):
        raise Refused("invalid_attachments")
    if len(attachments) > ATTACHMENTS:
        raise Refused("too_many_attachments")
    faults = []
    for index, attachment in enumerate(attachments):
        faults += _attachment_faults(attachment, f"/attachments/{index}")
    if faults:
        raise Refused("invalid_attachments", faults)
    return attachments


def _attachment_faults(attachment: object, at: str) -> list[str]:
    if not isinstance(attachment, dict):
        return [f"must be an object [json-pointer:{at}]"]
    if not any(attachment.get(name) for name in _CONTENT):
        return [f"no content [json-pointer:{at}]"]
    color = attachment.get("color")
    if color is not None and not _COLOR.match(str(color)):
        return [f"not a color [json-pointer:{at}/color]"]
    if len(str(attachment.get("footer") or "")) > FOOTER_LENGTH:
        return [f"no more than {FOOTER_LENGTH} characters [json-pointer:{at}/footer]"]
    if attachment.get("blocks") is None:
        return []
    return block_kit.faults(attachment["blocks"], where=f"{at}/blocks")


def _together(blocks: list[Json], attachments: list[Json]) -> None:
    everything = list(blocks)
    for attachment in attachments:
        everything += attachment.get("blocks") or []
    if block_kit.tables(everything) > 1:
        raise Refused("invalid_blocks", ["only_one_table_allowed"])
    is_too_long = (
        block_kit.length(everything) > block_kit.ALL_BLOCKS_LENGTH
        or block_kit.markdown_length(everything) > block_kit.MARKDOWN_LENGTH
    )
    if is_too_long:
        raise Refused("msg_blocks_too_long")


def _numbered(attachments: list[Json] | None) -> tuple[Json, ...] | None:
    if attachments is None:
        return None
    return tuple(
        {**attachment, "id": number, **_inner_ids(attachment)}
        for number, attachment in enumerate(attachments, start=1)
    )


def _inner_ids(attachment: Json) -> Json:
    if not attachment.get("blocks"):
        return {}
    return {"blocks": list(with_ids(attachment["blocks"]))}


def _metadata(value: object) -> Json | None:
    metadata = decoded(value, "invalid_metadata_format")
    match metadata:
        case None:
            return None
        case {"event_type": str() as event_type, "event_payload": dict()} if (
            _EVENT_TYPE.match(event_type) and isinstance(metadata, dict)
        ):
            if len(json.dumps(metadata)) > METADATA_BYTES:
                raise Refused("metadata_too_large")
            return metadata
        case _:
            raise Refused("invalid_metadata_format")
