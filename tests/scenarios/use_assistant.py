"""A page's `useAssistant` hook in Python: reads the wire as strictly as that does."""

import codecs
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

Part = tuple[str, Any]


class BadLineError(Exception):
    """A line that the hook's parser throws on."""


def parse_line(line: str) -> Part:
    """Return the code and value of a line, checked as the hook checks them."""
    code, colon, rest = line.partition(":")
    if not colon or code not in _CHECKS:
        raise BadLineError(line)
    value = json.loads(rest, parse_constant=_refuse)
    if not _CHECKS[code](value):
        raise BadLineError(line)
    return code, value


def _refuse(constant: str) -> None:
    raise BadLineError(constant)


def _is_text(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, str)


def _is_message(value: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(value, dict)
        and isinstance(value.get("id"), str)
        and value.get("role") == "assistant"
        and isinstance(value.get("content"), list)
        and all(
            item.get("type") == "text"
            and isinstance(item.get("text"), dict)
            and isinstance(item["text"].get("value"), str)
            for item in value["content"]
        )
    )


def _is_control(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) for key in ("threadId", "messageId")
    )


def _is_data(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, dict) and value.get("role") == "data" and "data" in value


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "0": _is_text,
    "3": _is_text,
    "4": _is_message,
    "5": _is_control,
    "6": _is_data,
}


@dataclass
class Shown:
    """A message as the page shows it."""

    id: str
    role: str
    content: str
    data: Any = None


@dataclass
class UseAssistant:
    """The hook: `messages`, `status`, `error`, and what it sends.

    `thread_id` is the option that overrides the id learned from the server.
    """

    session: aiohttp.ClientSession
    url: str
    thread_id: str | None = None
    input: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    on_part: Callable[[Part], None] = lambda _: None
    messages: list[Shown] = field(default_factory=list)
    status: str = "awaiting_message"
    error: str | None = None
    current: str | None = None
    parts: list[Part] = field(default_factory=list)
    sent: list[dict[str, Any]] = field(default_factory=list)
    _ids: Any = field(default_factory=lambda: count(1))
    _response: aiohttp.ClientResponse | None = None
    _is_stopped: bool = False

    async def submit(self, data: dict[str, Any] | None = None) -> None:
        """Send what stands in the input, unless that is nothing."""
        if self.input == "":
            return
        await self.append(self.input, data)

    async def append(self, message: str, data: dict[str, Any] | None = None) -> None:
        """Send a message and read its answer to the end."""
        self.status, self._is_stopped, self.error = "in_progress", False, None
        self.messages.append(Shown(f"local-{next(self._ids)}", "user", message))
        self.input = ""
        sent = {**self.body, "threadId": self.thread_id or self.current}
        sent |= {"message": message} | ({"data": data} if data else {})
        self.sent.append(sent)
        try:
            async with self.session.post(self.url, json=sent) as response:
                self._response = response
                if not response.ok:
                    self.error = await response.text() or "Failed to fetch."
                    return
                await self._read(response)
        except aiohttp.ClientError:
            if not self._is_stopped:
                raise
        finally:
            self._response = None
            self.status = "awaiting_message"

    def stop(self) -> None:
        """Abort the request; what was said so far stays."""
        self._is_stopped = True
        if self._response:
            self._response.close()

    def set_thread_id(self, thread_id: str | None) -> None:
        """Go to another thread, or to none; its messages are not shown."""
        self.current, self.messages = thread_id, []

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        decoder, waiting = codecs.getincrementaldecoder("utf-8")(), ""
        async for chunk in response.content.iter_any():
            waiting += decoder.decode(chunk)
            *lines, waiting = waiting.split("\n")
            for line in filter(None, lines):
                self._take(parse_line(line))
        assert waiting == "", "the stream ended in the middle of a line"

    def _take(self, part: Part) -> None:
        code, value = part
        self.parts.append(part)
        match code:
            case "4":
                text = value["content"][0]["text"]["value"]
                self.messages.append(Shown(value["id"], "assistant", text))
            case "0":
                self.messages[-1].content += value
            case "6":
                given = value.get("id") or f"local-{next(self._ids)}"
                self.messages.append(Shown(given, "data", "", value["data"]))
            case "5":
                self.current = value["threadId"]
                self.messages[-1].id = value["messageId"]
            case "3":
                self.error = value
        self.on_part(part)
