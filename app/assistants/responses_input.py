"""A thread's history as the input of a Responses request, always valid."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.assistants.items import text_in
from app.domain import ItemKind, ThreadItem

SAID = (ItemKind.WANTED, ItemKind.OVERHEARD)
OUTCOME_UNKNOWN = "Error: the outcome is unknown; it was not run again."
LEFT_OUT = "(Older messages of this thread are left out here.)"
# Fewer than storage reads at once: what is too long is found out here.
MOST_ITEMS = 400
_LONGEST_NAME = 80
_OUTPUT = "function_call_output"

InputItem = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The newest turns of a history as input, and how much that is.

    `begins_at` is the first turn of it where older ones had to be left out; with
    `is_one_turn` no more can be.
    """

    items: list[InputItem]
    characters: int
    begins_at: int | None
    is_one_turn: bool


def excerpt(
    history: Sequence[ThreadItem],
    *,
    most_characters: int,
    most_items: int = MOST_ITEMS,
    with_reasoning: bool = False,
    reasoning_since: int = 0,
    is_cut: bool = False,
) -> Excerpt:
    """Return the input items of `history`, its oldest turns left out when it is long.

    Every call has exactly one output, every output follows its call. Reasoning is
    replayed only as the server's own encrypted content, and only that of turns since
    `reasoning_since`. The model is told of what is left out, here or, with `is_cut`,
    before.
    """
    turns = [
        _TurnItems(turn, with_reasoning and turn[0].turn_id >= reasoning_since)
        for turn in _turns_of(history)
    ]
    kept: list[_TurnItems] = []
    characters, items_left = most_characters, most_items
    for turn in reversed(turns):
        characters -= turn.characters
        items_left -= turn.count
        if kept and (characters < 0 or items_left < 0):
            break
        kept.append(turn)
    is_shorter = len(kept) < len(turns)
    items = [item for turn in reversed(kept) for item in turn.within(most_characters)]
    return Excerpt(
        items=[_user(LEFT_OUT), *items] if is_cut or is_shorter else items,
        characters=sum(turn.characters for turn in kept),
        begins_at=kept[-1].turn_id if is_shorter else None,
        is_one_turn=len(kept) <= 1,
    )


class _TurnItems:
    """What one turn adds to the input; it is kept or left out as a whole."""

    def __init__(self, turn: Sequence[ThreadItem], with_reasoning: bool) -> None:
        self.turn_id = turn[0].turn_id
        self._said = [item for item in turn if item.kind in SAID]
        answered = [item for item in turn if item.kind not in SAID]
        self._answered = list(_paired(list(_replayed(answered, with_reasoning))))
        self.count = len(turn)
        self.characters = sum(map(_length, self._said)) + sum(
            len(str(item)) for item in self._answered
        )

    def within(self, most_characters: int) -> Iterator[InputItem]:
        """Yield the items; of a turn too long by itself, less of what was overheard."""
        surplus = self.characters - most_characters
        for item in self._said:
            if surplus > 0 and item.kind is ItemKind.OVERHEARD:
                surplus -= _length(item)
            elif line := line_of(item):
                yield _user(line)
        yield from self._answered


def _turns_of(history: Sequence[ThreadItem]) -> list[list[ThreadItem]]:
    """Split the history where people speak after the assistant did."""
    turns: list[list[ThreadItem]] = []
    was_said = False
    for item in history:
        is_said = item.kind in SAID
        if not turns or (is_said and not was_said):
            turns.append([])
        turns[-1].append(item)
        was_said = is_said
    return turns


def line_of(item: ThreadItem) -> str:
    """Return who said what, as the model reads it; nothing for an emptied aside."""
    text = str(item.item.get("text") or "")
    files = "".join(
        f"\n[file: {_one_line(name)}]" for name in item.item.get("files", ())
    )
    is_overheard = item.kind is ItemKind.OVERHEARD
    if is_overheard and not (text or files):
        return ""
    author = _one_line(item.item.get("author") or "Somebody")
    mark = "(overheard) " if is_overheard else ""
    return f"{mark}{author}: {text}{files}"


def _one_line(name: object) -> str:
    return " ".join(str(name).split())[:_LONGEST_NAME]


def _length(item: ThreadItem) -> int:
    return len(str(item.item.get("text") or ""))


def _user(content: str) -> InputItem:
    return {"type": "message", "role": "user", "content": content}


def _replayed(
    answered: Sequence[ThreadItem], with_reasoning: bool
) -> Iterator[InputItem]:
    for item in answered:
        match item.item:
            case {"call_id": call_id, "output": output} if (
                item.kind is ItemKind.TOOL_OUTPUT
            ):
                yield tool_output(call_id, str(output))
            case {"type": "reasoning", **rest}:
                if with_reasoning and rest.get("encrypted_content"):
                    yield _verbatim(item.item)
            case {"type": "message", "content": []}:
                continue
            case _:
                yield _verbatim(item.item)


def _verbatim(item: Mapping[str, Any]) -> InputItem:
    # An id refers to what a server has stored, and with `store: false` it has nothing.
    return {key: value for key, value in item.items() if key not in ("id", "status")}


def tool_output(call_id: str, output: str) -> InputItem:
    """Return the item that gives a call its output."""
    return {"type": _OUTPUT, "call_id": call_id, "output": output}


def _paired(items: Sequence[InputItem]) -> Iterator[InputItem]:
    """Yield `items` with an output for every call, and none for no call."""
    unanswered: dict[str, list[int]] = {}
    orphans = set()
    for place, item in enumerate(items):
        if _is(item, "function_call"):
            unanswered.setdefault(item["call_id"], []).append(place)
        elif _is(item, _OUTPUT):
            calls = unanswered.get(item["call_id"])
            if calls:
                calls.pop()
            else:
                orphans.add(place)
    lacking = {place for places in unanswered.values() for place in places}
    for place, item in enumerate(items):
        if place not in orphans:
            yield item
        if place in lacking:
            yield tool_output(item["call_id"], OUTCOME_UNKNOWN)


def _is(item: InputItem, kind: str) -> bool:
    return item.get("type") == kind


def said_since_asked(history: Sequence[ThreadItem]) -> list[str]:
    """Return what the assistant has said to people since somebody last asked."""
    said: list[str] = []
    for each in history:
        if each.kind is ItemKind.WANTED:
            said = []
        elif each.kind is ItemKind.OUTPUT and (text := spoken(each.item)):
            said.append(text)
    return said


def spoken(item: Mapping[str, Any]) -> str:
    """Return what an output item says to people."""
    if item.get("type") != "message" or item.get("phase") == "commentary":
        return ""
    return text_in(item.get("content"))
