"""The routes of what is kept: `/v1/conversations`, and `/v1/responses` by their ids."""

import time
from typing import Any

from aiohttp import web

from app.sandbox.model.assistants.asked import (
    Answered,
    Asked,
    Handler,
    page,
    served,
)
from app.sandbox.model.assistants.threads import new_id
from app.sandbox.model.checks import check_items, check_metadata
from app.sandbox.model.control import ModelControl
from app.sandbox.model.kept.shelf import KeptConversation, Shelf, Wire, kept_item
from app.sandbox.model.refusals import Refused, check_type, missing, unknown

_RESPONSE = "/v1/responses/{response}"
_CONVERSATION = "/v1/conversations/{conversation}"
_ITEM = f"{_CONVERSATION}/items/{{item}}"
_ADDED_AT_ONCE = 20


def add_kept_routes(app: web.Application, control: ModelControl, shelf: Shelf) -> None:
    """Serve from `app` what is on the shelf."""
    responses, conversations = _Responses(shelf), _Conversations(shelf)
    table: list[tuple[str, str, Handler]] = [
        ("GET", _RESPONSE, responses.show),
        ("DELETE", _RESPONSE, responses.delete),
        ("POST", f"{_RESPONSE}/cancel", responses.cancel),
        ("GET", f"{_RESPONSE}/input_items", responses.asked),
        ("POST", "/v1/conversations", conversations.create),
        ("GET", _CONVERSATION, conversations.show),
        ("POST", _CONVERSATION, conversations.change),
        ("DELETE", _CONVERSATION, conversations.delete),
        ("GET", f"{_CONVERSATION}/items", conversations.items),
        ("POST", f"{_CONVERSATION}/items", conversations.add),
        ("GET", _ITEM, conversations.item),
        ("DELETE", _ITEM, conversations.delete_item),
    ]
    for method, path, handler in table:
        route = served(control, handler, is_beta=False)
        app.router.add_route(method, path, route)


class _Responses:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def show(self, asked: Asked) -> Answered:
        return self._shelf.response(asked.id("response")).wire

    async def delete(self, asked: Asked) -> Answered:
        response_id = asked.id("response")
        self._shelf.forget_response(response_id)
        return {"id": response_id, "object": "response", "deleted": True}

    async def cancel(self, asked: Asked) -> Answered:
        self._shelf.response(asked.id("response"))
        # Only background responses can be, and there are none here.
        raise Refused(400, "Cannot cancel a synchronous response.")

    async def asked(self, asked: Asked) -> Answered:
        return _listed(page(asked, self._shelf.response(asked.id("response")).asked))


class _Conversations:
    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def create(self, asked: Asked) -> Answered:
        body = _fields(asked.body, "items", "metadata")
        items = self._items(body)
        wire = {
            "id": new_id("conv"),
            "object": "conversation",
            "created_at": int(time.time()),
            "metadata": body.get("metadata") or {},
        }
        conversation = KeptConversation(wire)
        self._shelf.open(conversation)
        self._shelf.add(conversation, items)
        return wire

    async def show(self, asked: Asked) -> Answered:
        return self._find(asked).wire

    async def change(self, asked: Asked) -> Answered:
        conversation = self._find(asked)
        body = _fields(asked.body, "metadata")
        if body.get("metadata") is None:
            raise missing("metadata")
        conversation.wire["metadata"] = body["metadata"]
        return conversation.wire

    async def delete(self, asked: Asked) -> Answered:
        conversation_id = asked.id("conversation")
        self._shelf.forget_conversation(conversation_id)
        deleted = {"object": "conversation.deleted", "deleted": True}
        return {"id": conversation_id, **deleted}

    async def items(self, asked: Asked) -> Answered:
        return _listed(page(asked, self._find(asked).items))

    async def add(self, asked: Asked) -> Answered:
        conversation = self._find(asked)
        body = _fields(asked.body, "items")
        if body.get("items") is None:
            raise missing("items")
        items = self._items(body)
        conversation.check_free()
        self._shelf.add(conversation, items)
        return _listed({"object": "list", "data": items, "has_more": False})

    async def item(self, asked: Asked) -> Answered:
        return _item(self._find(asked), asked.id("item"))

    async def delete_item(self, asked: Asked) -> Answered:
        conversation = self._find(asked)
        conversation.items.remove(_item(conversation, asked.id("item")))
        return conversation.wire

    def _find(self, asked: Asked) -> KeptConversation:
        return self._shelf.conversation(asked.id("conversation"))

    def _items(self, body: dict[str, Any]) -> list[Wire]:
        given = body.get("items") or []
        if len(given) > _ADDED_AT_ONCE:
            message = (
                "Invalid 'items': array too long. Expected an array with maximum length"
                f" {_ADDED_AT_ONCE}, but got an array with length {len(given)} instead."
            )
            raise Refused(400, message, param="items", code="array_above_max_length")
        check_items(given, "items", self._shelf.item_ids)
        return [kept_item(item) for item in given]


def _listed(found: Wire) -> Wire:
    # Published as strings, whatever there is to list.
    ids = [item["id"] for item in found["data"]] or [""]
    return found | {"first_id": ids[0], "last_id": ids[-1]}


def _fields(body: object, *known: str) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request.")
    for name in body:
        if name not in known:
            raise unknown(name)
    check_type("items", body.get("items"), "an array", (list,))
    check_type("metadata", body.get("metadata"), "an object", (dict,))
    check_metadata(body.get("metadata") or {})
    return body


def _item(conversation: KeptConversation, wanted: str) -> Wire:
    for item in conversation.items:
        if item["id"] == wanted:
            return item
    raise Refused(404, f"Item with id '{wanted}' not found.")
