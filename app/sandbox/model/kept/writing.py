"""One response while it is written, and what is kept of it in the end."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.sandbox.model.events import Answer
from app.sandbox.model.kept.shelf import (
    KeptConversation,
    KeptResponse,
    Place,
    Shelf,
    Wire,
    kept_item,
)

_TAKEN = ("completed", "incomplete")


@dataclass(slots=True, kw_only=True)
class Writing:
    """Where a response goes when it is over."""

    shelf: Shelf
    place: Place
    asked: list[Wire]
    is_stored: bool
    was_heard: bool = False

    def begun(self, answer: Answer) -> None:
        """The response exists, and can be asked for if it is stored."""
        self._keep(answer.snapshot("in_progress"))

    def over(self, response: Wire) -> None:
        """The response has ended, with its reader there to the last."""
        self.was_heard = True
        self._keep(response)
        if self.place.conversation and response["status"] in _TAKEN:
            items = [*self.asked, *response["output"]]
            self.shelf.add(self.place.conversation, items)

    def unheard(self, answer: Answer) -> None:
        """The reader has left: it is written to its end, and no more than that."""
        last = [event["response"] for event in answer.events() if "response" in event]
        self._keep(last[-1] if last else answer.snapshot("failed"))

    def _keep(self, wire: Wire) -> None:
        if self.is_stored:
            self.shelf.keep(KeptResponse(wire, self.asked, self.place.previous))


@contextmanager
def writing(
    shelf: Shelf,
    place: Place,
    body: Mapping[str, Any],
    items: Sequence[Wire],
    *,
    lingers: Callable[[], float],
) -> Iterator[Writing]:
    """Write a response; its conversation is locked until that is over.

    After a client has hung up it stays so for the seconds of `lingers`.
    """
    is_stored = body.get("store") is not False
    is_kept = is_stored or place.conversation is not None
    asked = [kept_item(item) for item in items] if is_kept else []
    its = Writing(shelf=shelf, place=place, asked=asked, is_stored=is_stored)
    if place.conversation:
        place.conversation.is_locked = True
    try:
        yield its
    finally:
        if place.conversation:
            _free(place.conversation, 0.0 if its.was_heard else lingers())


def _free(conversation: KeptConversation, seconds: float) -> None:
    def free() -> None:
        conversation.is_locked = False

    if seconds:
        asyncio.get_running_loop().call_later(seconds, free)
    else:
        free()
