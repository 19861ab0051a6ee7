"""What waited while no process was alive, and who catches up with the rest."""

import pytest

from app.domain import Turn
from app.storage.absences import Absence, Absences
from app.storage.database import Database
from app.storage.late_notes import LateNotes
from app.storage.web_threads import WebThreads
from tests.contracts.late_words import due, outcomes
from tests.contracts.queue_words import TEAM, Queue, at, said, texts


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
def notes(database: Database) -> LateNotes:
    return LateNotes(database)


async def test_what_waited_while_nobody_was_there_is_late(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.leases.beat("worker", "1", 30.0)
    await queue.add(said(mention=True), said("and", when=1, thread=0))

    await queue.be_away(700.0)

    assert await queue.claim() == []
    assert await outcomes(queue) == ["late", "late"]
    assert len(await due(notes)) == 1


async def test_what_waited_for_less_is_answered(queue: Queue) -> None:
    await queue.leases.beat("worker", "1", 30.0)
    await queue.add(said(mention=True))

    await queue.be_away(500.0)

    assert len(await queue.claim()) == 1


async def test_waiting_behind_a_run_is_not_late_while_somebody_lives(
    queue: Queue,
) -> None:
    await queue.add(said(mention=True))
    turn = await queue.claim_one()
    await queue.add(said("and", when=1, thread=0))
    await queue.leases.beat("other", "1", 10_000.0)

    await queue.be_away(5_000.0)

    await queue.finish(turn)
    assert texts(await queue.claim_one()) == ["and"]


async def _begun(queue: Queue) -> Turn:
    await queue.add(said(mention=True))
    turn = await queue.claim_one()
    await queue.add(said("and", when=1, thread=0))
    return turn


@pytest.mark.parametrize("how", ["died", "told to end"])
async def test_a_turn_that_had_begun_goes_on_and_only_what_waited_is_late(
    queue: Queue, how: str
) -> None:
    turn = await _begun(queue)
    if how == "told to end":
        await queue.store.release(turn.lease)

    await queue.be_away(700.0)

    await queue.leases.reap("worker", [])
    resumed = await queue.claim_one()
    assert resumed.turn_id == turn.turn_id
    await queue.finish(resumed)
    assert await queue.claim() == []
    assert "late" in await outcomes(queue)


async def test_two_processes_that_come_back_at_once_say_it_once(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.leases.beat("worker", "1", 30.0)
    await queue.add(said(mention=True))

    await queue.be_away(700.0)
    await queue.leases.beat("other", "1", 30.0)

    assert len(await queue.rows("SELECT * FROM absences")) == 1
    assert len(await due(notes)) == 1


async def test_on_the_web_nothing_is_late(queue: Queue, notes: LateNotes) -> None:
    threads = WebThreads(queue.database, TEAM)
    await queue.leases.beat("worker", "1", 30.0)
    first = await threads.add(None, "one", "worker")
    assert first
    assert await threads.claim(first, "worker")
    assert await threads.add(first.thread_id, "two", "worker")

    await queue.be_away(700.0)

    assert await outcomes(queue) == ["waiting", "waiting"]
    assert await due(notes) == []


async def test_what_waited_since_yesterday_is_not_spoken_of(
    queue: Queue, notes: LateNotes
) -> None:
    await queue.leases.beat("worker", "1", 30.0)
    await queue.add(said(mention=True))
    async with queue.database.write() as transaction:
        await transaction.exec_driver_sql("UPDATE inbox SET ts = '1600000000.000100'")

    await queue.be_away(90_000.0)

    assert await outcomes(queue) == ["late"]
    assert await due(notes) == []


async def taken(queue: Queue, database: Database) -> tuple[Absences, Absence]:
    """Let a process take what there is to catch up with after five minutes."""
    absences = Absences(database)
    await queue.leases.beat("worker", "1", 30.0)
    await queue.be_away(300.0)
    absence = await absences.take("worker")
    assert absence
    return absences, absence


async def test_one_process_catches_up_once_after_an_absence(
    queue: Queue, database: Database
) -> None:
    absences, absence = await taken(queue, database)
    assert 299 < absence.back_at - absence.away_from < 330

    assert await absences.take("other") is None
    await absences.caught_up(absence)
    await queue.leases.retire("worker")

    assert await absences.take("other") is None


async def test_what_a_process_could_not_bring_to_an_end_it_gets_again(
    queue: Queue, database: Database
) -> None:
    absences, absence = await taken(queue, database)

    assert await absences.take("worker") == absence
    assert await absences.take("other") is None


async def test_what_a_dead_process_had_to_catch_up_with_another_does(
    queue: Queue, database: Database
) -> None:
    absences, absence = await taken(queue, database)
    await queue.leases.retire("worker")

    assert await absences.take("other") == absence


@pytest.mark.parametrize("seconds", [0.0, 30.0])
async def test_a_restart_is_no_absence(
    queue: Queue, database: Database, seconds: float
) -> None:
    await queue.leases.beat("worker", "1", 30.0)

    await queue.be_away(seconds)

    assert await Absences(database).take("worker") is None


async def test_places_are_known_by_their_latest_turns(
    queue: Queue, database: Database
) -> None:
    for when, channel in enumerate(["C1", "DANA", "C1"]):
        await queue.add(said(when=when, channel=channel, mention=True))
        await queue.answer_all()
    await queue.be_away(300.0)
    absence = await Absences(database).take("worker")
    assert absence

    places = await Absences(database).known_places(TEAM, absence)

    assert [(each.channel_id, each.thread_ts) for each in places] == [
        ("C1", None),
        ("DANA", None),
        ("C1", at(2)),
        ("DANA", at(1)),
        ("C1", at(0)),
    ]
