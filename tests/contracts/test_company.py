"""That a second person has joined is said once, by whichever process can say it."""

from app.domain import Ending, RunError, RunStatus, TurnState
from app.storage.company import Company
from app.storage.database import Database
from app.storage.reply_parts import ReplyParts
from app.storage.resumptions import Resumptions
from tests.contracts.queue_words import ANA, BEN, CAT, TEAM, Queue, said

FAILED = Ending(
    status=RunStatus.FAILED, error=RunError(code="server_error", message="It broke.")
)


async def test_who_joins_by_a_mention_reads_it_under_their_own_answer(
    database: Database,
) -> None:
    queue, company = Queue(database), Company(database)
    await queue.add(said("one", mention=True))
    first = await queue.claim_one()
    await queue.add(said("two", when=1, thread=0, by=BEN, mention=True))
    taken = await company.take(first.lease)
    await queue.finish(first)
    second = await queue.claim_one()

    assert (first.has_company, taken, second.has_company) == (False, False, True)


async def test_who_joins_silently_is_told_of_by_the_newest_answer_alone(
    database: Database,
) -> None:
    queue, company = Queue(database), Company(database)
    await queue.add(said("one", mention=True))
    (oldest,) = await queue.answer_all()
    await queue.add(said("two", when=1, thread=0, mention=True))
    (newest,) = await queue.answer_all()
    await queue.add(said("I see", when=2, thread=0, by=BEN))

    said_by = [await company.take(each.lease) for each in (oldest, newest, newest)]
    await queue.add(said("three", when=3, thread=0, by=CAT, mention=True))
    (following,) = await queue.answer_all()

    assert said_by == [False, True, False]
    assert not following.has_company


async def test_an_answer_that_is_tried_again_elsewhere_is_left_alone(
    database: Database,
) -> None:
    queue, company = Queue(database), Company(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    await queue.store.finish(turn.lease, FAILED, TurnState.FAILED)
    await Resumptions(database).retry(TEAM, turn.turn_id, ANA)
    again = await queue.claim_one()
    await queue.add(said("I see", when=1, thread=0, by=BEN))

    said_by = [await company.take(each.lease) for each in (turn, again)]
    parts = ReplyParts(database)
    may_be_amended = [await parts.is_newest(each.lease) for each in (turn, again)]
    assert said_by == may_be_amended == [False, True]


async def test_what_no_process_could_say_is_said_by_the_next_answer(
    database: Database,
) -> None:
    queue, company = Queue(database), Company(database)
    await queue.add(said("one", mention=True))
    (first,) = await queue.answer_all()
    await queue.add(said("I see", when=1, thread=0, by=BEN))
    await queue.add(said("two", when=2, thread=0, mention=True))
    turn = await queue.claim_one()
    await queue.store.release(turn.lease)
    again = await queue.claim_one()

    assert (turn.has_company, again.has_company) == (True, True)
    assert not await company.take(first.lease)
    assert not await company.take(again.lease)
    await queue.finish(again)
    await queue.add(said("three", when=3, thread=0, mention=True))
    assert not (await queue.claim_one()).has_company
