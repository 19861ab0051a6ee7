"""What every assistant makes of bytes that no careful server would send."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from app.assistants.sse import MAX_EVENT_BYTES
from app.domain import RunStatus
from app.storage.remote_threads import RemoteThread

from .assistant_stage import (
    TURN,
    ConversationStage,
    Stage,
    ThreadsStage,
    client_of,
    hear,
)
from .raw_server import STREAM, RawServer, chunk, raw_server


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with raw_server() as server:
        yield server


AnyStage = Stage | ConversationStage | ThreadsStage


@pytest.fixture(params=[Stage, ConversationStage, ThreadsStage])
async def stage(
    request: pytest.FixtureRequest, server: RawServer
) -> AsyncIterator[AnyStage]:
    async with client_of(server.base_url) as client:
        stage: AnyStage = request.param(client)
        if isinstance(stage, ConversationStage):
            stage.conversation = RemoteThread(thread_id="conv_1", told_turn_id=0)
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
    stage: AnyStage, server: RawServer, answer: bytes
):
    server.words, server.then = [answer], "close"

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.status is RunStatus.FAILED
    assert len(stage.pauses) == 4
    assert server.asked == 5


_MEBIBYTE = 1024 * 1024
_DELTAS = (
    b'event: response.output_text.delta\ndata: {"delta":"Hello"}\n\n'
    b'event: thread.message.delta\ndata: {"id":"msg_1","delta":'
    b'{"content":[{"text":{"value":"Hello"}}]}}\n\n'
)
_UNREADABLE = (
    b"event: response.created\ndata: {no json\n\n"
    b"event: thread.run.created\ndata: {no json\n\n"
)


@pytest.mark.parametrize("line", [b"x", b"data: x", b": x"])
async def test_a_line_that_never_ends_is_given_up_and_hung_up_on(
    stage: AnyStage, server: RawServer, line: bytes
):
    more = [chunk(b"x" * _MEBIBYTE)] * (MAX_EVENT_BYTES // _MEBIBYTE + 1)
    server.words = [STREAM, chunk(line), *more]

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.status is RunStatus.FAILED
    assert heard.run.error
    assert heard.run.error.message == "The model's answer was too large to be read."
    await server.left.wait()


async def test_an_event_of_ten_megabytes_is_read(server: RawServer):
    long = "x" * 10 * _MEBIBYTE
    item = f'{{"type":"reasoning","encrypted_content":"{long}"}}'
    event = f'event: response.output_item.done\ndata: {{"item":{item}}}\n\n'
    end = b'event: response.completed\ndata: {"response":{"status":"completed"}}\n\n'
    server.words = [STREAM, chunk(event.encode()), chunk(end)]
    async with client_of(server.base_url) as client:
        stage = Stage(client)
        stage.say("hello")

        heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.status is RunStatus.COMPLETED
    assert heard.run.output == ({"type": "reasoning", "encrypted_content": long},)


@pytest.mark.parametrize(
    "words",
    [
        b'event: error\ndata: {"message":"no","code":"server_error"}\n\n',
        b'event: error\ndata: {"error":{"message":"no","code":"server_error"}}\n\n',
        b'data: {"error":{"message":"no","code":"server_error"}}\n\n',
        _UNREADABLE,
    ],
    ids=["flat", "nested", "nameless", "unreadable"],
)
async def test_an_error_in_mid_stream_is_hung_up_on_and_keeps_the_text(
    stage: AnyStage, server: RawServer, words: bytes
):
    server.words = [STREAM, chunk(_DELTAS), chunk(words)]

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.text == "Hello"
    assert heard.run.status is RunStatus.FAILED
    assert heard.run.error
    assert heard.run.error.code in ("server_error", "unreadable_event")
    assert server.asked == 1
    await server.left.wait()


async def test_a_turn_that_is_older_than_a_run_may_be_has_expired(
    stage: AnyStage, server: RawServer
):
    old = replace(TURN, age=100_000.0)

    heard = await hear(stage.assistant.resume(old))

    assert heard.run.status is RunStatus.EXPIRED
    assert server.asked <= 1


_TOO_LARGE = "The model's answer was too large to be read."
_MORE_THAN_AN_EVENT = [chunk(b"x" * _MEBIBYTE)] * (MAX_EVENT_BYTES // _MEBIBYTE + 1)


async def test_a_refusal_that_never_ends_is_hung_up_on(
    stage: AnyStage, server: RawServer
):
    server.words = [STREAM.replace(b"200 OK", b"500 Oh"), *_MORE_THAN_AN_EVENT]

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.error
    assert heard.run.error.message == _TOO_LARGE
    await server.left.wait()


async def test_a_conversation_that_holds_too_much_is_not_read(server: RawServer):
    server.words, server.then = [b""], "close"
    server.held = b"".join([STREAM, *_MORE_THAN_AN_EVENT])
    async with client_of(server.base_url) as client:
        stage = ConversationStage(client)
        stage.conversation = RemoteThread(thread_id="conv_1", told_turn_id=0)
        stage.say("hello")

        heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.error
    assert heard.run.error.message == _TOO_LARGE


async def test_a_packed_answer_is_not_unpacked(stage: AnyStage, server: RawServer):
    packed = STREAM.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    server.words = [packed]

    heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.error
    assert heard.run.error.code == "unreadable_answer"
    await server.left.wait()
