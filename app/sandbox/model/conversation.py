"""What a request's input says: who spoke, what was called, what came of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_OVERHEARD = re.compile(r"[\[(]\s*overheard[^\])]*[\])]\s*", re.IGNORECASE)
_AUTHOR = re.compile(r"^(?P<name>[^:\n]{1,80}?)\s*:\s(?P<text>.*)$", re.DOTALL)
_ADDRESS = re.compile(r"^(?:\s*(?:<@\w+>|@[\w.-]+)[,:]?\s*)+")
# A remark of whoever put the input together, as stage directions are.
_ASIDE = re.compile(r"\([^()]*\)")
_COMMANDS = ("say exactly", "say backwards", "call exactly", "call forever")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One message; `author` is None where the input names nobody."""

    position: int
    role: str
    author: str | None
    text: str
    overheard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedCall:
    """A function call with its output, both as they were sent."""

    name: str
    arguments: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The input in the order it was said.

    `asks` are the people's messages to be answered now; `results` are the calls that
    were already made to answer them.
    """

    lines: tuple[Line, ...]
    asks: tuple[Line, ...]
    results: tuple[FinishedCall, ...]
    tools: Mapping[str, Mapping[str, Any]]
    wants_reasoning: bool = False


def read(body: Mapping[str, Any]) -> Conversation:
    """Read a request that has been checked."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    start = _first_ask(items)
    said = [_line(position, item) for position, item in enumerate(items) if _said(item)]
    new = [line for line in said if line.position >= start]
    asks = [line for line in new if line.role == "user"]
    effort = (body.get("reasoning") or {}).get("effort")
    return Conversation(
        lines=tuple(said),
        asks=tuple(ask for ask in asks if not ask.overheard) or tuple(asks[-1:]),
        results=_results(items[start:]),
        tools={
            tool["name"]: tool.get("parameters") or {}
            for tool in body.get("tools") or ()
            if tool.get("type") == "function"
        },
        wants_reasoning=effort not in (None, "none"),
    )


def _said(item: Mapping[str, Any]) -> bool:
    return item.get("role") in {"user", "assistant"}


def _first_ask(items: Sequence[Mapping[str, Any]]) -> int:
    """Where the messages begin that have no answer yet.

    They stand after the last thing that was not a person's; when calls were made for
    them, those calls, their outputs and words said beside them follow.
    """
    end = len(items)
    if items and items[-1].get("type") == "function_call_output":
        while end and items[end - 1].get("role") not in {"user", "system", "developer"}:
            end -= 1
    start = end
    while start and items[start - 1].get("role") in {"user", "system", "developer"}:
        start -= 1
    return start


def _line(position: int, item: Mapping[str, Any]) -> Line:
    text = _text(item["content"])
    if item["role"] != "user":
        return Line(position=position, role=item["role"], author=None, text=text)
    marked = _OVERHEARD.search(text.split("\n", 1)[0][:120])
    if marked:
        text = text[: marked.start()].rstrip() + text[marked.end() :]
    named = _AUTHOR.match(text)
    author = None
    if named and not named["name"].strip().lower().startswith(_COMMANDS):
        author, text = named["name"].strip(), named["text"]
    said = _ADDRESS.sub("", text).strip()
    return Line(
        position=position,
        role="user",
        author=author,
        text=said,
        overheard=bool(marked) or (author is None and bool(_ASIDE.fullmatch(said))),
    )


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(
        str(part.get("text") or part.get("refusal") or "") for part in content
    )


def _results(items: Sequence[Mapping[str, Any]]) -> tuple[FinishedCall, ...]:
    outputs = {
        item["call_id"]: _text(item["output"])
        for item in items
        if item.get("type") == "function_call_output"
    }
    return tuple(
        FinishedCall(
            name=item["name"],
            arguments=item["arguments"],
            output=outputs[item["call_id"]],
        )
        for item in items
        if item.get("type") == "function_call" and item["call_id"] in outputs
    )
