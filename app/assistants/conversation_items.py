"""What a conversation at the provider lacks of a history, and what it has beyond it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.assistants.items import text_in
from app.assistants.responses_input import (
    OUTCOME_UNKNOWN,
    SAID,
    InputItem,
    excerpt,
    tool_output,
)
from app.domain import ThreadItem

Item = Mapping[str, Any]
Key = tuple[str, str]

_CALL, _OUTPUT, _MESSAGE = "function_call", "function_call_output", "message"
_ENOUGH = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The newest items of a conversation, oldest first; maybe it has older ones."""

    items: Sequence[Item]
    is_whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """`lacking` is what has to be sent; `gained` ends the conversation, unknown here.

    What was gained is the answer to a request of ours that nobody could read to its
    end.
    """

    lacking: list[InputItem]
    gained: list[Item]


def news(history: Sequence[ThreadItem], told_turn_id: int) -> list[InputItem]:
    """Return as input what the history has since a turn, valid in itself."""
    return _as_input([item for item in history if item.turn_id > told_turn_id])


def _as_input(history: Sequence[ThreadItem]) -> list[InputItem]:
    whole = excerpt(history, most_characters=_ENOUGH, most_items=_ENOUGH)
    return whole.items


def is_only_asked(history: Sequence[ThreadItem], told: int, turn_id: int) -> bool:
    """Whether since a turn nothing was said but what this turn asks."""
    return all(
        item.turn_id == turn_id and item.kind in SAID
        for item in history
        if item.turn_id > told
    )


def compared(
    history: Sequence[ThreadItem], told_turn_id: int, held: Held
) -> Compared | None:
    """Hold a conversation, known to have all up to a turn, against the history.

    None when it can't be told what of it came after that turn.
    """
    older = [item for item in history if item.turn_id <= told_turn_id]
    begins, known = _end_of_known(older, held.items)
    if not known and not held.is_whole:
        return None
    tail = held.items[begins:]
    counts = Counter(map(_key, tail))
    counts.subtract(map(_key, _as_input(older[known:])))
    lacking = []
    for item in news(history, told_turn_id):
        key = _match(_key(item), counts)
        if counts[key] > 0:
            counts[key] -= 1
        else:
            lacking.append(item)
    gained = _gained(tail, counts)
    if lacking or not gained:
        lacking = [*_closing(held.items, lacking), *lacking]
    return Compared(lacking=lacking, gained=gained)


def _end_of_known(
    older: Sequence[ThreadItem], items: Sequence[Item]
) -> tuple[int, int]:
    """Find the newest item that both have by its id.

    Returns how many items there are up to it in the conversation and in the history;
    zeros, if there is none.
    """
    places: dict[str, int] = {}
    for place, each in enumerate(older, 1):
        if each.kind not in SAID:
            places |= dict.fromkeys(_ids(each.item), place)
    for place in range(len(items), 0, -1):
        for its in _ids(items[place - 1]):
            if its in places:
                return place, places[its]
    return 0, 0


def _ids(item: Item) -> Iterator[str]:
    if its := item.get("id"):
        yield str(its)
    if call_id := item.get("call_id"):
        # A call and its output have it in common.
        yield f"{'output' in item} {call_id}"


def _key(item: Item) -> Key:
    kind = str(item.get("type") or _MESSAGE)
    if kind == _MESSAGE:
        return str(item.get("role")), text_in(item.get("content"))
    return kind, str(item.get("call_id") or item.get("id"))


def _match(key: Key, counts: Counter[Key]) -> Key:
    """Of an answer that was stopped here, the whole may have been kept there."""
    role, text = key
    if role != "assistant" or counts[key] > 0:
        return key
    wholes = (
        other
        for other, count in counts.items()
        if count > 0 and other[0] == role and other[1].startswith(text)
    )
    return next(wholes, key)


def _gained(tail: Sequence[Item], counts: Counter[Key]) -> list[Item]:
    """Return what the conversation ends with that the history does not have."""
    left = Counter(counts)
    gained: list[Item] = []
    for item in reversed(tail):
        key = _key(item)
        if item.get("type") == "reasoning":
            gained.append(item)
        elif left[key] > 0 and key[0] in ("assistant", _CALL):
            left[key] -= 1
            gained.append(item)
        else:
            break
    is_news = any(item.get("type") != "reasoning" for item in gained)
    return gained[::-1] if is_news else []


def _closing(items: Sequence[Item], lacking: Sequence[Item]) -> Iterator[InputItem]:
    """Yield an output for each call in the conversation that will not get one."""
    answered = {
        str(item.get("call_id"))
        for item in (*items, *lacking)
        if item.get("type") == _OUTPUT
    }
    for item in items:
        call_id = str(item.get("call_id"))
        if item.get("type") == _CALL and call_id not in answered:
            yield tool_output(call_id, OUTCOME_UNKNOWN)
