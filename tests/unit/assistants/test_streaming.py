"""How long a stream may be silent, and what counts as a sound."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import httpx2
import pytest

from app.assistants.bounds import MOST_STREAMED
from app.assistants.patience import Limits, Patience
from app.assistants.sse import ServerEvent
from app.assistants.streaming import ServerStream
from app.errors import AssistantRefused, AssistantUnavailable, StreamEndedEarly
from bench.virtual import Clock, virtually

_LIMITS = Limits(first_event=120, gap=180, run=600)


class _Spoken(httpx2.AsyncByteStream):
    """Says one thing after another, each after so many seconds."""

    def __init__(self, said: Sequence[tuple[float, bytes]]) -> None:
        self._said = said

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, words in self._said:
            await asyncio.sleep(seconds)
            yield words


def _heard(*said: tuple[float, bytes], deadline: float = 600) -> list[ServerEvent]:
    heard: list[ServerEvent] = []

    async def main(_: Clock) -> None:
        patience = Patience(deadline)
        response = httpx2.Response(200, stream=_Spoken(said))
        async for batch in ServerStream(response, _LIMITS, patience).batches():
            heard.extend(batch)
        patience.close()

    virtually(main)
    return heard


def test_a_comment_now_and_then_says_that_the_server_is_alive() -> None:
    pings = [(100.0, b": processing\n\n")] * 4

    heard = _heard(*pings, (100, b"data: at last\n\n"))

    assert heard == [ServerEvent("", b"at last")]


def test_comments_alone_do_not_outlast_the_run() -> None:
    with pytest.raises(TimeoutError):
        _heard(*[(100.0, b": processing\n\n")] * 9)


def test_silence_after_the_first_event_ends_the_stream() -> None:
    with pytest.raises((StreamEndedEarly, AssistantUnavailable)) as silent:
        _heard((1, b"data: hello\n\n"), (181, b"data: too late\n\n"))

    assert silent.value.code == "timeout"


def test_a_stream_that_says_nothing_for_ever_is_given_up() -> None:
    words = b": " + b"x" * (MOST_STREAMED // 16) + b"\n"

    with pytest.raises(AssistantRefused):
        _heard(*[(0.0, words)] * 16)
