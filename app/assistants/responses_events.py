"""The events of the Responses API that are read, with no more than is read of them."""

from typing import Any

import msgspec

from app.assistants.sse import ServerEvent
from app.assistants.wire_errors import ErrorBody, ErrorHappened

Item = dict[str, Any]


class ResponseBody(msgspec.Struct):
    """A response as it stands."""

    status: str | None = None
    output: list[Item] | None = None
    error: ErrorBody | str | None = None
    incomplete_details: dict[str, Any] | None = None
    usage: Any = None


class ResponseChanged(msgspec.Struct):
    """The response has another status."""

    response: ResponseBody


class ItemAdded(msgspec.Struct):
    """An output item begins."""

    item: Item
    output_index: int = 0


class ItemDone(msgspec.Struct):
    """An output item is complete."""

    item: Item
    output_index: int = 0


class TextAdded(msgspec.Struct):
    """More text of an output item, be it an answer or a refusal."""

    delta: str = ""
    output_index: int = 0


class _Untyped(msgspec.Struct):
    type: str | None = None
    error: Any = None


WireEvent = ResponseChanged | ItemAdded | ItemDone | TextAdded | ErrorHappened

ENDINGS = {
    "response.completed": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
_STRUCTS: dict[str, type[WireEvent]] = {
    "response.created": ResponseChanged,
    "response.queued": ResponseChanged,
    "response.in_progress": ResponseChanged,
    **dict.fromkeys(ENDINGS, ResponseChanged),
    "response.output_item.added": ItemAdded,
    "response.output_item.done": ItemDone,
    "response.output_text.delta": TextAdded,
    "response.refusal.delta": TextAdded,
    "error": ErrorHappened,
}
_DECODERS = {name: msgspec.json.Decoder(struct) for name, struct in _STRUCTS.items()}
_untyped = msgspec.json.Decoder(_Untyped)


def read_event(event: ServerEvent) -> tuple[str, WireEvent] | None:
    """Return the event's name and what is read of it, None if it is of no interest.

    The name is the server-sent one, else the data's `type`. Raises one of UNREADABLE
    when the data is not what its name promises.
    """
    name = event.name
    decoder = _DECODERS.get(name)
    if decoder is None:
        name = _name_in(event.data)
        decoder = _DECODERS.get(name)
        if decoder is None:
            return None
    return name, decoder.decode(event.data)


def _name_in(data: bytes) -> str:
    if not data.startswith(b"{"):
        return ""
    untyped = _untyped.decode(data)
    if untyped.type is None and untyped.error is not None:
        return "error"
    return untyped.type or ""
