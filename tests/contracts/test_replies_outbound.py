"""Calls as they go over the wire, and what becomes of every kind of answer."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from app.domain import SlackThread
from app.errors import (
    CredentialsRefused,
    LeaseLost,
    MessageGone,
    PlaceClosed,
    RateLimited,
    SlackError,
    SlackUnavailable,
    UnsafePayload,
)
from app.slack.blocks import Action, Button, Payload, TextLook, text_payload
from app.slack.last_look import LastLook
from app.slack.outbound import Outbound

THREAD = SlackThread(team_id="T1", channel_id="C1", thread_ts="100.1")
PAYLOAD = text_payload(
    TextLook(
        body="Text.",
        preview="Text.",
        post_key="key1",
        line="in progress",
        button=Button(Action.STOP, 7),
    )
)


@dataclass
class Wire:
    """A server that answers as it is told; `asked` keeps what came.

    `statuses` are those of the next calls of some methods, before `status`.
    """

    answer: dict[str, Any] = field(default_factory=lambda: {"ok": True})
    status: int = 200
    statuses: dict[str, list[int]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    drops: bool = False
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if request.content_type == "application/json":
            self.asked.append((method, await request.json()))
        else:
            self.asked.append((method, dict(request.query)))
        if self.drops and request.transport:
            request.transport.close()
        body = json.dumps(self.answer).encode() if self.body is None else self.body
        next_ones = self.statuses.get(method)
        return web.Response(
            body=body,
            status=next_ones.pop(0) if next_ones else self.status,
            headers=self.headers,
            content_type=self.content_type,
        )


@dataclass
class Line:
    wire: Wire
    outbound: Outbound
    address: str


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    wire = Wire()
    app = web.Application()
    app.router.add_route("*", "/api/{method}", wire.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    address = f"http://{host}:{port}/api/"
    async with aiohttp.ClientSession(connector=LastLook()) as session:
        client = AsyncWebClient(
            token="xoxb-test", base_url=address, session=session, retry_handlers=[]
        )
        yield Line(wire, Outbound(client, pause=_at_once), address)
    await runner.cleanup()


async def _at_once(_: float) -> None:
    """Wait for nothing."""


def yes() -> bool:
    return True


def posted(thread_ts: str | None = "100.1") -> dict[str, Any]:
    return {"ok": True, "ts": "101.5", "message": {"thread_ts": thread_ts}}


async def test_a_post_says_everything_that_makes_it_safe(line: Line) -> None:
    line.wire.answer = posted()
    ts = await line.outbound.post(THREAD, PAYLOAD, may_send=yes)
    ((method, asked),) = line.wire.asked
    assert (ts, method) == ("101.5", "chat.postMessage")
    assert asked == {
        "channel": "C1",
        "thread_ts": "100.1",
        "text": "Text.",
        "blocks": [dict(block) for block in PAYLOAD.blocks],
        "attachments": [],
        "metadata": {"event_type": "threadline_part", "event_payload": {"key": "key1"}},
        "parse": "none",
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


async def test_an_edit_always_sends_text_blocks_and_attachments(line: Line) -> None:
    await line.outbound.update(THREAD, "101.5", PAYLOAD, may_send=yes)
    ((method, asked),) = line.wire.asked
    assert method == "chat.update"
    assert {"text", "blocks", "attachments"} <= set(asked)
    assert (asked["parse"], asked["link_names"]) == ("none", False)
    assert (asked["channel"], asked["ts"]) == ("C1", "101.5")


@pytest.mark.parametrize("calls_before", [0, 1])
async def test_nothing_is_sent_when_the_lease_goes_while_a_connection_is_waited_for(
    line: Line, calls_before: int
) -> None:
    line.wire.answer = posted()
    for _ in range(calls_before):
        await line.outbound.post(THREAD, PAYLOAD, may_send=yes)
    looks = iter([True, False])
    with pytest.raises(LeaseLost):
        await line.outbound.post(THREAD, PAYLOAD, may_send=lambda: next(looks))

    assert len(line.wire.asked) == calls_before
    await line.outbound.set_status(THREAD, "is there again", may_send=yes)
    assert len(line.wire.asked) == calls_before + 1


async def test_nothing_is_sent_without_the_lease(line: Line) -> None:
    for call in (
        line.outbound.post(THREAD, PAYLOAD, may_send=lambda: False),
        line.outbound.update(THREAD, "1.1", PAYLOAD, may_send=lambda: False),
        line.outbound.delete(THREAD, "1.1", may_send=lambda: False),
        line.outbound.set_status(THREAD, "x", may_send=lambda: False),
    ):
        with pytest.raises(LeaseLost):
            await call
    assert line.wire.asked == []


async def test_an_unsafe_payload_never_reaches_the_wire(line: Line) -> None:
    unsafe = Payload(text="<!channel>", blocks=())
    with pytest.raises(UnsafePayload):
        await line.outbound.post(THREAD, unsafe, may_send=yes)
    with pytest.raises(UnsafePayload):
        await line.outbound.update(THREAD, "1.1", unsafe, may_send=yes)
    assert line.wire.asked == []


@pytest.mark.parametrize("stray", [None, "99.9"])
async def test_a_post_that_lands_outside_its_thread_is_removed_at_once(
    line: Line, stray: str | None
) -> None:
    line.wire.answer = posted(stray)
    with pytest.raises(PlaceClosed) as told:
        await line.outbound.post(THREAD, PAYLOAD, may_send=yes)
    assert told.value.code == "thread_gone"
    assert line.wire.asked[1] == ("chat.delete", {"channel": "C1", "ts": "101.5"})


async def test_a_stray_is_removed_also_when_slack_is_away_for_a_moment(
    line: Line,
) -> None:
    line.wire.answer = posted(None)
    line.wire.statuses["chat.delete"] = [503, 429]
    with pytest.raises(PlaceClosed):
        await line.outbound.post(THREAD, PAYLOAD, may_send=yes)
    assert [method for method, _ in line.wire.asked[1:]] == ["chat.delete"] * 3


async def test_what_is_said_to_one_person_carries_nothing_live(line: Line) -> None:
    await line.outbound.post_ephemeral(THREAD, "U1", "No, <!channel>.", in_thread=True)
    ((method, asked),) = line.wire.asked
    assert method == "chat.postEphemeral"
    assert (asked["user"], asked["text"]) == ("U1", "No, &lt;!channel&gt;.")


async def test_a_status_is_set_in_the_thread(line: Line) -> None:
    await line.outbound.set_status(THREAD, "is working on it")
    assert line.wire.asked == [
        (
            "assistant.threads.setStatus",
            {"channel_id": "C1", "thread_ts": "100.1", "status": "is working on it"},
        )
    ]


async def test_a_message_is_found_again_by_its_key(line: Line) -> None:
    other = {"ts": "1.1", "metadata": {"event_type": "else", "event_payload": {}}}
    mine = {"ts": "2.2", "metadata": dict(PAYLOAD.metadata or {})}
    line.wire.answer = {"ok": True, "messages": [{"ts": "0.1"}, other, mine]}
    assert await line.outbound.find(THREAD, "key1") == "2.2"
    assert await line.outbound.find(THREAD, "key2") is None


async def test_a_message_is_looked_for_on_every_page_but_not_for_ever(
    line: Line,
) -> None:
    page = {"ok": True, "messages": [{"ts": "0.1"}]}
    line.wire.answer = {**page, "response_metadata": {"next_cursor": "more"}}
    with pytest.raises(SlackUnavailable):
        await line.outbound.find(THREAD, "key1", since="99.000000")
    first, second, *_ = [asked for _, asked in line.wire.asked]
    assert first["oldest"] == "99.000000"
    assert "cursor" not in first
    assert second["cursor"] == "more"
    assert len(line.wire.asked) < 10


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("message_not_found", MessageGone),
        ("not_in_channel", PlaceClosed),
        ("token_revoked", CredentialsRefused),
        ("never_heard_of_it", SlackError),
    ],
)
async def test_slacks_words_become_our_errors(
    line: Line, code: str, error: type[SlackError]
) -> None:
    line.wire.answer = {"ok": False, "error": code}
    with pytest.raises(error) as told:
        await line.outbound.update(THREAD, "1.1", PAYLOAD, may_send=yes)
    assert (told.value.code, told.value.method) == (code, "chat.update")
    assert len(line.wire.asked) == 1


async def test_a_pause_is_told_with_its_seconds(line: Line) -> None:
    line.wire.status, line.wire.headers = 429, {"Retry-After": "17"}
    line.wire.answer = {"ok": False, "error": "ratelimited"}
    with pytest.raises(RateLimited) as told:
        await line.outbound.update(THREAD, "1.1", PAYLOAD, may_send=yes)
    assert told.value.retry_after == 17


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"<html>Bad gateway</html>", "text/html", 502),
        (b"<html>Welcome to the hotel</html>", "text/html", 200),
        (b"upstream error", "text/plain", 503),
        (b"hello", "text/plain", 200),
        (b"{not json", "application/json", 200),
        (b"\xff\xfe\xfa", "application/json", 200),
        (b"", "application/json", 200),
        (b"[1, 2]", "application/json", 200),
        (b"null", "application/json", 200),
        (b"{}", "application/json", 500),
        (b"{}", "application/json", 200),
    ],
)
async def test_an_answer_that_makes_no_sense_is_an_outage(
    line: Line, body: bytes, content_type: str, status: int
) -> None:
    line.wire.body, line.wire.content_type = body, content_type
    line.wire.status = status
    with pytest.raises(SlackUnavailable):
        await line.outbound.update(THREAD, "1.1", PAYLOAD, may_send=yes)
    assert len(line.wire.asked) == 1


async def test_a_limit_told_without_json_is_still_a_limit(line: Line) -> None:
    line.wire.body, line.wire.content_type = b"slow down", "text/html"
    line.wire.status, line.wire.headers = 429, {"Retry-After": "3"}
    with pytest.raises(RateLimited) as told:
        await line.outbound.update(THREAD, "1.1", PAYLOAD, may_send=yes)
    assert told.value.retry_after == 3


async def test_a_connection_that_breaks_is_an_outage_and_not_tried_again(
    line: Line,
) -> None:
    line.wire.drops = True
    with pytest.raises(SlackUnavailable):
        await line.outbound.post(THREAD, PAYLOAD, may_send=yes)
    assert len(line.wire.asked) == 1


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(
            token="xoxb-test",
            base_url="http://127.0.0.1:9/api/",
            session=session,
            retry_handlers=[],
        )
        with pytest.raises(SlackUnavailable):
            await Outbound(client).post(THREAD, PAYLOAD, may_send=yes)
