"""A plan of outputs as the Responses API streams it.

After OpenAI's published reference of the streaming events: their order, their
fields, one `sequence_number` for all of them.
"""

import base64
import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.sandbox.model.plan import Call, Output, Refuse, Say

Event = dict[str, Any]

_TOKEN = re.compile(r"\s*\w{1,6}|\s*[^\w\s]{1,3}|\s+")
_CHARACTERS_PER_TOKEN = 4
_OBFUSCATED_TO = 16


def tokens_of(text: str) -> list[str]:
    """Cut text into pieces of about a token's size; joined they are the text."""
    return _TOKEN.findall(text)


@dataclass(slots=True)
class Answer:
    """One response on its way; its events are made as they are asked for.

    `most_tokens` cuts the answer there, as `max_output_tokens` does.
    """

    request: Mapping[str, Any]
    plan: Sequence[Output]
    wants_reasoning: bool = False
    most_tokens: int | None = None
    response_id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(24)}")
    created_at: int = field(default_factory=lambda: int(time.time()))
    output: list[dict[str, Any]] = field(default_factory=list)
    is_cut: bool = False
    _tokens: int = 0
    _reasoning_tokens: int = 0
    _sequence: int = -1
    _events: Iterator[Event] | None = None

    def events(self) -> Iterator[Event]:
        """Return what of the stream was not taken yet, up to its terminal event."""
        self._events = self._events or self._all()
        return self._events

    def _all(self) -> Iterator[Event]:
        yield self._event("response.created", response=self.snapshot("in_progress"))
        yield self._event("response.in_progress", response=self.snapshot("in_progress"))
        if self.wants_reasoning:
            yield from self._reasoning()
        for output in self.plan:
            if self.is_cut:
                break
            match output:
                case Say(text, phase, sources):
                    yield from self._message(text, "output_text", phase, sources)
                case Refuse(text):
                    yield from self._message(text, "refusal", "final_answer")
                case Call():
                    yield from self._call(output)
        status = "incomplete" if self.is_cut else "completed"
        yield self._event(f"response.{status}", response=self.snapshot(status))

    def failed(self, code: str, message: str) -> Event:
        """The terminal event of a response that failed on its way."""
        response = self.snapshot("failed")
        response["error"] = {"code": code, "message": message}
        return self._event("response.failed", response=response)

    def error(self, code: str, message: str) -> Event:
        """An error in the stream that belongs to no response."""
        return self._event("error", code=code, message=message, param=None)

    def snapshot(self, status: str) -> dict[str, Any]:
        """The response object as it stands now."""
        is_over = status in {"completed", "incomplete"}
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        asked = self.request
        return {
            "id": self.response_id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "background": False,
            "completed_at": int(time.time()) if status == "completed" else None,
            "error": None,
            "incomplete_details": cut,
            "instructions": asked.get("instructions"),
            "max_output_tokens": asked.get("max_output_tokens"),
            "metadata": asked.get("metadata") or {},
            "model": asked["model"],
            "output": list(self.output),
            "parallel_tool_calls": asked.get("parallel_tool_calls") is not False,
            "previous_response_id": asked.get("previous_response_id"),
            "prompt_cache_key": asked.get("prompt_cache_key"),
            "safety_identifier": asked.get("safety_identifier"),
            "conversation": _reference(asked.get("conversation")),
            "reasoning": {"effort": None, "summary": None}
            | (asked.get("reasoning") or {}),
            "store": asked.get("store") is not False,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}} | (asked.get("text") or {}),
            "tool_choice": asked.get("tool_choice") or "auto",
            "tools": [{"strict": True} | tool for tool in asked.get("tools") or ()],
            "top_p": 1.0,
            "truncation": asked.get("truncation") or "disabled",
            "usage": self._usage() if is_over else None,
        }

    @property
    def input_tokens(self) -> int:
        """About how many tokens the model has to read."""
        given = json.dumps(
            [self.request.get(key) for key in ("input", "instructions", "tools")],
            ensure_ascii=False,
        )
        return len(given) // _CHARACTERS_PER_TOKEN

    def _usage(self) -> dict[str, Any]:
        tokens_in = self.input_tokens
        tokens_out = self._tokens + self._reasoning_tokens
        return {
            "input_tokens": tokens_in,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens_out,
            "output_tokens_details": {"reasoning_tokens": self._reasoning_tokens},
            "total_tokens": tokens_in + tokens_out,
        }

    def _event(self, kind: str, /, **fields: object) -> Event:
        self._sequence += 1
        return {"type": kind, "sequence_number": self._sequence, **fields}

    def _take(self, text: str) -> Iterator[str]:
        for token in tokens_of(text):
            if self.most_tokens is not None and self._tokens >= self.most_tokens:
                self.is_cut = True
                return
            self._tokens += 1
            yield token

    def _open(self, item: dict[str, Any]) -> Event:
        index = len(self.output)
        return self._event("response.output_item.added", output_index=index, item=item)

    def _close(self, item: dict[str, Any]) -> Event:
        index = len(self.output)
        self.output.append(item)
        return self._event("response.output_item.done", output_index=index, item=item)

    def _reasoning(self) -> Iterator[Event]:
        item: dict[str, Any] = {
            "id": f"rs_{secrets.token_hex(24)}",
            "type": "reasoning",
            "summary": [],
        }
        yield self._open(item)
        self._reasoning_tokens = 8
        if "reasoning.encrypted_content" in (self.request.get("include") or ()):
            sealed = base64.b64encode(secrets.token_bytes(96)).decode()
            item = {**item, "encrypted_content": sealed}
        yield self._close(item)

    def _message(
        self, text: str, kind: str, phase: str | None, sources: Sequence[str] = ()
    ) -> Iterator[Event]:
        item: dict[str, Any] = {
            "id": f"msg_{secrets.token_hex(24)}",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        if phase:
            item["phase"] = phase
        index = len(self.output)
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        yield self._open(item)
        part = _part(kind, "")
        yield self._event("response.content_part.added", **place, part=part)
        said = ""
        for token in self._take(text):
            said += token
            yield self._delta(f"response.{kind}.delta", place, token, kind)
        annotations = [_cited(source, said) for source in sources]
        for number, annotation in enumerate(annotations):
            fields = {"annotation_index": number, "annotation": annotation}
            kind_added = "response.output_text.annotation.added"
            yield self._event(kind_added, **place, **fields)
        done: dict[str, Any] = {"refusal": said}
        if kind == "output_text":
            done = {"text": said, "logprobs": []}
        yield self._event(f"response.{kind}.done", **place, **done)
        part = _part(kind, said, annotations)
        yield self._event("response.content_part.done", **place, part=part)
        status = "incomplete" if self.is_cut else "completed"
        yield self._close({**item, "status": status, "content": [part]})

    def _call(self, call: Call) -> Iterator[Event]:
        item = {
            "id": f"fc_{secrets.token_hex(24)}",
            "type": "function_call",
            "status": "in_progress",
            "arguments": "",
            "call_id": f"call_{secrets.token_hex(12)}",
            "name": call.name,
        }
        place = {"item_id": item["id"], "output_index": len(self.output)}
        yield self._open(item)
        written = ""
        kind = "response.function_call_arguments"
        for token in self._take(call.arguments):
            written += token
            yield self._delta(f"{kind}.delta", place, token, "arguments")
        yield self._event(f"{kind}.done", **place, arguments=written)
        status = "incomplete" if self.is_cut else "completed"
        yield self._close({**item, "status": status, "arguments": written})

    def _delta(
        self, event: str, place: Mapping[str, Any], token: str, kind: str
    ) -> Event:
        fields: dict[str, Any] = {**place, "delta": token}
        if kind == "output_text":
            fields["logprobs"] = []
        options = self.request.get("stream_options") or {}
        if options.get("include_obfuscation") is not False:
            # Deltas are padded to one length, as the reference describes it.
            fields["obfuscation"] = "x" * max(0, _OBFUSCATED_TO - len(token))
        return self._event(event, **fields)


def _reference(conversation: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    if conversation is None:
        return None
    named = conversation if isinstance(conversation, str) else conversation.get("id")
    return {"id": named}


def _part(
    kind: str, text: str, annotations: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    its = {"type": "output_text", "annotations": list(annotations), "logprobs": []}
    return {**its, "text": text}


def _cited(source: str, text: str) -> dict[str, Any]:
    name = source.partition("://")[2].partition("/")[0]
    place = {"start_index": 0, "end_index": len(text)}
    title = f"A page of {name}"
    return {"type": "url_citation", "url": source, "title": title, **place}
