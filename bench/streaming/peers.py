"""When other programs send what: their published rules, without their content.

Each is told of one answer when its question comes, and returns when it has done with
it. Refused calls are made again as slack_sdk's handler does: the same text, after what
Slack asks for and up to a second. Most are given more patience for that than they have.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from app.errors import RateLimited
from bench.streaming.slack import APPEND, POST, START, STOP, UPDATE, FakeSlack
from bench.streaming.stream import Stream

Answer = Callable[[Stream], Awaitable[None]]
Policy = Callable[[FakeSlack], AbstractAsyncContextManager[Answer]]

_PATIENT = 100
_WINDOW = 60.0


async def _until(slack: FakeSlack, moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - slack.now()))


async def _insist(
    slack: FakeSlack, stream: Stream, method: str, tokens: int, retries: int = _PATIENT
) -> bool:
    """Show so many tokens by one call; whether Slack has taken it in the end."""
    for _ in range(retries + 1):
        try:
            await slack.call(method, stream.channel)
        except RateLimited as error:
            await asyncio.sleep(error.retry_after + slack.random.random())
        else:
            stream.show(tokens, slack.now())
            return True
    return False


async def final_only(slack: FakeSlack, stream: Stream) -> None:
    """One post at the end (onyx)."""
    await _until(slack, stream.ends)
    stream.is_lost = not await _insist(slack, stream, POST, stream.tokens)


async def _interval(slack: FakeSlack, stream: Stream, seconds: float) -> None:
    """Post the first delta, then an edit every so often, one at a time."""
    await _until(slack, stream.begun)
    method = POST
    while not stream.is_whole:
        sent = slack.now()
        if not await _insist(slack, stream, method, stream.written(sent)):
            stream.is_lost = True
            return
        method = UPDATE
        # The end is not kept waiting for the interval.
        await _until(slack, min(sent + seconds, stream.ends))


async def interval_1s(slack: FakeSlack, stream: Stream) -> None:
    """An edit each second (openclaw, vercel/chat where it may not stream)."""
    await _interval(slack, stream, 1.0)


async def interval_3s(slack: FakeSlack, stream: Stream) -> None:
    """An edit every three seconds."""
    await _interval(slack, stream, 3.0)


async def chunks20(slack: FakeSlack, stream: Stream) -> None:
    """A thread for an edit every 20 tokens, in no order (ChatGPT-in-Slack)."""
    chunk, retries = 20, 2
    if not await _insist(slack, stream, POST, 0, retries):
        stream.is_lost = True
        return
    edits = []
    for tokens in range(chunk, stream.tokens + 1, chunk):
        await _until(slack, stream.comes(tokens))
        edit = _insist(slack, stream, UPDATE, tokens, retries)
        edits.append(asyncio.ensure_future(edit))
    await _until(slack, stream.ends)
    await asyncio.gather(*edits)
    stream.is_lost = not await _insist(slack, stream, UPDATE, stream.tokens, retries)


async def buffer_256(slack: FakeSlack, stream: Stream) -> None:
    """Slack's own streaming, 64 tokens a call (slack_sdk's chat_stream)."""
    buffered, method = 64, START
    for tokens in range(buffered, stream.tokens + 1, buffered):
        await _until(slack, stream.comes(tokens))
        if not await _insist(slack, stream, method, tokens):
            stream.is_lost = True
            return
        method = APPEND
    await _until(slack, stream.ends)
    if method is START and not await _insist(slack, stream, START, 0):
        stream.is_lost = True
        return
    stream.is_lost = not await _insist(slack, stream, STOP, stream.tokens)


class Window45:
    """Edits each half second, 45 in any minute for all answers together (dust).

    What finds the window full is dropped, the end takes the next place that is free.
    """

    most = 45
    pause = 0.5

    def __init__(self, slack: FakeSlack) -> None:
        self._slack = slack
        self._places: deque[float] = deque()

    async def answer(self, stream: Stream) -> None:
        """Bring one answer to its end."""
        slack = self._slack
        stream.is_lost = not await _insist(slack, stream, POST, 0)
        await _until(slack, stream.begun)
        while (sent := slack.now()) < stream.ends and not stream.is_lost:
            if self._next_place(sent) <= sent:
                self._places.append(sent)
                await _insist(slack, stream, UPDATE, stream.written(sent))
            await _until(slack, min(sent + self.pause, stream.ends))
        place = self._next_place(slack.now())
        self._places.append(place)
        await _until(slack, place)
        stream.is_lost = not await _insist(slack, stream, UPDATE, stream.tokens)

    def _next_place(self, now: float) -> float:
        while self._places and self._places[0] <= now - _WINDOW:
            self._places.popleft()
        if len(self._places) < self.most:
            return now
        return self._places[-self.most] + _WINDOW


def _each(rule: Callable[[FakeSlack, Stream], Awaitable[None]]) -> Policy:
    """A rule that knows nothing but its own answer."""

    @asynccontextmanager
    async def policy(slack: FakeSlack) -> AsyncGenerator[Answer]:
        yield lambda stream: rule(slack, stream)

    return policy


@asynccontextmanager
async def window45(slack: FakeSlack) -> AsyncGenerator[Answer]:
    """As `Window45`, with a window for this Slack."""
    yield Window45(slack).answer


PEERS: dict[str, Policy] = {
    "final_only": _each(final_only),
    "chunks20": _each(chunks20),
    "interval_1s": _each(interval_1s),
    "interval_3s": _each(interval_3s),
    "buffer_256": _each(buffer_256),
    "window45": window45,
}
