"""A model's server that writes down when it has sent what.

A question says `question 17`; the answer to it has so many tokens as the number asks
for, `RATE` of them a second. `/told` says when each was sent, in epoch seconds.
"""

import asyncio
import re
import sys
import time
from random import Random

from app.loop import new_event_loop
from bench.model_server import (
    RATE,
    STREAM_END,
    STREAM_HEAD,
    Answer,
    Speaker,
    json_answer,
)
from bench.streaming.stream import TEXT, TOKEN

SHORTEST, LONGEST = 300, 400
# From the question to the first token.
_PONDER = (0.3, 1.0)
_QUESTION = re.compile(rb"question (\d+)")


def tokens_of(number: int) -> int:
    """How long the answer to a question is."""
    return Random(f"tokens {number}").randint(SHORTEST, LONGEST)  # noqa: S311 - keeps no secret


class Narrator:
    """Answers questions, each at its pace."""

    def __init__(self) -> None:
        self._answer = Answer("text")
        self._told: dict[int, list[float]] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def answer(self, path: str, body: bytes, transport: asyncio.WriteTransport) -> None:
        """Answer one request."""
        if path == "/told":
            transport.write(json_answer(self._told))
        elif path.endswith("/responses"):
            number = int(_QUESTION.findall(body)[-1])
            telling = asyncio.ensure_future(self._tell(number, transport))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)
        else:
            transport.write(json_answer({"object": "list", "data": []}))

    def leave(self, transport: asyncio.WriteTransport) -> None:
        """Somebody has gone; what is told to nobody is told all the same."""

    async def _tell(self, number: int, transport: asyncio.WriteTransport) -> None:
        loop = asyncio.get_running_loop()
        random = Random(f"ponder {number}")  # noqa: S311 - keeps no secret
        tokens = [TEXT[i * TOKEN :][:TOKEN] for i in range(tokens_of(number))]
        transport.write(STREAM_HEAD + self._answer.before)
        begun = loop.time() + random.uniform(*_PONDER)
        told = self._told[number] = []
        for count, token in enumerate(tokens):
            await asyncio.sleep(begun + count / RATE - loop.time())
            transport.write(self._answer.delta(token))
            told.append(time.time())
        transport.write(self._answer.after("".join(tokens)) + STREAM_END)


async def _serve() -> None:
    narrator = Narrator()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Speaker(narrator), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        sys.exit(runner.run(_serve()))
