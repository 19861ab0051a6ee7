"""Long lists, page by page."""

import base64
import binascii
from typing import Any

from app.sandbox.records import Json
from app.sandbox.refusal import Refused
from app.sandbox.web_api.calls import ApiCall

_MOST = 1000


def page(
    call: ApiCall, items: list[Any], name: str, *, default: int, most: int = _MOST
) -> Json:
    """Return the page that the call's `cursor` and `limit` ask for; raises Refused."""
    start = _start(call.arguments.text("cursor") or "")
    limit = call.arguments.number("limit", default, most)
    rest = items[start + limit :]
    cursor = base64.b64encode(f"next:{start + limit}".encode()).decode() if rest else ""
    return {
        name: items[start : start + limit],
        "response_metadata": {"next_cursor": cursor},
    }


def _start(cursor: str) -> int:
    try:
        word, _, number = (
            base64.b64decode(cursor, validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        raise Refused("invalid_cursor") from None
    if not cursor:
        return 0
    if word != "next" or not number.isdecimal():
        raise Refused("invalid_cursor")
    return int(number)
