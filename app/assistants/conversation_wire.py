"""The requests about conversations at the provider that are answered at once."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from openai import AsyncOpenAI

from app.assistants import failures
from app.assistants.conversation_items import Held
from app.assistants.patience import Limits
from app.assistants.responses_input import InputItem
from app.assistants.short_requests import (
    ShortRequests,
    read,
    status_of,
    was_refused,
)
from app.assistants.wire_errors import Id
from app.errors import AssistantError

# OpenAI, Conversations API: so many items may be added at a time.
MOST_AT_ONCE = 20

_PAGE = 100
_REFUSED, _NOT_FOUND, _NO_SUCH_METHOD = 400, 404, 405
_CONVERSATION = re.compile(r"\bconversation\b", re.IGNORECASE)
# The server has no code for it, only these words.
_UNPAIRED = re.compile(
    r"no tool (?:call found for function call output"
    r"|output found for function call)",
    re.IGNORECASE,
)


class _Created(msgspec.Struct):
    id: Id


class _Page(msgspec.Struct):
    data: list[dict[str, Any]]
    has_more: bool = False


_created = msgspec.json.Decoder(_Created)
_page = msgspec.json.Decoder(_Page)


class ConversationWire:
    """Begins conversations, adds to them, and looks at what they hold.

    Raises AssistantError, and TimeoutError once the deadline, in the loop's time, has
    passed.
    """

    def __init__(self, client: AsyncOpenAI, limits: Limits) -> None:
        self._requests = ShortRequests(client, limits, {})

    async def create(
        self, items: Sequence[InputItem], name: str, *, deadline: float
    ) -> str:
        """Begin a conversation with at most twenty items; return its id."""
        body = {"items": list(items), "metadata": {"threadline_thread": name}}
        try:
            answer = await self._requests.post(
                "/conversations", body, deadline=deadline
            )
        except AssistantError as error:
            if status_of(error) in (_NOT_FOUND, _NO_SUCH_METHOD):
                raise failures.no_conversations() from error
            raise
        return read(_created, answer).id

    async def add(
        self, conversation_id: str, items: Sequence[InputItem], *, deadline: float
    ) -> None:
        """Let at most twenty items follow in a conversation."""
        body = {"items": list(items)}
        path = _items_path(conversation_id)
        await self._requests.post(path, body, deadline=deadline)

    async def newest(self, conversation_id: str, *, deadline: float) -> Held:
        """Return the newest hundred items."""
        asked = urlencode({"order": "desc", "limit": _PAGE})
        path = f"{_items_path(conversation_id)}?{asked}"
        page = await self._requests.get(path, _page, deadline=deadline)
        return Held(items=page.data[::-1], is_whole=not page.has_more)


def is_gone(error: AssistantError) -> bool:
    """Whether the server does not have the conversation any more."""
    return was_refused(error, _NOT_FOUND, _CONVERSATION)


def is_locked(error: AssistantError) -> bool:
    """Whether another response is being written in the conversation."""
    return error.code == "conversation_locked"


def is_unpaired(error: AssistantError) -> bool:
    """Whether calls and outputs in the conversation do not belong together."""
    return was_refused(error, _REFUSED, _UNPAIRED)


def _items_path(conversation_id: str) -> str:
    return f"/conversations/{quote(conversation_id, safe='')}/items"
