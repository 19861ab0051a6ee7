"""Responses and conversations, kept in memory: the newest thousand of each.

A conversation takes the items of a response only once that is complete. What was begun
for a client that hung up is completed all the same, but no conversation holds it: so
OpenAI does it (openai/openai-node, issue 2571).
"""

import secrets
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.sandbox.model.refusals import Refused

Wire = dict[str, Any]
T = TypeVar("T")

KEPT = 1_000
_KEPT_ITEMS = 10_000
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}
_LOCKED = (
    "Another process is currently operating on this conversation. Please retry in a few"
    " seconds."
)


def locked() -> Refused:
    """The refusal of a conversation that is being written in."""
    return Refused(400, _LOCKED, param="conversation", code="conversation_locked")


@dataclass(slots=True, eq=False)
class KeptConversation:
    """A conversation; while it `is_locked` a response is being written in it."""

    wire: Wire
    items: list[Wire] = field(default_factory=list)
    is_locked: bool = False

    def check_free(self) -> None:
        """Raise `Refused` while a response is being written in it."""
        if self.is_locked:
            raise locked()


@dataclass(slots=True, eq=False)
class KeptResponse:
    """A response as it stands, what it was asked, and what had been said before."""

    wire: Wire
    asked: list[Wire]
    before: "KeptResponse | None" = None

    @property
    def items(self) -> list[Wire]:
        """All that was said up to the end of this response."""
        earlier: list[Wire] = []
        kept: KeptResponse | None = self
        while kept:
            earlier[:0] = [*kept.asked, *kept.wire["output"]]
            kept = kept.before
        return earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a request goes on from: a conversation, an earlier response, or nothing."""

    conversation: KeptConversation | None = None
    previous: KeptResponse | None = None

    @property
    def before(self) -> list[Wire]:
        """The items that come before the request's own."""
        if self.conversation:
            return self.conversation.items
        return self.previous.items if self.previous else []


class Shelf:
    """Finds what is kept by its id; raises `Refused` for what is not there."""

    def __init__(self) -> None:
        self._responses: OrderedDict[str, KeptResponse] = OrderedDict()
        self._conversations: OrderedDict[str, KeptConversation] = OrderedDict()
        self._item_ids: OrderedDict[str, None] = OrderedDict()

    @property
    def item_ids(self) -> Collection[str]:
        """The ids of all items that a request may name."""
        return self._item_ids.keys()

    def place(self, body: Mapping[str, Any]) -> Place:
        """Where a request goes on; its conversation is free."""
        named, previous = body.get("conversation"), body.get("previous_response_id")
        if named is not None and previous is not None:
            message = (
                "Mutually exclusive parameters. Ensure you are only providing one of:"
                " 'previous_response_id' or 'conversation'."
            )
            raise Refused(400, message, code="mutually_exclusive_parameters")
        if named is not None:
            wanted = named if isinstance(named, str) else str(named.get("id"))
            conversation = self.conversation(wanted)
            conversation.check_free()
            return Place(conversation=conversation)
        if previous is None:
            return Place()
        if previous not in self._responses:
            message = f"Previous response with id '{previous}' not found."
            code = "previous_response_not_found"
            raise Refused(400, message, param="previous_response_id", code=code)
        return Place(previous=self._responses[previous])

    def response(self, response_id: str) -> KeptResponse:
        """Find a response."""
        return _found(self._responses, response_id, "Response")

    def keep(self, response: KeptResponse) -> None:
        """Keep a response; a client may name its items from now on."""
        self._remember([*response.asked, *response.wire["output"]])
        _put(self._responses, response.wire["id"], response)

    def forget_response(self, response_id: str) -> None:
        """Delete a response."""
        self.response(response_id)
        del self._responses[response_id]

    def conversation(self, conversation_id: str) -> KeptConversation:
        """Find a conversation."""
        return _found(self._conversations, conversation_id, "Conversation")

    def open(self, conversation: KeptConversation) -> None:
        """Keep a new conversation."""
        _put(self._conversations, conversation.wire["id"], conversation)

    def forget_conversation(self, conversation_id: str) -> None:
        """Delete a conversation; its items are gone with it."""
        self.conversation(conversation_id)
        del self._conversations[conversation_id]

    def add(self, conversation: KeptConversation, items: Sequence[Wire]) -> None:
        """Let items follow in a conversation."""
        conversation.items.extend(items)
        self._remember(items)

    def _remember(self, items: Sequence[Wire]) -> None:
        self._item_ids.update(dict.fromkeys(item["id"] for item in items))
        while len(self._item_ids) > _KEPT_ITEMS:
            self._item_ids.popitem(last=False)


def kept_item(item: Mapping[str, Any]) -> Wire:
    """An input item as it is given back once it is kept."""
    kind = item.get("type", "message")
    kept = {**item, "type": kind}
    kept["id"] = (
        item.get("id") or f"{_PREFIXES.get(kind, 'rs')}_{secrets.token_hex(24)}"
    )
    if kind != "reasoning":
        kept["status"] = "completed"
    if kind == "message" and isinstance(item["content"], str):
        part: Wire = {"type": "input_text", "text": item["content"]}
        if item["role"] == "assistant":
            part |= {"type": "output_text", "annotations": [], "logprobs": []}
        kept["content"] = [part]
    return kept


def items_of(given: str | Sequence[Wire] | None) -> list[Wire]:
    """The input of a request as items."""
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    return list(given or ())


def _found(kept: Mapping[str, T], wanted: str, what: str) -> T:
    if wanted not in kept:
        raise Refused(404, f"{what} with id '{wanted}' not found.")
    return kept[wanted]


def _put(kept: "OrderedDict[str, T]", name: str, value: T) -> None:
    kept[name] = value
    while len(kept) > KEPT:
        kept.popitem(last=False)
