"""How ready conversations become turns, and turns change hands."""

import asyncio
import time
from dataclasses import replace
from functools import partial
from itertools import chain

import pytest
from sqlalchemy import text

from app.domain import Ending, RunStatus, SharedFile, StopRequest, TurnState
from app.errors import LeaseLost
from app.storage.database import Database
from app.storage.news import News
from app.storage.reply_parts import ReplyParts
from tests.contracts.queue_words import (
    ANA,
    BEN,
    START,
    TEAM,
    Queue,
    items_of,
    overheard,
    removed,
    said,
    texts,
)

CANCELLED = Ending(status=RunStatus.CANCELLED)


def _one_each(count: int, team: str = TEAM) -> list[str]:
    return [f"{team} {number}" for number in range(count)]


async def _fill(queue: Queue, count: int, team: str = TEAM) -> None:
    for number, words in enumerate(_one_each(count, team)):
        await queue.add(said(words, when=number, mention=True, team=team))


_TALK = text(
    "WITH RECURSIVE said(no) AS"
    " (SELECT 1 UNION ALL SELECT no + 1 FROM said WHERE no < :count)"
    " INSERT INTO inbox (team_id, channel_id, ts, conversation_id, seq, edits_only,"
    " author_id, author_team_id, mentioned, wanted, text, files)"
    " SELECT :team, 'C1', :start + no || '.000100', :place, :last + no, false,"
    " :by, :team, false, false, 'talk ' || no, '[]' FROM said"
)


async def _talk(queue: Queue, count: int) -> None:
    """Let one more person have said so much in the only thread."""
    ((place, last),) = await queue.rows("SELECT id, inbox_seq FROM conversations")
    its = {"team": TEAM, "by": BEN, "start": START + 100, "place": place, "last": last}
    told = text("UPDATE conversations SET inbox_seq = :last")
    async with queue.database.write() as transaction:
        await transaction.execute(_TALK, {**its, "count": count})
        await transaction.execute(told, {"last": last + count})


async def test_who_waits_longest_is_claimed_first(database: Database) -> None:
    queue = Queue(database)
    await _fill(queue, 4)

    first = await queue.claim(limit=3)
    second = await queue.claim(limit=3)

    assert [texts(turn)[0] for turn in first] == _one_each(3)
    assert [texts(turn)[0] for turn in second] == ["T1 3"]


async def test_a_thread_that_wants_more_goes_to_the_end_of_the_line(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("busy", mention=True))
    (busy,) = await queue.claim(limit=1)
    await queue.add(said("other", when=1, mention=True))
    await queue.add(said("busy again", when=2, thread=0, mention=True))

    await queue.finish(busy)

    turns = await queue.claim()
    assert [texts(turn)[0] for turn in turns] == ["other", "busy again"]


async def test_the_line_is_by_time_of_being_ready_not_of_being_known(
    database: Database,
) -> None:
    queue = Queue(database)
    await _fill(queue, 3)
    async with database.write() as transaction:
        await transaction.execute(text("UPDATE conversations SET ready_at = -ready_at"))

    claimed = [texts(turn)[0] for _ in range(3) for turn in await queue.claim(limit=1)]

    assert claimed == ["T1 2", "T1 1", "T1 0"]


async def test_full_teams_are_passed_over(database: Database) -> None:
    queue = Queue(database)
    await _fill(queue, 2)
    await _fill(queue, 2, "T2")

    turns = await queue.claim(full=("T1",))

    assert [texts(turn)[0] for turn in turns] == _one_each(2, "T2")


async def test_two_claimers_never_get_the_same_turn(database: Database) -> None:
    queues = [Queue(database, worker=f"worker {number}") for number in range(5)]
    await _fill(queues[0], 40)

    async def claim_all(queue: Queue) -> list[str]:
        claimed: list[str] = []
        while turns := await queue.claim(limit=3):
            claimed += [texts(turn)[0] for turn in turns]
        return claimed

    shares = await asyncio.gather(*(claim_all(queue) for queue in queues))

    assert sorted(chain(*shares)) == sorted(_one_each(40))


async def test_what_waits_together_is_answered_together_in_order_of_writing(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(
        said("first", when=0, mention=True),
        said("fourth", when=4, thread=0),
        said("aside", when=3, thread=0, by=BEN, mentions_other_first=True),
        said("second", when=2, thread=0, mention=True),
    )

    turn = await queue.claim_one()

    assert texts(turn) == ["first", "second", "fourth"]
    assert [message.text for message in turn.messages] == [
        "first",
        "second",
        "aside",
        "fourth",
    ]


async def test_the_next_turn_has_what_came_after_the_claim(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    first = await queue.claim_one()

    await queue.add(said("two", when=1, thread=0), said("three", when=2, thread=0))
    assert await queue.claim() == []
    is_more = await queue.finish(first)
    second = await queue.claim_one()

    assert is_more
    assert texts(second) == ["two", "three"]
    assert second.assistant_thread_id == first.assistant_thread_id
    assert second.lease.epoch > first.lease.epoch
    assert await queue.rows(
        "SELECT first_seq, last_seq FROM turns ORDER BY first_seq"
    ) == [(1, 1), (2, 3)]


async def test_overheard_talk_starts_no_turn(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True), said("hm", when=1, thread=0, by=BEN))
    await queue.answer_all()

    added = await queue.add(said("hm hm", when=2, thread=0, by=BEN))

    assert added.stored
    assert added.ready_conversation_id is None
    assert await queue.claim() == []


async def test_a_claim_that_finds_nothing_wanted_frees_the_thread(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    await queue.answer_all()
    async with database.write() as transaction:
        await transaction.execute(text("UPDATE conversations SET state = 'ready'"))

    assert await queue.claim() == []
    assert await queue.rows("SELECT state, owner FROM conversations") == [
        ("idle", None)
    ]


async def test_a_long_silence_is_read_back_only_in_part(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True), said("hm", when=1, thread=0, by=BEN))
    await queue.answer_all()
    for number in range(220):
        await queue.add(said(f"talk {number}", when=number + 2, thread=0, by=BEN))
    await queue.add(said("bot?", when=999, thread=0, mention=True))

    turn = await queue.claim_one()

    assert texts(turn) == ["bot?"]
    assert overheard(turn)[0] == "talk 21"
    assert overheard(turn)[-1] == "talk 219"


async def test_a_thread_of_thousands_of_messages_keeps_no_claim_waiting(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True), said("hm", when=1, thread=0, by=BEN))
    await queue.answer_all()
    await _talk(queue, 5_000)
    await queue.add(said("bot?", when=9_999, thread=0, mention=True))

    began = time.monotonic()
    turn = await queue.claim_one()
    took = time.monotonic() - began

    assert (texts(turn), overheard(turn)[-1]) == (["bot?"], "talk 5000")
    assert not turn.has_read_untrusted
    assert took < 1.0


async def test_a_former_owner_can_write_nothing(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    stale = await queue.claim_one()
    await queue.store.release(stale.lease)
    parts = ReplyParts(database)

    for is_claimed_again in (False, True):
        if is_claimed_again:
            await queue.claim_one()
        for attempt in (
            partial(queue.store.finish, stale.lease, CANCELLED, TurnState.CANCELLED),
            partial(queue.store.release, stale.lease),
            partial(queue.store.prepare, stale.lease, items_of(stale), {}),
            partial(parts.posted, stale.lease, 0, "1.0"),
        ):
            with pytest.raises(LeaseLost):
                await attempt()

    assert await queue.rows("SELECT state, run_status FROM turns") == [
        ("running", None)
    ]
    assert (await queue.counts())["thread_items"] == 0


async def test_a_turn_given_back_comes_again_as_the_same(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    first = await queue.claim_one()
    await queue.store.prepare(first.lease, items_of(first), {})
    await queue.add(said("two", when=1, thread=0))

    await queue.store.release(first.lease)
    again = await Queue(database, worker="another").claim_one()

    assert again.turn_id == first.turn_id
    assert texts(again) == ["one"]
    assert again.attempt == 0
    assert again.is_prepared
    assert again.is_first_turn


async def test_a_turn_whose_owner_died_comes_again_and_is_counted(
    database: Database,
) -> None:
    dead, alive = Queue(database, worker="dead"), Queue(database)
    await dead.add(said("one", mention=True))
    first = await dead.claim_one()
    await alive.leases.beat("worker", "1", 30.0)
    assert await alive.leases.reap("worker") == 0

    await dead.leases.beat("dead", "1", -1.0)
    reaped = await alive.leases.reap("worker")
    again = await alive.claim_one()

    assert reaped == 1
    assert again.turn_id == first.turn_id
    assert again.attempt == 1
    assert not again.is_prepared
    assert again.lease.epoch > first.lease.epoch
    with pytest.raises(LeaseLost):
        await dead.finish(first)
    assert not await alive.finish(again)


async def test_a_process_that_retired_is_dead_at_once(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    await queue.claim_one()

    await queue.leases.retire("worker")
    await queue.leases.beat("another", "1", 30.0)

    assert await queue.leases.reap("another") == 1


async def test_a_process_reaps_what_it_does_not_know_to_be_its_own(
    database: Database,
) -> None:
    queue = Queue(database)
    await _fill(queue, 2)
    known, lost = await queue.claim()

    reaped = await queue.leases.reap("worker", [known.lease.conversation_id])
    (again,) = await queue.claim()

    assert reaped == 1
    assert again.turn_id == lost.turn_id
    assert again.attempt == 1


async def test_a_stop_outlives_its_owner(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("one", mention=True))
    turn = await queue.claim_one()
    await queue.leases.retire("worker")
    await queue.leases.beat("another", "1", 30.0)
    await queue.leases.reap("another")

    assert await queue.inbox.request_stop(TEAM, turn.turn_id, BEN)
    again = await queue.claim_one()

    assert await queue.store.stop_requested(again.lease) == StopRequest(
        turn_id=turn.turn_id, stopped_by=BEN
    )


async def test_a_removed_message_is_gone_from_a_resumed_turn(
    database: Database,
) -> None:
    queue = Queue(database)
    second = said("two", when=1, thread=0, mention=True)
    aside = said("hm", when=2, thread=0, by=BEN)
    await queue.add(said("one", mention=True), second, aside)
    turn = await queue.claim_one()
    await queue.inbox.delete(removed(second))
    await queue.inbox.delete(removed(aside))

    await queue.store.release(turn.lease)
    again = await queue.claim_one()

    assert [message.text for message in again.messages] == ["one"]


async def test_what_is_ready_and_what_waits_can_be_told(database: Database) -> None:
    queue = Queue(database)
    added = await queue.add(said("one", mention=True))
    conversation_id = added.ready_conversation_id or 0
    assert await queue.store.is_ready(TEAM, conversation_id)
    assert not await queue.store.is_ready("T2", conversation_id)

    turn = await queue.claim_one()
    (quiet,) = await queue.store.news([turn.lease])
    await queue.add(said("two", when=1, thread=0), said("hm", when=2, thread=0, by=BEN))
    await queue.inbox.request_stop(TEAM, turn.turn_id, BEN)
    (news,) = await queue.store.news([turn.lease])
    await queue.finish(turn)

    assert not await queue.store.is_ready("T2", conversation_id)
    assert quiet == News(turn_id=turn.turn_id, stop=None, waiting=0)
    stop = StopRequest(turn_id=turn.turn_id, stopped_by=BEN)
    assert news == News(turn_id=turn.turn_id, stop=stop, waiting=1)
    assert await queue.store.news([turn.lease]) == []


async def test_what_a_person_asked_in_the_last_hour_is_counted(
    database: Database,
) -> None:
    queue = Queue(database)
    for when in range(4):
        await queue.add(said("one more", when=when, mention=True))
    await queue.add(said("bens", when=9, mention=True, by=BEN))
    await queue.claim(limit=3)
    async with database.write() as transaction:
        await transaction.execute(
            text(
                "UPDATE inbox SET taken_at = taken_at - 3601 WHERE seq = 1 AND ts ="
                " (SELECT min(ts) FROM inbox)"
            )
        )

    assert await queue.store.wanted_in_last_hour(TEAM, ANA) == 2
    assert await queue.store.wanted_in_last_hour(TEAM, BEN) == 0
    assert await queue.store.wanted_in_last_hour("T2", ANA) == 0


async def test_a_turn_knows_whether_its_thread_holds_what_no_member_wrote(
    database: Database,
) -> None:
    queue = Queue(database)
    photo = SharedFile(file_id="F1", name="plan.pdf", mimetype="application/pdf")
    await queue.add(said(mention=True))
    await queue.add(said(when=20, thread=10, mention=True))
    await queue.add(said(when=30, mention=True, files=(photo,)))
    await queue.add(said(when=40, mention=True))
    stranger = replace(said(when=41, thread=40, by=BEN), author_team_id="T2")
    await queue.add(stranger)

    turns = await queue.claim(limit=10)

    assert [turn.has_read_untrusted for turn in turns] == [False, True, True, True]


async def test_what_was_untrusted_in_a_thread_once_stays_so(
    database: Database,
) -> None:
    queue = Queue(database)
    await queue.add(said(when=20, thread=10, mention=True))
    (first,) = await queue.claim()
    await queue.finish(first)
    await queue.add(said(when=30, thread=10, mention=True))

    (second,) = await queue.claim()

    assert second.has_read_untrusted


async def test_what_is_too_much_for_one_turn_waits_for_the_next(
    database: Database,
) -> None:
    queue = Queue(database, most_messages=3)
    for number in range(5):
        thread = None if number == 0 else 0
        await queue.add(said(f"q{number}", when=number, thread=thread, mention=True))
    await queue.add(said("hm", when=5, thread=0, by=BEN))

    first = await queue.claim_one()
    (news,) = await queue.store.news([first.lease])
    is_more = await queue.finish(first)
    second = await queue.claim_one()

    assert texts(first) == ["q0", "q1", "q2"]
    assert (news.waiting, is_more) == (2, True)
    assert texts(second) == ["q3", "q4"]
    assert overheard(second) == ["hm"]
    assert not await queue.finish(second)


async def test_a_turn_is_as_old_as_its_first_claim(database: Database) -> None:
    queue = Queue(database)
    await queue.add(said("hi", mention=True))
    first = await queue.claim_one()
    async with database.write() as transaction:
        await transaction.execute(text("UPDATE turns SET claimed_at = claimed_at - 99"))
    await queue.store.release(first.lease)

    again = await queue.claim_one()

    assert first.age < 50
    assert 99 <= again.age < 150
