"""Stops that name no turn end the one that they are about, and no other."""

import pytest

from app.domain import (
    REPLY_DELETED,
    DeletedReply,
    Ending,
    PartKind,
    ReplyPart,
    RunStatus,
    SessionStop,
    StopRequest,
    Turn,
)
from app.storage.database import Database
from app.storage.reply_parts import ReplyParts
from tests.contracts.queue_words import BEN, Queue, said


async def shows(queue: Queue, turn: Turn, *parts: tuple[PartKind, str]) -> None:
    """Let a turn have messages in Slack."""
    rows = ReplyParts(queue.database)
    for number, (kind, ts) in enumerate(parts):
        await rows.intend(
            turn.lease, ReplyPart(part_no=number, kind=kind, post_key="k", ts=ts)
        )


async def claimed_at(queue: Queue, turn: Turn) -> float:
    look = f"SELECT claimed_at FROM turns WHERE id = {turn.turn_id}"  # noqa: S608
    ((seconds,),) = await queue.rows(look)
    return float(seconds)


def pressed(turn: Turn, seconds: float, *message_ts: str) -> SessionStop:
    return SessionStop(
        thread=turn.thread,
        user_id=BEN,
        pressed_at=f"{seconds:.6f}",
        message_ts=message_ts,
    )


@pytest.mark.parametrize(("after", "is_heeded"), [(0.1, True), (-0.1, False)])
async def test_a_stop_in_a_thread_ends_what_had_begun_when_it_was_pressed(
    database: Database, after: float, is_heeded: bool
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    turn = await queue.claim_one()
    began = await claimed_at(queue, turn)

    stop = await queue.inbox.stop_by_sign(pressed(turn, began + after))

    wanted = StopRequest(turn_id=turn.turn_id, stopped_by=BEN)
    assert stop == (wanted if is_heeded else None)
    assert await queue.store.stop_requested(turn.lease) == stop


@pytest.mark.parametrize(("named", "is_heeded"), [("7.000000", True), ("6.0", False)])
async def test_a_stop_that_names_a_message_ends_only_the_turn_that_writes_it(
    database: Database, named: str, is_heeded: bool
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    turn = await queue.claim_one()
    await shows(queue, turn, (PartKind.TEXT, "7.000000"))

    stop = await queue.inbox.stop_by_sign(pressed(turn, 0, named))

    assert (stop is not None) is is_heeded


async def test_a_removed_answer_ends_its_turn_and_a_removed_card_does_not(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    turn = await queue.claim_one()
    await shows(
        queue,
        turn,
        (PartKind.DATA, "5.0"),
        (PartKind.TEXT, "6.0"),
        (PartKind.NOTE, "7.0"),
    )

    kept = [
        await queue.inbox.stop_by_sign(DeletedReply(thread=turn.thread, ts=ts))
        for ts in ("5.0", "7.0", "8.0")
    ]
    stop = await queue.inbox.stop_by_sign(DeletedReply(thread=turn.thread, ts="6.0"))

    assert kept == [None, None, None]
    assert stop == StopRequest(turn_id=turn.turn_id, stopped_by=REPLY_DELETED)


async def test_signs_about_an_answer_that_has_ended_stop_nothing(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    first = await queue.claim_one()
    await shows(queue, first, (PartKind.TEXT, "6.0"))
    began = await claimed_at(queue, first)
    removed = DeletedReply(thread=first.thread, ts="6.0")
    await queue.store.conclude(first.lease, Ending(status=RunStatus.COMPLETED))
    concluded = await queue.inbox.stop_by_sign(removed)
    await queue.finish(first)
    nothing_runs = await queue.inbox.stop_by_sign(pressed(first, began + 9_999))
    await queue.add(said("again", mention=True, when=1, thread=0))
    second = await queue.claim_one()

    assert (concluded, nothing_runs) == (None, None)
    assert await queue.inbox.stop_by_sign(removed) is None
    assert await queue.inbox.stop_by_sign(pressed(second, began)) is None
    assert await queue.store.stop_requested(second.lease) is None


async def test_a_sign_in_a_thread_that_is_none_of_ours_stops_nothing(
    database: Database,
) -> None:
    queue = Queue(database)
    thread = said("hi").thread

    assert await queue.inbox.stop_by_sign(DeletedReply(thread=thread, ts="6.0")) is None
    assert await queue.counts() == dict.fromkeys(await queue.counts(), 0)
