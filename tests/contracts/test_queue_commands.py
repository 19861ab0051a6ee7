"""Whose word counts in a thread, and the words stop and follow."""

from dataclasses import replace

from sqlalchemy import text

from app.domain import Ending, Follow, RunStatus, TurnState
from app.storage.database import Database
from app.storage.resumptions import Resumptions
from tests.contracts.late_words import ago
from tests.contracts.queue_words import (
    ANA,
    BEN,
    CAT,
    TEAM,
    Queue,
    overheard,
    said,
    texts,
)


async def test_one_person_goes_on_without_a_mention_until_another_joins(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    await queue.answer_all()

    await queue.add(said("and?", when=1, thread=0))
    alone = await queue.answer_all()
    await queue.add(said("hm", when=2, thread=0, by=BEN))
    await queue.add(said("well?", when=3, thread=0))
    together = await queue.answer_all()
    await queue.add(said("bot?", when=4, thread=0, by=CAT, mention=True))
    (asked,) = await queue.answer_all()

    assert [texts(turn) for turn in alone] == [["and?"]]
    assert together == []
    assert texts(asked) == ["bot?"]
    assert overheard(asked) == ["hm", "well?"]


async def test_following_a_thread_is_a_word_and_so_is_its_end(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True), said("hm", when=1, thread=0, by=BEN))
    await queue.answer_all()

    followed = await queue.add(said("Follow!", when=2, thread=0, mention=True))
    (told,) = await queue.answer_all()
    await queue.add(said("what now?", when=3, thread=0, by=BEN))
    (plain,) = await queue.answer_all()
    ended = await queue.add(said("only when mentioned", when=4, thread=0, mention=True))
    await queue.answer_all()
    await queue.add(said("and alone?", when=5, thread=0))

    assert followed.follow is Follow.ALWAYS
    assert texts(told) == ["Follow!"]
    assert texts(plain) == ["what now?"]
    assert ended.follow is Follow.MENTIONS
    assert await queue.claim() == []


async def test_stop_ends_the_turn_and_drops_what_its_author_still_wanted(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    await queue.add(
        said("two", when=1, thread=0, mention=True),
        said("bens", when=2, thread=0, by=BEN, mention=True),
    )

    stopped = await queue.add(said("Stop.", when=3, thread=0, mention=True))
    twin = await queue.add(said("Stop.", when=3, thread=0, mention=True))
    request = await queue.store.stop_requested(turn.lease)
    await queue.finish(turn)
    (left,) = await queue.answer_all()

    assert stopped.stop == request
    assert request is not None
    assert (request.turn_id, request.stopped_by) == (turn.turn_id, ANA)
    assert twin.stop is None
    assert texts(left) == ["bens"]
    assert overheard(left) == []
    dropped = "SELECT text, outcome_by FROM inbox WHERE outcome = 'dropped' ORDER BY ts"
    assert await queue.rows(dropped) == [("two", ANA), ("Stop.", ANA)]


async def test_stop_that_comes_late_leaves_alone_what_was_asked_after_it(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    await queue.answer_all()
    await queue.add(said("three", when=3, thread=0))
    turn = await queue.claim_one()
    await queue.add(said("four", when=4, thread=0))

    late = await queue.add(said("stop", when=2, thread=0))

    assert late.stop is None
    assert await queue.store.stop_requested(turn.lease) is None
    await queue.finish(turn)
    assert texts(await queue.claim_one()) == ["four"]


async def test_stop_that_comes_late_takes_back_what_was_asked_before_it(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    await queue.add(said("two", when=1, thread=0), said("four", when=4, thread=0))

    late = await queue.add(said("stop", when=2, thread=0))

    assert late.stop is not None
    assert late.stop.turn_id == turn.turn_id
    await queue.finish(turn)
    assert texts(await queue.claim_one()) == ["four"]


async def test_stop_ends_what_somebody_wanted_to_go_on_once_it_has(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    cut = await queue.claim_one()
    incomplete = Ending(status=RunStatus.INCOMPLETE)
    await queue.store.finish(cut.lease, incomplete, TurnState.DONE)
    await Resumptions(database).go_on(TEAM, cut.turn_id, ANA)
    turn = await queue.claim_one()

    before = await queue.add(said("stop", when=ago(60), thread=0))
    after = await queue.add(said("stop", when=1, thread=0))

    assert before.stop is None
    assert after.stop is not None
    assert after.stop.turn_id == turn.turn_id


async def test_stop_among_several_people_needs_a_mention(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True), said("hm", when=1, thread=0, by=BEN))
    turn = await queue.claim_one()

    plain = await queue.add(said("stop", when=2, thread=0, by=BEN))
    mentioned = await queue.add(said("stop", when=3, thread=0, by=BEN, mention=True))

    assert plain.stop is None
    assert mentioned.stop is not None
    assert mentioned.stop.turn_id == turn.turn_id


async def test_stop_before_the_claim_leaves_nothing_to_do(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))

    stopped = await queue.add(said("stop", when=1, thread=0))

    assert stopped.stop is None
    assert stopped.ready_conversation_id is None
    assert await queue.claim() == []


async def test_stop_where_nothing_goes_on_is_ordinary_text(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    await queue.answer_all()

    await queue.add(said("stop", when=1, thread=0))

    assert [texts(turn) for turn in await queue.answer_all()] == [["stop"]]


async def test_the_stop_button_ends_only_the_turn_it_was_made_for(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    first = await queue.claim_one()

    assert not await queue.inbox.request_stop("T2", first.turn_id, BEN)
    assert not await queue.inbox.request_stop(TEAM, first.turn_id + 1, BEN)
    assert await queue.inbox.request_stop(TEAM, first.turn_id, BEN)
    assert await queue.inbox.request_stop(TEAM, first.turn_id, CAT)

    request = await queue.store.stop_requested(first.lease)
    assert request is not None
    assert request.stopped_by == BEN
    await queue.finish(first)
    assert not await queue.inbox.request_stop(TEAM, first.turn_id, BEN)


async def test_stop_whose_plain_twin_came_first_still_stops(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True), said("hm", when=1, thread=0, by=BEN))
    turn = await queue.claim_one()
    plain = said("stop", when=2, thread=0, by=BEN)

    await queue.add(plain)
    mentioned = await queue.add(replace(plain, mentioned=True))

    assert mentioned.stop is not None
    assert mentioned.stop.turn_id == turn.turn_id


async def test_stop_wakes_a_turn_that_waits_for_a_person_to_be_ended(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    async with database.write() as transaction:
        await transaction.execute(
            text("UPDATE conversations SET state = 'suspended', owner = NULL")
        )
    await queue.add(said("two", when=1, thread=0, by=BEN, mention=True))

    stopped = await queue.add(said("stop", when=2, thread=0, mention=True))

    assert stopped.stop is not None
    assert stopped.ready_conversation_id == turn.lease.conversation_id
    again = await queue.claim_one()
    asked = await queue.store.stop_requested(again.lease)
    assert again.turn_id == turn.turn_id
    assert asked is not None
    assert asked.stopped_by == ANA
    await queue.finish(again)
    assert texts(await queue.claim_one()) == ["two"]
