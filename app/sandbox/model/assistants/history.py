"""A thread as the offline model reads it."""

import json
from collections.abc import Iterator
from typing import Any

from app.sandbox.model import conversation
from app.sandbox.model.assistants.threads import Run, Thread, Wire
from app.sandbox.model.conversation import Conversation

_CHARACTERS_PER_TOKEN = 4


def read(thread: Thread, run: Run) -> Conversation:
    """Read what was said and called in the thread, with the tools of the run."""
    items = [item for entry in thread.log for item in _items(entry)]
    tools = [] if run.wire["tool_choice"] == "none" else run.wire["tools"]
    flat = [{"type": "function", **tool["function"]} for tool in tools]
    return conversation.read({"input": items, "tools": flat})


def prompt_tokens(thread: Thread, run: Run) -> int:
    """About how many tokens the model reads."""
    given = [thread.log, run.wire["instructions"], run.wire["tools"]]
    return len(json.dumps(given, ensure_ascii=False)) // _CHARACTERS_PER_TOKEN


def _items(entry: Wire) -> Iterator[dict[str, Any]]:
    """Put an entry as the items of the other protocol; an open call has no output."""
    if entry["object"] == "thread.message":
        yield {"role": entry["role"], "content": text_of(entry)}
        return
    calls = entry["step_details"]["tool_calls"]
    for call in calls:
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": call["function"]["name"],
            "arguments": call["function"]["arguments"],
        }
    for call in calls:
        output = call["function"]["output"]
        if output is not None:
            yield {
                "type": "function_call_output",
                "call_id": call["id"],
                "output": output,
            }


def text_of(message: Wire) -> str:
    """All text of a message; pictures say nothing here."""
    return "\n".join(
        part["text"]["value"] if part["type"] == "text" else part.get("refusal", "")
        for part in message["content"]
    )
