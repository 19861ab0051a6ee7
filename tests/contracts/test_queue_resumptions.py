"""A turn that goes on after its end, because somebody asked for it."""

import asyncio

import pytest
from sqlalchemy import text

from app.domain import (
    Ending,
    Outcome,
    PartKind,
    ReplyPart,
    RunStatus,
    StopRequest,
    Turn,
    TurnState,
)
from app.storage.database import Database
from app.storage.reply_parts import ReplyParts
from app.storage.resumptions import Resumption, Resumptions
from tests.contracts.queue_words import (
    ANA,
    BEN,
    TEAM,
    Queue,
    items_of,
    removed,
    said,
    texts,
)

FAILED = Ending(status=RunStatus.FAILED)
CUT = Ending(status=RunStatus.INCOMPLETE, incomplete_reason="max_output_tokens")
SAID_BEFORE_THE_END = "I was about to"


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)


@pytest.fixture
def resumptions(database: Database) -> Resumptions:
    return Resumptions(database)


async def ended(
    queue: Queue, ending: Ending = FAILED, state: TurnState = TurnState.FAILED
) -> Turn:
    """Return a turn that has said something and then ended without an answer."""
    await queue.add(said("set the kitchen to 23", mention=True))
    turn = await queue.claim_one()
    await queue.store.prepare(turn.lease, items_of(turn), {})
    await queue.store.finish(
        turn.lease, ending, state, unfinished_text=SAID_BEFORE_THE_END
    )
    return turn


async def test_a_turn_that_is_tried_again_is_the_same_turn_with_the_same_messages(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)

    resumed = await resumptions.retry(TEAM, turn.turn_id, ANA)

    again = await queue.claim_one()
    assert resumed.resumption is Resumption.GRANTED
    assert resumed.conversation_id == turn.lease.conversation_id
    assert again.turn_id == turn.turn_id
    assert texts(again) == texts(turn)
    assert again.lease.epoch > turn.lease.epoch
    assert (again.attempt, again.is_prepared, again.ending) == (0, True, None)


async def test_what_its_end_has_written_is_taken_back(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)
    before = await queue.store.history(turn)

    await resumptions.retry(TEAM, turn.turn_id, ANA)

    after = await queue.store.history(turn)
    assert SAID_BEFORE_THE_END in str(before[-1].item)
    assert after == before[:-1]


async def test_its_time_counts_anew_and_nobody_stops_it_any_more(
    queue: Queue, resumptions: Resumptions
) -> None:
    await queue.add(said("a story", mention=True))
    turn = await queue.claim_one()
    await queue.inbox.request_stop(TEAM, turn.turn_id, BEN)
    cancelled = Ending(status=RunStatus.CANCELLED, stopped_by="Ben")
    await queue.store.finish(turn.lease, cancelled, TurnState.CANCELLED)

    await resumptions.retry(TEAM, turn.turn_id, ANA)

    again = await queue.claim_one()
    assert await queue.store.stop_requested(again.lease) is None
    assert again.age < 5.0


@pytest.mark.parametrize(
    "ending", [Ending(status=RunStatus.COMPLETED), CUT], ids=lambda each: each.status
)
async def test_an_answer_is_not_tried_again(
    queue: Queue, resumptions: Resumptions, ending: Ending
) -> None:
    turn = await ended(queue, ending, TurnState.DONE)

    resumed = await resumptions.retry(TEAM, turn.turn_id, ANA)

    assert resumed.resumption is Resumption.POINTLESS
    assert await queue.claim() == []


async def test_a_question_that_is_gone_is_not_answered_after_all(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)
    await queue.inbox.delete(removed(said(mention=True)))

    resumed = await resumptions.retry(TEAM, turn.turn_id, ANA)

    assert resumed.resumption is Resumption.POINTLESS
    assert await queue.claim() == []


async def test_only_the_newest_turn_of_a_thread_goes_on(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)
    await queue.add(said("and now?", when=5, thread=0, mention=True))
    await queue.answer_all()

    resumed = await resumptions.retry(TEAM, turn.turn_id, ANA)

    assert resumed.resumption is Resumption.OVERTAKEN
    assert await queue.claim() == []


@pytest.mark.parametrize("is_running", [True, False])
async def test_nothing_goes_on_while_the_thread_has_something_newer_to_do(
    queue: Queue, resumptions: Resumptions, is_running: bool
) -> None:
    turn = await ended(queue)
    await queue.add(said("and now?", when=5, thread=0, mention=True))
    if is_running:
        await queue.claim_one()

    resumed = await resumptions.retry(TEAM, turn.turn_id, ANA)

    assert resumed.resumption is Resumption.BUSY


async def test_a_turn_of_another_workspace_is_nobodys_here(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)

    resumed = await resumptions.retry("T_OTHER", turn.turn_id, ANA)

    assert resumed.resumption is Resumption.POINTLESS


@pytest.mark.parametrize("wish", ["retry", "go on"])
async def test_of_many_clicks_at_once_one_counts(
    queue: Queue, resumptions: Resumptions, wish: str
) -> None:
    is_retry = wish == "retry"
    turn = await (ended(queue) if is_retry else ended(queue, CUT, TurnState.DONE))

    clicks = await asyncio.gather(
        *(
            resumptions.retry(TEAM, turn.turn_id, ANA)
            if is_retry
            else resumptions.go_on(TEAM, turn.turn_id, ANA)
            for _ in range(10)
        )
    )

    outcomes = sorted(each.resumption for each in clicks)
    assert outcomes == [Resumption.GRANTED, *[Resumption.REPEATED] * 9]
    assert len(await queue.claim()) == 1


async def test_a_click_while_it_is_tried_again_changes_nothing(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)
    await resumptions.retry(TEAM, turn.turn_id, ANA)
    again = await queue.claim_one()

    resumed = await resumptions.retry(TEAM, turn.turn_id, ANA)

    assert resumed.resumption is Resumption.REPEATED
    assert not await queue.finish(again)
    assert await queue.claim() == []


async def test_an_answer_that_was_cut_goes_on_in_a_turn_of_its_own(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue, CUT, TurnState.DONE)

    resumed = await resumptions.go_on(TEAM, turn.turn_id, BEN)

    more = await queue.claim_one()
    assert resumed.resumption is Resumption.GRANTED
    assert more.turn_id > turn.turn_id
    assert [(each.author_id, each.text) for each in more.wanted] == [(BEN, "continue")]
    assert not more.is_prepared


async def test_it_goes_on_once(queue: Queue, resumptions: Resumptions) -> None:
    turn = await ended(queue, CUT, TurnState.DONE)
    await resumptions.go_on(TEAM, turn.turn_id, BEN)
    await queue.answer_all()

    resumed = await resumptions.go_on(TEAM, turn.turn_id, BEN)

    assert resumed.resumption is Resumption.POINTLESS
    assert await queue.claim() == []


async def test_a_message_written_meanwhile_waits_for_the_turn_after_it(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue, CUT, TurnState.DONE)
    await resumptions.go_on(TEAM, turn.turn_id, BEN)
    await queue.add(said("thanks", when=5, thread=0, mention=True))

    first, second = await queue.answer_all()

    assert texts(first) == ["continue"]
    assert texts(second) == ["thanks"]


async def test_what_goes_on_ends_when_its_own_question_is_removed_and_no_other(
    queue: Queue, resumptions: Resumptions
) -> None:
    older = said("set the bedroom to 20", when=-9, thread=0, mention=True)
    await queue.add(older)
    await queue.answer_all()
    turn = await ended(queue, CUT, TurnState.DONE)
    await resumptions.go_on(TEAM, turn.turn_id, BEN)
    again = await queue.claim_one()
    await queue.store.finish(again.lease, CUT, TurnState.DONE)
    await resumptions.go_on(TEAM, again.turn_id, BEN)
    more = await queue.claim_one()

    other = await queue.inbox.delete(removed(older))
    its_own = await queue.inbox.delete(removed(said(mention=True)))

    assert other.stop is None
    assert its_own.stop == StopRequest(turn_id=more.turn_id, stopped_by="")


async def test_going_on_can_be_tried_again_too(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue, CUT, TurnState.DONE)
    await resumptions.go_on(TEAM, turn.turn_id, BEN)
    more = await queue.claim_one()
    await queue.store.finish(more.lease, FAILED, TurnState.FAILED)

    resumed = await resumptions.retry(TEAM, more.turn_id, ANA)

    again = await queue.claim_one()
    assert resumed.resumption is Resumption.GRANTED
    assert texts(again) == ["continue"]


async def test_messages_tried_again_are_answered_in_the_end(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)
    await resumptions.retry(TEAM, turn.turn_id, ANA)
    waiting = await queue.rows("SELECT outcome FROM inbox")

    await queue.answer_all()

    assert waiting == [(Outcome.WAITING.value,)]
    assert await queue.rows("SELECT outcome FROM inbox") == [(Outcome.ANSWERED.value,)]


@pytest.mark.parametrize("ending", [FAILED, CUT], ids=lambda each: each.status)
async def test_a_click_while_people_are_told_of_the_end_counts_when_they_are(
    queue: Queue, resumptions: Resumptions, ending: Ending
) -> None:
    await queue.add(said("a story", mention=True))
    turn = await queue.claim_one()
    await queue.store.conclude(turn.lease, ending)
    is_retry = ending is FAILED
    wish = resumptions.retry if is_retry else resumptions.go_on

    noted = [await wish(TEAM, turn.turn_id, ANA) for _ in range(2)]
    is_ready = await queue.store.finish(turn.lease, ending, TurnState.DONE)

    assert {each.resumption for each in noted} == {Resumption.NOTED}
    assert is_ready
    again = await queue.claim_one()
    assert (again.turn_id == turn.turn_id) is is_retry
    assert not await queue.finish(again)


async def test_an_end_that_an_earlier_version_left_behind_is_not_told_again(
    queue: Queue, resumptions: Resumptions
) -> None:
    turn = await ended(queue)
    async with queue.database.write() as transaction:
        await transaction.execute(
            text("""UPDATE turns SET ending = '{"status":"failed"}'""")
        )

    await resumptions.retry(TEAM, turn.turn_id, ANA)

    assert (await queue.claim_one()).ending is None


async def test_an_answer_can_be_tried_again_for_a_whole_bad_day(
    queue: Queue, resumptions: Resumptions
) -> None:
    await ended(queue)
    parts = ReplyParts(queue.database)
    for number in range(34):
        (turn_id,) = (await queue.rows("SELECT id FROM turns"))[0]
        resumed = await resumptions.retry(TEAM, turn_id, ANA)
        assert resumed.resumption is Resumption.GRANTED
        turn = await queue.claim_one()
        for part_no, kind in ((0, PartKind.TEXT), (-1, PartKind.NOTE)):
            part = ReplyPart(part_no=part_no, kind=kind, post_key=f"{number}{kind}")
            await parts.intend(turn.lease, part)
        await queue.store.finish(turn.lease, FAILED, TurnState.FAILED)

    kept = await parts.parts(turn.lease)
    assert len(kept) == len({each.post_key for each in kept}) == 68
    assert {0, -1} <= {each.part_no for each in kept}


async def test_a_click_at_the_end_loses_to_what_was_written_meanwhile(
    queue: Queue, resumptions: Resumptions
) -> None:
    await queue.add(said("a story", mention=True))
    turn = await queue.claim_one()
    await queue.store.conclude(turn.lease, FAILED)
    await resumptions.retry(TEAM, turn.turn_id, ANA)
    await queue.add(said("or a poem", when=5, thread=0, mention=True))

    await queue.store.finish(turn.lease, FAILED, TurnState.FAILED)

    assert [texts(each) for each in await queue.answer_all()] == [["or a poem"]]


@pytest.mark.parametrize("wish", ["retry", "go on"])
async def test_who_has_asked_enough_within_the_hour_can_ask_for_no_more(
    queue: Queue, database: Database, wish: str
) -> None:
    resumptions = Resumptions(database, turns_per_hour=1)
    is_retry = wish == "retry"
    turn = await (ended(queue) if is_retry else ended(queue, CUT, TurnState.DONE))
    ask = resumptions.retry if is_retry else resumptions.go_on

    by_ana = await ask(TEAM, turn.turn_id, ANA)
    by_ben = await ask(TEAM, turn.turn_id, BEN)

    assert by_ana.resumption is Resumption.TOO_OFTEN
    assert by_ben.resumption is Resumption.GRANTED
    assert await queue.store.wanted_in_last_hour(TEAM, ANA) == 1


async def test_each_time_that_something_is_tried_again_counts_like_a_question(
    queue: Queue, database: Database
) -> None:
    resumptions = Resumptions(database, turns_per_hour=3)
    turn = await ended(queue)

    outcomes = []
    for _ in range(3):
        resumed = await resumptions.retry(TEAM, turn.turn_id, BEN)
        twice = await resumptions.retry(TEAM, turn.turn_id, BEN)
        assert twice.resumption is Resumption.REPEATED
        again = await queue.claim_one()
        await queue.store.finish(again.lease, FAILED, TurnState.FAILED)
        outcomes.append(resumed.resumption)
    one_more = await resumptions.retry(TEAM, turn.turn_id, BEN)

    assert outcomes == [Resumption.GRANTED] * 3
    assert one_more.resumption is Resumption.TOO_OFTEN
    assert await queue.store.wanted_in_last_hour(TEAM, BEN) == 3
    assert await queue.claim() == []


async def test_of_buttons_pressed_at_once_no_more_are_heeded_than_are_left(
    queue: Queue, database: Database
) -> None:
    cut = []
    for number in range(4):
        await queue.add(said("a story", mention=True, channel=f"C{number}"))
        turn = await queue.claim_one()
        await queue.store.finish(turn.lease, CUT, TurnState.DONE)
        cut.append(turn.turn_id)
    resumptions = Resumptions(database, turns_per_hour=5)

    resumed = await asyncio.gather(
        *(resumptions.go_on(TEAM, turn_id, ANA) for turn_id in cut)
    )

    granted = [each for each in resumed if each.resumption is Resumption.GRANTED]
    assert len(granted) == 1
    assert await queue.store.wanted_in_last_hour(TEAM, ANA) == 5


async def test_a_click_that_waits_for_the_end_to_be_told_counts_once(
    queue: Queue, database: Database
) -> None:
    resumptions = Resumptions(database, turns_per_hour=2)
    await queue.add(said("a story", mention=True))
    turn = await queue.claim_one()
    await queue.store.conclude(turn.lease, FAILED)

    noted = [await resumptions.retry(TEAM, turn.turn_id, ANA) for _ in range(3)]

    assert {each.resumption for each in noted} == {Resumption.NOTED}
    assert await queue.store.wanted_in_last_hour(TEAM, ANA) == 2


async def test_what_was_asked_for_an_hour_ago_counts_no_more_and_is_forgotten(
    queue: Queue, database: Database
) -> None:
    resumptions = Resumptions(database, turns_per_hour=1)
    turn = await ended(queue)
    await resumptions.retry(TEAM, turn.turn_id, BEN)
    again = await queue.claim_one()
    await queue.store.finish(again.lease, FAILED, TurnState.FAILED)
    async with database.write() as transaction:
        await transaction.execute(text("UPDATE askings SET asked_at = asked_at - 3601"))

    resumed = await resumptions.retry(TEAM, turn.turn_id, BEN)

    assert resumed.resumption is Resumption.GRANTED
    assert len(await queue.rows("SELECT id FROM askings")) == 1


@pytest.mark.parametrize("wish", ["retry", "go on"])
async def test_the_time_for_which_it_waits_for_a_place_is_none_that_it_takes(
    queue: Queue, resumptions: Resumptions, database: Database, wish: str
) -> None:
    is_retry = wish == "retry"
    turn = await (ended(queue) if is_retry else ended(queue, CUT, TurnState.DONE))
    await (resumptions.retry if is_retry else resumptions.go_on)(
        TEAM, turn.turn_id, ANA
    )
    await an_hour_passes(database)

    claimed = await queue.claim_one()
    await an_hour_passes(database)
    await queue.store.release(claimed.lease)
    taken_over = await queue.claim_one()

    assert claimed.age < 5.0
    assert taken_over.age > 3_600


async def an_hour_passes(database: Database) -> None:
    async with database.write() as transaction:
        hour = "UPDATE turns SET claimed_at = claimed_at - 3600"
        await transaction.execute(text(hour))
