"""What the offline model does about the rooms, and what it tells of it."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.sandbox.model.conversation import Conversation, FinishedCall
from app.sandbox.model.house import Aim, Wish
from app.sandbox.model.plan import Call

GET = "getRoomTemperature"
SET = "setRoomTemperature"

_FAILED = re.compile(
    r"^\W*(?:error|failed)\b|\b(?:not run|unknown|invalid|must be|cannot|can't)\b",
    re.IGNORECASE,
)
_ERROR_WORD = re.compile(r"^\W*(?:error|failed)\W*", re.IGNORECASE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def calls_for(hopes: Sequence[Wish], conversation: Conversation) -> tuple[Call, ...]:
    """Turn wishes into the calls still to be made; all that can go at once do."""
    if GET not in conversation.tools or SET not in conversation.tools:
        return ()
    made = conversation.results
    wanted: list[Call] = []
    for wish in hopes:
        call = _next_call(wish, made)
        if call is not None and call not in wanted:
            wanted.append(call)
    return tuple(wanted)


def _next_call(wish: Wish, made: Sequence[FinishedCall]) -> Call | None:
    has_read = any(call.name == GET and _same(call, wish.room) for call in made)
    match wish.aim:
        case Aim.READ | Aim.SHIFT if not has_read:
            return Call(GET, json.dumps({"room": wish.room}, ensure_ascii=False))
        case Aim.SET:
            return _change(wish.room, wish.value, made)
        case Aim.SHIFT:
            now = _read_value(wish.room, made)
            return None if now is None else _change(wish.room, now + wish.value, made)
        case _:
            return None


def _change(room: str, temperature: float, made: Sequence[FinishedCall]) -> Call | None:
    """The call that sets a room, unless it was made already."""
    for call in made:
        given = _arguments(call).get("temperature")
        if call.name == SET and _same(call, room) and given == temperature:
            return None
    number = int(temperature) if temperature.is_integer() else temperature
    wanted = {"room": room, "temperature": number}
    return Call(SET, json.dumps(wanted, ensure_ascii=False))


def _arguments(call: FinishedCall) -> Mapping[str, Any]:
    try:
        given = json.loads(call.arguments)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _same(call: FinishedCall, room: str) -> bool:
    given = re.sub(r"[\s_-]+", " ", _room(call)).strip()
    return given.lower() == room.lower()


def _read_value(room: str, made: Sequence[FinishedCall]) -> float | None:
    for call in made:
        if call.name == GET and _same(call, room):
            number = _NUMBER.search(call.output)
            failed = _FAILED.search(call.output)
            return float(number[0]) if number and not failed else None
    return None


def report(results: Sequence[FinishedCall]) -> str:
    """Name what the tools said; a read that only prepared a change is left out."""
    changed = {_room(call) for call in results if call.name == SET}
    told = [
        _told(call)
        for call in results
        if not (call.name == GET and _room(call) in changed)
    ]
    return told[0] if len(told) == 1 else "\n".join(f"- {line}" for line in told)


def _room(call: FinishedCall) -> str:
    return str(_arguments(call).get("room") or "")


def _told(call: FinishedCall) -> str:
    """Say one result in a sentence, whatever form the tool chose for it."""
    room = _room(call).replace("_", " ").strip()
    name = f"the {room}" if room else call.name
    try:
        output = json.loads(call.output)
    except ValueError:
        output = call.output
    if isinstance(output, str):
        return _quoted(output, room, name)
    return _worded(output, name) or f"{_capital(name)}: {call.output}"


def _quoted(output: str, room: str, name: str) -> str:
    if _FAILED.search(output):
        return _sorry(name, output)
    if room and room.lower() in output.lower():
        return _sentence(output)
    return f"{_capital(name)}: {output}"


def _worded(output: object, name: str) -> str | None:
    match output:
        case {"error": error}:
            return _sorry(name, str(error))
        case {"old": old, "new": new} if old == new:
            return f"{_capital(name)} was at {new} °C already."
        case {"old": old, "new": new}:
            return f"{_capital(name)} is at {new} °C now; it was {old} °C."
        case {"temperature": int() | float() as degrees}:
            return f"{_capital(name)} is at {degrees:g} °C."
        case _:
            return None


def _sorry(name: str, error: str) -> str:
    reason = _ERROR_WORD.sub("", error).strip() or error
    return f"That did not work for {name}: {_sentence(reason)}"


def _sentence(text: str) -> str:
    text = _capital(text.strip())
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
