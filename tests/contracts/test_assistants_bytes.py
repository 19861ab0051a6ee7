"""What every assistant makes of bytes that no careful server would send."""

from collections.abc import AsyncIterator

import pytest

from app.domain import RunStatus

from .assistant_stage import Stage, ThreadsStage, client_of, hear
from .raw_server import STREAM, RawServer, raw_server


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


@pytest.fixture(params=[Stage, ThreadsStage])
async def stage(
    request: pytest.FixtureRequest, server: RawServer
) -> AsyncIterator[Stage | ThreadsStage]:
    async with client_of(server.base_url) as client:
        stage: Stage | ThreadsStage = request.param(client)
        stage.say("hello")
        yield stage


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HELLO\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        STREAM + b"zzz\r\n",
    ],
    ids=["nothing", "no head", "endless head", "no chunk"],
)
async def test_an_answer_that_is_no_http_is_a_server_out_of_reach(
    stage: Stage | ThreadsStage, server: RawServer, answer: bytes
):
    server.words, server.then = [answer], "close"

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.status is RunStatus.FAILED
    assert len(stage.pauses) == 4
    assert server.asked == 5
