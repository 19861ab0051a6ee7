"""The table of failures over a real socket: what is said, tried again, and spared."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.assistants.patience import Limits
from app.domain import RunStatus
from app.storage.remote_threads import RemoteThread

from .assistant_stage import ConversationStage, Stage, ThreadsStage, client_of, hear
from .replaying import Act, Play, Refuse, ReplayServer, replaying
from .replaying_conversations import replaying_conversations
from .replaying_threads import replaying_threads

_LATER = "Please try again in a minute."
_OPERATOR = "Please tell whoever runs me."
TOO_BUSY = f"The model is too busy right now. {_LATER}"
TROUBLE = f"The model has trouble answering right now. {_LATER}"
BUDGET = f"The budget for the model is used up. {_OPERATOR}"
NO_KEY = f"The model's server refused my key. {_OPERATOR}"
NOT_ALLOWED = f"I am not allowed to use this model. {_OPERATOR}"
NO_MODEL = f"The model I am set to use is not available. {_OPERATOR}"
NOT_TAKEN = f"The model's server did not take my request. {_OPERATOR}"
TOO_LONG = "This thread has grown too long for the model. Please start a new one."
NOT_THIS = "The model refused this request. Please put it differently."

# What servers say may hold keys, ids of customers, and what people wrote.
_THEIRS = "org-4711 sk-abcdef123"
_QUOTA = "You exceeded your current quota, please check your plan."
_TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to be refused, and what is to come of it."""

    status: int
    says: str
    code: str | int | None = None
    type: str | dict[str, str] | None = None
    words: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    is_retried: bool = False
    is_spared: bool = False

    @property
    def error(self) -> dict[str, Any]:
        words = f"{self.words} {_THEIRS}"
        return {"message": words, "type": self.type, "param": None, "code": self.code}

    def refuse(self) -> Refuse:
        return Refuse(self.status, self.error, self.headers)


REFUSED = {
    "wrong key": Row(status=401, code="invalid_api_key", says=NO_KEY),
    "no key": Row(status=401, says=NO_KEY),
    "region": Row(status=403, says=NOT_ALLOWED),
    "no such model": Row(status=404, code="model_not_found", says=NO_MODEL),
    "too long": Row(status=400, code="context_length_exceeded", says=TOO_LONG),
    "too long, by its words": Row(
        status=400, words="This exceeds the max_model_len of 8192.", says=TOO_LONG
    ),
    "too large": Row(status=413, says=TOO_LONG),
    "bad request": Row(status=400, code="invalid_type", says=NOT_TAKEN),
    "conflict": Row(status=409, says=NOT_TAKEN),
    "unprocessable": Row(status=422, says=NOT_TAKEN),
    "no words at all": Row(status=404, code=404, type={"not": "found"}, says=NO_MODEL),
    "policy": Row(status=400, code="content_policy_violation", says=NOT_THIS),
}
BUSY = {
    "rate limit": Row(
        status=429,
        code="rate_limit_exceeded",
        headers={"retry-after": "7"},
        says=TOO_BUSY,
        is_retried=True,
    ),
    "slow down": Row(status=503, code="slow_down", says=TOO_BUSY, is_retried=True),
    "too many": Row(status=429, says=TOO_BUSY, is_retried=True),
    "server's time out": Row(status=408, says=TROUBLE, is_retried=True),
    "server's fault": Row(status=500, says=TROUBLE, is_retried=True),
    "overloaded": Row(status=529, says=TROUBLE, is_retried=True),
    "locked": Row(
        status=400, code="conversation_locked", says=TOO_BUSY, is_retried=True
    ),
}
EMPTY = {
    name: Row(status=429, code=name, says=BUDGET, is_spared=True)
    for name in (
        "insufficient_quota",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    )
} | {
    "payment required": Row(status=402, says=BUDGET, is_spared=True),
    "by its type": Row(
        status=429, type="insufficient_quota", says=BUDGET, is_spared=True
    ),
    "by its words, a number being its code": Row(
        status=429, code=429, words=_QUOTA, says=BUDGET, is_spared=True
    ),
    "by its words": Row(
        status=429,
        code="rate_limit_exceeded",
        words=_QUOTA,
        says=BUDGET,
        is_spared=True,
    ),
}
ROWS = REFUSED | BUSY | EMPTY


@dataclass(frozen=True)
class Scene:
    """An assistant before a server that does as it is told."""

    stage: Stage | ConversationStage | ThreadsStage
    server: ReplayServer

    async def hear(self, act: Act) -> tuple[str, str | None, int]:
        """Return what people are told, the request's id, and the requests made."""
        self.stage.say("hello")
        self.server.acts.clear()
        self.server.then(act)
        before = len(self.server.requests)
        heard = await hear(self.stage.assistant.run(self.stage.turn))
        assert heard.run.status is RunStatus.FAILED
        assert heard.run.error
        assert _THEIRS not in repr(heard.events)
        asked = len(self.server.requests) - before
        return heard.run.error.message, heard.run.error.request_id, asked


@pytest.fixture(params=["responses", "conversation", "assistants"])
async def scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        server: ReplayServer
        match request.param:
            case "responses":
                server = await stack.enter_async_context(replaying())
                kind: type[Stage | ConversationStage | ThreadsStage] = Stage
            case "conversation":
                server = await stack.enter_async_context(replaying_conversations())
                kind = ConversationStage
            case _:
                server = await stack.enter_async_context(replaying_threads())
                kind = ThreadsStage
        client = await stack.enter_async_context(client_of(server.base_url))
        yield Scene(kind(client), server)


@pytest.mark.parametrize("name", list(ROWS))
async def test_a_refusal_is_told_kindly_and_asked_again_only_where_that_helps(
    scene: Scene, name: str, caplog: pytest.LogCaptureFixture
):
    row = ROWS[name]
    requests = _TRIES if row.is_retried else 1
    with caplog.at_level(logging.DEBUG, logger="app"):
        first = await scene.hear(row.refuse())
        pauses = list(scene.stage.pauses)
        second = await scene.hear(row.refuse())

    assert first == (row.says, "req_42", requests)
    assert second == (row.says, "req_42", 0 if row.is_spared else requests)
    if "retry-after" in row.headers:
        assert pauses == [7.0] * 4
    assert "abcdef" not in repr([vars(record) for record in caplog.records])


@pytest.mark.parametrize(
    "name", ["rate limit", "insufficient_quota", "by its words", "policy", "too long"]
)
async def test_an_error_inside_of_a_stream_is_told_as_a_refusal_is(
    scene: Scene, name: str
):
    row = ROWS[name]
    event = f"event: error\ndata: {json.dumps(row.error)}\n\n".encode()

    says, request_id, asked = await scene.hear(Play(event))

    assert (says, request_id) == (row.says, "req_42")
    assert asked == (_TRIES if row.is_retried else 1)


async def test_an_answer_that_is_no_stream_is_named_by_its_request(scene: Scene):
    page = Play(b"<html>hello</html>", content_type="text/html")

    says, request_id, asked = await scene.hear(page)

    assert says.startswith("The model's server answered in a way I can't read.")
    assert (request_id, asked) == ("req_42", 1)


async def test_a_refused_message_is_named_by_its_request_too():
    async with replaying_threads() as server, client_of(server.base_url) as client:
        stage = ThreadsStage(client)
        stage.thread = RemoteThread(thread_id="thread_1", told_turn_id=0)
        stage.say("hello")
        row = EMPTY["insufficient_quota"]
        server.refusals.append(replace(row, headers={"x-request-id": "r_7"}).refuse())

        heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.error
    assert heard.run.error.message == row.says
    assert heard.run.error.request_id == "r_7"


@contextmanager
def full_server() -> Iterator[str]:
    """A server whose queue is full: it never takes another connection."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


@pytest.mark.parametrize("kind", [Stage, ThreadsStage])
async def test_a_server_that_takes_no_connection_is_given_up_soon(
    kind: type[Stage | ThreadsStage],
):
    with full_server() as base_url:
        async with client_of(base_url) as client, asyncio.timeout(10):
            stage = kind(client, limits=Limits(connect=0.02, first_event=60))
            stage.say("hello")
            heard = await hear(stage.assistant.run(stage.turn))

    assert heard.run.error
    assert heard.run.error.code == "unreachable"
    assert len(stage.pauses) == 4
