"""A server that does next to nothing: it plays recorded answers, and nods to Slack.

Each event is a chunk of its own, as the model's servers send them. Below `/at-once` an
answer of `DELTAS` deltas is sent whole; below `/paced` its deltas come at `RATE` a
second, and never end. Every other address is taken for a method of Slack's.
"""

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Protocol, cast

from app.assistants.sse import EventDecoder, ServerEvent
from app.loop import new_event_loop

DELTAS = 3_000
RATE = 60
# Replies do not all get their words at the same moment.
_PHASES = 16

_RECORDINGS = Path(__file__).parents[1] / "tests" / "recordings" / "openai"
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"
_TEXT = (
    "The kitchen is at 22 °C, and the bedroom was warmed from 19 to 21 °C this "
    "morning. That is **two degrees** more than last week; say so if it is too much. "
)
_WORDS = [f" {word}" for word in _TEXT.split()]
# In the mean, of a delta.
CHARACTERS = sum(map(len, _WORDS)) / len(_WORDS)


def _event(event: ServerEvent) -> bytes:
    """An event on the wire: a chunk of its own."""
    data = f"event: {event.name}\ndata: ".encode() + event.data + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()


class Answer:
    """A recorded answer, which can be told with other words, and more of them."""

    def __init__(self, recording: str) -> None:
        raw = (_RECORDINGS / f"{recording}.sse").read_bytes()
        events = EventDecoder().feed(raw)
        places = [
            place for place, event in enumerate(events) if event.name.endswith(".delta")
        ]
        self._delta = events[places[0]]
        self._endings = events[places[-1] + 1 :]
        self.before = b"".join(map(_event, events[: places[0]]))
        self.deltas = [self.delta(word) for word in _WORDS]

    def delta(self, text: str) -> bytes:
        """A piece of text."""
        data = self._delta.data.replace(b'"Hello"', _quoted(text))
        return _event(self._delta._replace(data=data))

    def after(self, text: str | None = None) -> bytes:
        """What follows the last delta; that of a response can have another text."""
        endings = self._endings
        if text is not None:
            was, now = _quoted(json.loads(endings[0].data)["text"]), _quoted(text)
            endings = [
                each._replace(data=each.data.replace(was, now)) for each in endings
            ]
        return b"".join(map(_event, endings))

    def whole(self) -> bytes:
        """All of it, with many deltas."""
        deltas = itertools.islice(itertools.cycle(self.deltas), DELTAS)
        return self.before + b"".join(deltas) + self.after()


class Listener(Protocol):
    """Who answers requests."""

    def answer(self, path: str, body: bytes, transport: asyncio.WriteTransport) -> None:
        """Answer one request."""

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Stop speaking to somebody who has gone."""


class Speaker(asyncio.Protocol):
    """Answers the requests of one connection."""

    def __init__(self, stage: Listener) -> None:
        self._stage = stage
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Say nothing more."""
        if self._transport:
            self._stage.leave(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request once it is here whole."""
        self._received += data
        while True:
            head, gap, rest = self._received.partition(b"\r\n\r\n")
            size = _content_length(head)
            if not gap or len(rest) < size or self._transport is None:
                return
            self._received = rest[size:]
            path = head.split(b" ", 2)[1].decode()
            self._stage.answer(path, rest[:size], self._transport)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def json_answer(content: object) -> bytes:
    """An answer that is no stream."""
    body = json.dumps(content).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


class Stage:
    """What all connections share: the answers, and who is being spoken to."""

    def __init__(self) -> None:
        answers = {"responses": Answer("text"), "runs": Answer("assistants_text")}
        self._answers = answers
        self._wholes = {
            name: STREAM_HEAD + answer.whole() + STREAM_END
            for name, answer in answers.items()
        }
        self._phases: list[dict[asyncio.WriteTransport, itertools.cycle[bytes]]] = [
            {} for _ in range(_PHASES)
        ]
        self._next_phase = itertools.cycle(self._phases)
        self._numbers = itertools.count(1)

    def answer(
        self,
        path: str,
        body: bytes,  # noqa: ARG002 - whatever is asked
        transport: asyncio.WriteTransport,
    ) -> None:
        """Answer one request."""
        kind = path.rpartition("/")[2]
        if path.startswith("/at-once/"):
            transport.write(self._wholes[kind])
        elif path.startswith("/paced/"):
            answer = self._answers[kind]
            transport.write(STREAM_HEAD + answer.before)
            next(self._next_phase)[transport] = itertools.cycle(answer.deltas)
        else:
            nod = {"ok": True, "ts": f"{next(self._numbers)}.000100"}
            transport.write(json_answer(nod))

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Stop speaking to somebody who has gone."""
        for phase in self._phases:
            phase.pop(transport, None)

    async def speak(self) -> None:
        """Say the next delta to everybody, again and again."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for tick in itertools.count():
            await asyncio.sleep(began + tick / (RATE * _PHASES) - loop.time())
            for transport, deltas in self._phases[tick % _PHASES].items():
                transport.write(next(deltas))


async def _serve() -> None:
    stage = Stage()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Speaker(stage), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await stage.speak()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        sys.exit(runner.run(_serve()))
