"""The requests about conversations at the provider that are answered at once."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
import openai
from openai import AsyncOpenAI

from app.assistants import failures
from app.assistants.conversation_items import Held
from app.assistants.patience import Limits
from app.assistants.responses_input import InputItem
from app.assistants.streaming import ask
from app.assistants.wire_errors import UNREADABLE, Id
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

_Body = TypeVar("_Body")


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
        self._client = client
        self._limits = limits

    async def create(
        self, items: Sequence[InputItem], name: str, *, deadline: float
    ) -> str:
        """Begin a conversation with at most twenty items; return its id."""
        body = {"items": list(items), "metadata": {"threadline_thread": name}}
        try:
            answer = await self._ask("/conversations", body, deadline=deadline)
        except AssistantError as error:
            if _status(error) in (_NOT_FOUND, _NO_SUCH_METHOD):
                raise failures.no_conversations() from error
            raise
        return _read(_created, answer).id

    async def add(
        self, conversation_id: str, items: Sequence[InputItem], *, deadline: float
    ) -> None:
        """Let at most twenty items follow in a conversation."""
        body = {"items": list(items)}
        await self._ask(_items_path(conversation_id), body, deadline=deadline)

    async def newest(self, conversation_id: str, *, deadline: float) -> Held:
        """Return the newest hundred items."""
        asked = urlencode({"order": "desc", "limit": _PAGE})
        path = f"{_items_path(conversation_id)}?{asked}"
        page = _read(_page, await self._ask(path, deadline=deadline))
        return Held(items=page.data[::-1], is_whole=not page.has_more)

    async def _ask(
        self, path: str, body: Mapping[str, Any] | None = None, *, deadline: float
    ) -> bytes:
        return await ask(
            self._client,
            path,
            body,
            headers={},
            limits=self._limits,
            deadline=deadline,
        )


def is_gone(error: AssistantError) -> bool:
    """Whether the server does not have the conversation any more."""
    cause = error.__cause__
    return (
        isinstance(cause, openai.APIStatusError)
        and cause.status_code == _NOT_FOUND
        and _CONVERSATION.search(cause.message) is not None
    )


def is_locked(error: AssistantError) -> bool:
    """Whether another response is being written in the conversation."""
    return error.code == "conversation_locked"


def is_unpaired(error: AssistantError) -> bool:
    """Whether calls and outputs in the conversation do not belong together."""
    cause = error.__cause__
    return (
        isinstance(cause, openai.APIStatusError)
        and cause.status_code == _REFUSED
        and _UNPAIRED.search(cause.message) is not None
    )


def _items_path(conversation_id: str) -> str:
    return f"/conversations/{quote(conversation_id, safe='')}/items"


def _status(error: AssistantError) -> int | None:
    cause = error.__cause__
    return cause.status_code if isinstance(cause, openai.APIStatusError) else None


def _read(decoder: msgspec.json.Decoder[_Body], found: bytes) -> _Body:
    try:
        return decoder.decode(found)
    except UNREADABLE as error:
        raise failures.unreadable() from error
