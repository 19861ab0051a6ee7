import asyncio
from collections.abc import AsyncGenerator

import pytest

from app.domain import (
    Citation,
    DataMessage,
    MessageStarted,
    Run,
    RunEvent,
    RunStatus,
    RunUpdate,
    StepUpdate,
    StoredDataMessage,
    TextDelta,
    TextDone,
)
from app.turns.response import AssistantResponse
from tests.fakes import RecordingReply, stream_of


async def number_one(message: DataMessage) -> StoredDataMessage:
    return StoredDataMessage(seq=1, message=message)


def update(status: RunStatus) -> RunUpdate:
    return RunUpdate(f"thread.run.{status}", Run(run_id="r1", status=status))


def started(message_id: str = "m1") -> MessageStarted:
    return MessageStarted("thread.message.created", message_id)


def delta(text: str) -> TextDelta:
    return TextDelta("thread.message.delta", text)


def done(text: str) -> TextDone:
    return TextDone("thread.message.completed", text)


def responding(
    reply: RecordingReply, stop: asyncio.Event | None = None
) -> AssistantResponse:
    return AssistantResponse(reply, store_data=number_one, stop=stop or asyncio.Event())


async def test_the_deltas_of_a_stream_become_the_text_of_the_reply():
    reply = RecordingReply()

    run = await responding(reply).forward_stream(
        stream_of(
            [
                update(RunStatus.IN_PROGRESS),
                started(),
                delta("Good "),
                delta("morning."),
                done("Good morning."),
                update(RunStatus.COMPLETED),
            ]
        )
    )

    assert run.status is RunStatus.COMPLETED
    assert reply.messages == ["Good morning."]
    assert reply.statuses == ["in_progress", "completed"]


async def test_the_finished_text_wins_over_the_deltas():
    reply = RecordingReply()

    await responding(reply).forward_stream(
        stream_of(
            [started(), delta("Goud"), done("Good."), update(RunStatus.COMPLETED)]
        )
    )

    assert reply.messages == ["Good."]


async def test_text_without_a_message_before_it_is_shown_all_the_same():
    reply = RecordingReply()

    await responding(reply).forward_stream(
        stream_of([delta("Hi"), update(RunStatus.COMPLETED)])
    )

    assert reply.messages == ["Hi"]


async def test_a_stream_that_ends_without_saying_how_is_a_failed_run():
    reply = RecordingReply()
    response = responding(reply)

    run = await response.forward_stream(
        stream_of([update(RunStatus.IN_PROGRESS), started(), delta("Half a")])
    )

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert run.error.code == "stream_ended_early"
    assert response.pass_text == "Half a"


async def test_a_stop_closes_the_stream_and_keeps_the_text_so_far():
    reply = RecordingReply()
    stop = asyncio.Event()
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[RunEvent]:
        try:
            yield update(RunStatus.IN_PROGRESS)
            yield started()
            yield delta("One, ")
            stop.set()
            await asyncio.Event().wait()
        finally:
            closed.set()

    response = responding(reply, stop)
    run = await response.forward_stream(endless())

    assert run.status is RunStatus.CANCELLED
    assert closed.is_set()
    assert reply.messages == ["One, "]
    assert response.pass_text == "One, "


async def test_a_stop_that_comes_with_the_last_event_does_not_undo_the_answer():
    stop = asyncio.Event()

    async def quick() -> AsyncGenerator[RunEvent]:
        yield update(RunStatus.COMPLETED)
        stop.set()

    run = await responding(RecordingReply(), stop).forward_stream(quick())

    assert run.status is RunStatus.COMPLETED


async def test_each_stream_starts_its_own_text_of_the_pass():
    response = responding(RecordingReply())

    await response.forward_stream(
        stream_of([started(), delta("a"), update(RunStatus.REQUIRES_ACTION)])
    )
    await response.forward_stream(
        stream_of([started("m2"), delta("b"), update(RunStatus.COMPLETED)])
    )

    assert response.pass_text == "b"


async def test_data_messages_and_text_keep_their_order():
    reply = RecordingReply()
    response = responding(reply)

    await response.forward_stream(
        stream_of([started(), delta("a"), update(RunStatus.REQUIRES_ACTION)])
    )
    await response.send_data_message(DataMessage(type="t", data={}))

    assert [data.seq for data in reply.data] == [1]


async def test_what_the_assistant_does_besides_is_shown_as_a_step():
    reply = RecordingReply()

    await responding(reply).forward_stream(
        stream_of([StepUpdate("s", "searching"), update(RunStatus.COMPLETED)])
    )

    assert reply.steps == ["searching"]


async def test_an_error_in_the_stream_reaches_the_caller_and_closes_it():
    closed = asyncio.Event()

    async def broken() -> AsyncGenerator[RunEvent]:
        try:
            yield started()
            raise ValueError("broken")
        finally:
            closed.set()

    with pytest.raises(ValueError, match="broken"):
        await responding(RecordingReply()).forward_stream(broken())

    assert closed.is_set()


async def test_what_was_cited_is_told_once_and_in_bounds():
    reply = RecordingReply()
    page = Citation(title="A page", url="https://a.example")
    many = tuple(Citation(title=f"file {number}") for number in range(20))
    texts = [
        TextDone("thread.message.completed", "So.", (page,)),
        TextDone("thread.message.completed", "So.", (page, *many)),
    ]

    await responding(reply).forward_stream(
        stream_of([started(), *texts, update(RunStatus.COMPLETED)])
    )

    [data] = [stored.message for stored in reply.data]
    assert data.type == "sources"
    assert data.data["sources"][0] == {"title": "A page", "url": "https://a.example"}
    assert len(data.data["sources"]) == 8
