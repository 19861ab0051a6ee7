"""The line about what came late: posted once, whatever Slack answers."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from slack_sdk.web.async_client import AsyncWebClient

from app.domain import SlackThread
from app.slack.late_lines import LateLines
from app.slack.outbound import Outbound
from app.slack.replies.message import Method, Send
from app.storage.database import Database
from app.storage.late_notes import LateNotes
from tests.contracts.queue_words import BEN, START, TEAM, Queue, at, removed, said
from tests.contracts.slack_double import Answer, SlackDouble, running_slack

LONG_AGO = -5_000
POST, UPDATE, REPLIES = "chat.postMessage", "chat.update", "conversations.replies"
LATE = said("how warm?", when=LONG_AGO, mention=True)


def posted(_: dict[str, str]) -> Answer:
    thread = {"thread_ts": at(LONG_AGO)}
    return {"ok": True, "ts": at(7), "message": {"ts": at(7), **thread}}


def refused(code: str) -> Answer:
    return {"ok": False, "error": code}


@dataclass
class Process:
    """One process that shows late lines, over a Slack that answers what it is told."""

    queue: Queue
    slack: SlackDouble
    client: AsyncWebClient
    name: str = "one"
    is_alive: bool = True
    methods: list[Method] = field(default_factory=list)

    async def show_next(self) -> None:
        """Bring one line up to date that is due, however long it was to wait."""
        async with self.queue.database.write() as transaction:
            await transaction.exec_driver_sql(
                "UPDATE late_notes SET due_at = 1 WHERE due_at IS NOT NULL"
            )
        await self.queue.leases.beat(self.name, "1", 30.0)
        lines = LateLines(
            worker_id=self.name,
            notes=LateNotes(self.queue.database),
            outbound=Outbound(self.client),
            send_aside=self._send,
            name_of=self._name_of,
            is_alive=lambda: self.is_alive,
            pace=0.0,
        )
        lines.hurry()
        await lines.bring_next_up_to_date()

    async def is_settled(self) -> bool:
        """Whether nothing is left to be shown."""
        due = "SELECT id FROM late_notes WHERE due_at IS NOT NULL"
        return await self.queue.rows(due) == []

    async def _send(self, _: SlackThread, method: Method, send: Send) -> None:
        self.methods.append(method)
        await send()

    async def _name_of(self, _: str, user_id: str) -> str:
        return f"<{user_id}>"


@pytest.fixture
async def process(database: Database) -> AsyncGenerator[Process]:
    async with running_slack() as (slack, client):
        slack.answers[POST] = posted
        slack.answers[UPDATE] = lambda _: {"ok": True}
        slack.answers["chat.delete"] = lambda _: {"ok": True}
        process = Process(Queue(database), slack, client)
        await process.queue.add(LATE)
        yield process


async def _note_id(process: Process) -> int:
    ((note_id,),) = await process.queue.rows("SELECT id FROM late_notes")
    return int(note_id)


async def test_a_line_is_posted_into_its_thread_with_a_button(process: Process) -> None:
    await process.show_next()

    (call,) = process.slack.called(POST)
    assert (call["channel"], call["thread_ts"]) == ("C1", at(LONG_AGO))
    assert call["text"] == "I was away when you asked this."
    assert "threadline_answer_now" in call["blocks"]
    assert await process.is_settled()


async def test_a_line_that_is_there_is_not_posted_again(process: Process) -> None:
    await process.show_next()
    await process.show_next()

    assert len(process.slack.called(POST)) == 1


async def test_a_lost_answer_is_looked_for_and_what_is_found_adopted(
    process: Process,
) -> None:
    process.slack.answers[POST] = lambda _: web.Response(status=500)
    await process.show_next()
    ((key,),) = await process.queue.rows("SELECT post_key FROM late_notes")
    metadata = {"event_type": "threadline_part", "event_payload": {"key": key}}
    process.slack.answers[REPLIES] = lambda _: {
        "ok": True,
        "messages": [{"ts": at(9), "metadata": metadata}],
    }

    await process.show_next()

    assert len(process.slack.called(POST)) == 1
    assert await process.queue.rows("SELECT ts FROM late_notes") == [(at(9),)]
    (looked,) = process.slack.called(REPLIES)
    assert START - 3_600 - 400 < float(looked["oldest"]) < START - 3_600


async def test_what_is_not_found_is_posted(process: Process) -> None:
    process.slack.answers[POST] = lambda _: web.Response(status=500)
    await process.show_next()
    process.slack.answers[REPLIES] = lambda _: {"ok": True, "messages": []}
    process.slack.answers[POST] = posted

    await process.show_next()

    assert len(process.slack.called(POST)) == 2
    assert await process.is_settled()


async def test_where_nobody_may_look_nothing_is_posted_twice(process: Process) -> None:
    process.slack.answers[POST] = lambda _: web.Response(status=500)
    await process.show_next()
    process.slack.answers[REPLIES] = lambda _: refused("not_in_channel")

    await process.show_next()

    assert len(process.slack.called(POST)) == 1
    assert await process.is_settled()


@pytest.mark.parametrize("code", ["ratelimited", "token_revoked", "internal_error"])
async def test_what_slack_does_not_take_now_is_tried_later(
    process: Process, code: str
) -> None:
    process.slack.answers[POST] = lambda _: refused(code)
    process.slack.answers[REPLIES] = lambda _: {"ok": True, "messages": []}
    await process.show_next()
    assert not await process.is_settled()

    process.slack.answers[POST] = posted
    await process.show_next()

    assert await process.is_settled()
    assert await process.queue.rows("SELECT ts FROM late_notes") == [(at(7),)]


async def test_where_slack_takes_nothing_any_more_it_is_left(process: Process) -> None:
    process.slack.answers[POST] = lambda _: refused("is_archived")

    await process.show_next()

    assert await process.is_settled()


async def test_a_process_without_a_lease_posts_nothing(process: Process) -> None:
    process.is_alive = False

    await process.show_next()

    assert process.slack.called(POST) == []
    assert not await process.is_settled()


async def test_after_a_click_the_line_says_by_whom_and_has_no_button(
    process: Process,
) -> None:
    await process.show_next()
    notes = LateNotes(process.queue.database)
    await notes.answer(TEAM, await _note_id(process), BEN)

    await process.show_next()

    (call,) = process.slack.called(UPDATE)
    # A name can be anything, and none calls anybody.
    assert call["text"].endswith("&lt;UBEN&gt; asked me to answer it now.")
    assert (call["ts"], "actions" in call["blocks"]) == (at(7), False)
    assert process.methods == [Method.POST, Method.UPDATE]
    assert await process.is_settled()


async def test_about_what_was_removed_first_nothing_is_posted(
    process: Process,
) -> None:
    await process.queue.inbox.delete(removed(LATE))

    await process.show_next()

    assert process.slack.calls == []
    assert await process.is_settled()


async def test_a_line_about_what_was_removed_goes(process: Process) -> None:
    await process.show_next()
    await process.queue.inbox.delete(removed(LATE))

    await process.show_next()

    (call,) = process.slack.called("chat.delete")
    assert call["ts"] == at(7)
    assert await process.is_settled()
