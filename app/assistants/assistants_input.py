"""A thread's history as the messages of an Assistants thread."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from app.assistants.responses_input import LEFT_OUT, SAID, line_of, spoken
from app.domain import ItemKind, ThreadItem

# OpenAI, Assistants API: a message holds 256,000 characters, a new thread 32 messages.
MOST_CHARACTERS = 200_000
MOST_MESSAGES = 32

_TRANSCRIPT = "What was said before, the assistant's own words included:"
_USER, _ASSISTANT = "user", "assistant"

Message = tuple[str, str]


def asked(items: Sequence[ThreadItem]) -> str:
    """Return as one message what people said, each line begun with its author.

    One message for a turn: either the server has all that a turn asks, or nothing.
    """
    return _joined([line for item in items if (line := line_of(item))])


def whole_thread(history: Sequence[ThreadItem]) -> list[dict[str, str]]:
    """Return the messages of a new thread that is to know what was said so far.

    Calls and results become lines, as a thread takes none. Of what is too long for a
    thread the oldest is left out; what is in too many messages is put into one.
    """
    messages = _grouped(_kept(list(_lines(history))))
    surplus = len(messages) - MOST_MESSAGES + 1
    if surplus > 1:
        early = _joined([_TRANSCRIPT, *(text for _, text in messages[:surplus])])
        messages = [(_USER, early), *messages[surplus:]]
    return [{"role": role, "content": text} for role, text in messages]


def was_answered(items: Sequence[ThreadItem]) -> bool:
    """Whether somebody else has answered here: a thread upstream lacks that."""
    return any(item.kind not in SAID for item in items)


def known_messages(history: Sequence[ThreadItem]) -> Collection[str]:
    """Return the ids of the messages that committed passes have said."""
    return {
        str(item.item["id"])
        for item in history
        if item.kind is ItemKind.OUTPUT and "id" in item.item
    }


def outputs_since_asked(history: Sequence[ThreadItem]) -> Mapping[str, str]:
    """Return the outputs of the calls of this turn, by call id."""
    outputs: dict[str, str] = {}
    for item in history:
        match item:
            case ThreadItem(kind=ItemKind.WANTED):
                outputs = {}
            case ThreadItem(
                kind=ItemKind.TOOL_OUTPUT,
                item={"call_id": call_id, "output": output},
            ):
                outputs[call_id] = str(output)
    return outputs


def _lines(history: Sequence[ThreadItem]) -> Iterator[Message]:
    calls: dict[str, str] = {}
    for item in history:
        match item.kind, item.item:
            case ((ItemKind.WANTED | ItemKind.OVERHEARD), _):
                if line := line_of(item):
                    yield _USER, line
            case _, {"type": "function_call", "call_id": call_id, **rest}:
                calls[str(call_id)] = f"{rest.get('name')} {rest.get('arguments')}"
            case _, {"call_id": call_id, "output": output}:
                yield _ASSISTANT, f"({calls.get(str(call_id), 'tool')}: {output})"
            case _, message:
                if text := spoken(message):
                    yield _ASSISTANT, text


def _kept(lines: Sequence[Message]) -> list[Message]:
    left = MOST_CHARACTERS
    kept: list[Message] = []
    for role, text in reversed(lines):
        if kept and len(text) > left:
            return [(_USER, LEFT_OUT), *reversed(kept)]
        kept.append((role, text[-MOST_CHARACTERS:]))
        left -= len(text)
    return kept[::-1]


def _grouped(lines: Sequence[Message]) -> list[Message]:
    messages: list[Message] = []
    for role, text in lines:
        if messages and messages[-1][0] == role:
            messages[-1] = (role, f"{messages[-1][1]}\n\n{text}")
        else:
            messages.append((role, text))
    return messages


def _joined(lines: Sequence[str]) -> str:
    return "\n\n".join(lines)[-MOST_CHARACTERS:]
