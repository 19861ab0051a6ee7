"""A write that may have happened: a person decides, and meanwhile nothing waits."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import text

from app.domain import Doubt, RunStatus, ToolCall, Turn
from app.storage.database import Database
from app.storage.doubts import Doubts
from app.storage.leases import Leases
from app.storage.resumptions import Resumption, Resumptions
from app.tools.tool import ToolContext, tool
from tests.contracts.queue_words import ANA, BEN, TEAM, said
from tests.contracts.turn_stage import WORKER, Stage, saying, update
from tests.fakes import RecordingReply, ScriptedAssistant

DOUBT = Doubt(1, "I can't tell whether milk was ordered.")


class AsksNobody(RecordingReply):
    """A reply whose reader can't decide anything."""

    async def ask(self, doubt: Doubt) -> bool:
        await super().ask(doubt)
        return False


class DecidesAtOnce(RecordingReply):
    """A reply whose readers are faster than its process."""

    def __init__(self, decide: Callable[[], Coroutine[Any, Any, object]]) -> None:
        super().__init__()
        self._decide = decide

    async def ask(self, doubt: Doubt) -> bool:
        await self._decide()
        return await super().ask(doubt)


@pytest.fixture
def stage(database: Database) -> Stage:
    stage = Stage(database=database)

    @tool(effect="write", label="ordering {what}", outcome="{what} was ordered")
    async def order(context: ToolContext, what: str) -> str:
        """Order something from outside."""
        raise AssertionError(f"{what} would be ordered twice by {context.asked_by}")

    stage.tools = (order,)
    return stage


@pytest.fixture
def doubts(database: Database) -> Doubts:
    return Doubts(database)


async def broken_off(stage: Stage, *wanted: str) -> Turn:
    """Return Ana's turn, taken over from a process that died while it ordered milk."""
    turn = await stage.turn("order milk")
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    calls = [
        ToolCall(call_id=f"c{number}", name="order", arguments=f'{{"what": "{what}"}}')
        for number, what in enumerate(wanted or ("milk",), 1)
    ]
    run = update(RunStatus.REQUIRES_ACTION, *calls).run
    await stage.ledger.commit_pass(turn.lease, 1, run)
    await died_while_it_ordered(stage, turn, "c1")
    return await stage.claimed()


async def died_while_it_ordered(stage: Stage, turn: Turn, call_id: str) -> None:
    await stage.ledger.start(turn.lease, 1, call_id)
    await stage.store.release(turn.lease)


async def nobody_knows(stage: Stage, turn: Turn, call_id: str) -> None:
    """Let the model hear that of a call that people have decided about."""
    [call] = [
        each.call
        for each in await stage.ledger.calls(turn.lease)
        if each.call.call_id == call_id
    ]
    async with stage.ledger.fenced(turn.lease) as transaction:
        await stage.ledger.finish_call(
            transaction, turn.lease, 1, call, "outcome unknown", []
        )


async def suspended(stage: Stage) -> Turn:
    """Return the same turn once people have been asked."""
    turn = await broken_off(stage)
    await stage.answer(turn, ScriptedAssistant())
    stage.reply = RecordingReply()
    return turn


async def nothing_is_ready(stage: Stage) -> bool:
    await Leases(stage.database).beat(WORKER, "1", 60)
    return await stage.store.claim(WORKER, 1) == []


async def test_people_are_asked_and_the_turn_waits_without_a_process(stage: Stage):
    turn = await broken_off(stage)
    assistant = ScriptedAssistant()

    is_ready = await stage.answer(turn, assistant)

    assert stage.reply.doubts == [DOUBT]
    assert stage.reply.ending is None
    assert assistant.asked == []
    assert not is_ready
    assert await nothing_is_ready(stage)
    assert await Leases(stage.database).reap(WORKER) == 0


async def test_a_turn_that_may_go_on_tells_the_model_what_is_unknown(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)

    decided = await doubts.decide(TEAM, turn.turn_id, DOUBT.number, BEN)

    again = await stage.claimed()
    assistant = ScriptedAssistant(saying("I've looked: the milk is there."))
    await stage.answer(again, assistant)
    assert decided.resumption is Resumption.GRANTED
    assert again.turn_id == turn.turn_id
    assert (again.doubt, again.decided_by) == (DOUBT, BEN)
    assert assistant.asked == ["resume"]
    [output] = await stage.outputs(turn)
    assert "nobody knows whether it took effect" in output
    assert stage.reply.doubts == []
    assert stage.reply.ending
    assert stage.reply.ending.status is RunStatus.COMPLETED


async def test_the_time_for_which_people_were_waited_for_is_none_that_it_took(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)
    async with stage.database.write() as transaction:
        hours = text("UPDATE turns SET claimed_at = claimed_at - 7200")
        await transaction.execute(hours)

    await doubts.decide(TEAM, turn.turn_id, DOUBT.number, BEN)

    assert (await stage.claimed()).age < 600


async def test_nor_is_the_time_for_which_it_waits_for_a_place_then(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)
    await doubts.decide(TEAM, turn.turn_id, DOUBT.number, BEN)
    async with stage.database.write() as transaction:
        hours = text("UPDATE turns SET claimed_at = claimed_at - 7200")
        await transaction.execute(hours)

    assert (await stage.claimed()).age < 600


async def test_a_turn_that_is_left_ends_as_stopped(stage: Stage, doubts: Doubts):
    turn = await suspended(stage)

    await doubts.leave(TEAM, turn.turn_id, DOUBT.number, BEN)

    await stage.answer(await stage.claimed(), ScriptedAssistant())
    assert stage.reply.ending
    assert stage.reply.ending.status is RunStatus.CANCELLED
    assert stage.reply.ending.stopped_by == "Ben"
    assert await stage.outputs(turn) == ["outcome unknown"]


async def test_of_many_who_decide_one_counts(stage: Stage, doubts: Doubts):
    turn = await suspended(stage)

    decided = await asyncio.gather(
        *(
            doubts.decide(TEAM, turn.turn_id, DOUBT.number, by)
            for by in (ANA, BEN, ANA, BEN)
        )
    )

    assert sorted(each.resumption for each in decided) == [
        Resumption.GRANTED,
        *[Resumption.REPEATED] * 3,
    ]


async def test_who_leaves_what_others_have_decided_stops_nothing(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)
    await doubts.decide(TEAM, turn.turn_id, DOUBT.number, ANA)

    left = await doubts.leave(TEAM, turn.turn_id, DOUBT.number, BEN)

    assert left.resumption is Resumption.REPEATED
    await stage.answer(await stage.claimed(), ScriptedAssistant(saying("There.")))
    assert stage.reply.ending
    assert stage.reply.ending.status is RunStatus.COMPLETED


async def test_who_decides_what_others_have_left_lets_nothing_go_on(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)
    await doubts.leave(TEAM, turn.turn_id, DOUBT.number, ANA)

    decided = await doubts.decide(TEAM, turn.turn_id, DOUBT.number, BEN)

    assert decided.resumption is Resumption.REPEATED
    assert (await stage.claimed()).decided_by is None


async def test_a_decision_before_the_turn_rests_lets_it_go_on_at_once(
    stage: Stage, doubts: Doubts
):
    turn = await broken_off(stage)
    stage.reply = DecidesAtOnce(
        lambda: doubts.decide(TEAM, turn.turn_id, DOUBT.number, ANA)
    )

    is_ready = await stage.answer(turn, ScriptedAssistant())

    assert is_ready
    assert (await stage.claimed()).decided_by == ANA


@pytest.mark.parametrize("how", ["stopped", "left"])
async def test_a_stop_before_the_turn_rests_ends_it_at_once(
    stage: Stage, doubts: Doubts, how: str
):
    turn = await broken_off(stage)
    ends: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "stopped": lambda: stage.inbox.request_stop(TEAM, turn.turn_id, ANA),
        "left": lambda: doubts.leave(TEAM, turn.turn_id, DOUBT.number, ANA),
    }
    stage.reply = DecidesAtOnce(ends[how])

    is_ready = await stage.answer(turn, ScriptedAssistant())

    assert is_ready


async def test_a_doubt_that_was_raised_before_a_crash_is_the_same_doubt(
    stage: Stage, doubts: Doubts
):
    turn = await broken_off(stage)
    await doubts.raise_doubt(turn.lease, DOUBT)
    await stage.store.release(turn.lease)

    await stage.answer(await stage.claimed(), ScriptedAssistant())

    assert stage.reply.doubts == [DOUBT]
    assert await nothing_is_ready(stage)


async def test_where_nobody_can_be_asked_the_answer_fails_with_the_doubt(stage: Stage):
    turn = await broken_off(stage)
    stage.reply = AsksNobody()

    await stage.answer(turn, ScriptedAssistant())

    assert stage.reply.ending
    assert stage.reply.ending.error
    assert stage.reply.ending.error.message == DOUBT.text
    assert await stage.outputs(turn) == ["outcome unknown"]


async def test_after_a_day_without_a_decision_the_turn_expires(stage: Stage):
    await suspended(stage)
    async with stage.database.write() as transaction:
        await transaction.execute(text("UPDATE conversations SET wake_at = 1"))

    woken = await Leases(stage.database).reap(WORKER)

    assert woken == 1
    await stage.answer(await stage.claimed(), ScriptedAssistant())
    assert stage.reply.ending
    assert stage.reply.ending.status is RunStatus.EXPIRED
    assert stage.reply.ending.incomplete_reason == "undecided"


async def test_what_expired_is_asked_again_when_it_is_tried_again(stage: Stage):
    turn = await suspended(stage)
    async with stage.database.write() as transaction:
        await transaction.execute(text("UPDATE conversations SET wake_at = 1"))
    await Leases(stage.database).reap(WORKER)
    await stage.answer(await stage.claimed(), ScriptedAssistant())
    stage.reply = RecordingReply()

    await Resumptions(stage.database).retry(TEAM, turn.turn_id, ANA)

    await stage.answer(await stage.claimed(), ScriptedAssistant())
    assert stage.reply.doubts == [DOUBT]
    assert await nothing_is_ready(stage)


async def test_who_writes_meanwhile_is_told_once_that_something_is_to_be_decided(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)

    first = await stage.inbox.add(said("hello?", when=5, thread=0, mention=True), None)
    second = await stage.inbox.add(said("hello!", when=6, thread=0, mention=True), None)

    assert (first.is_held_up, second.is_held_up) == (True, False)
    assert first.ready_conversation_id is None
    await doubts.decide(TEAM, turn.turn_id, DOUBT.number, ANA)
    await stage.answer(await stage.claimed(), ScriptedAssistant(saying("There.")))
    next_turn = await stage.claimed()
    assert [each.text for each in next_turn.wanted] == ["hello?", "hello!"]


async def test_a_click_on_an_old_question_decides_nothing(stage: Stage, doubts: Doubts):
    turn = await suspended(stage)
    await stage.inbox.request_stop(TEAM, turn.turn_id, BEN)
    await stage.answer(await stage.claimed(), ScriptedAssistant())

    decided = await doubts.decide(TEAM, turn.turn_id, DOUBT.number, ANA)

    assert decided.resumption is Resumption.POINTLESS
    assert await nothing_is_ready(stage)


@pytest.mark.parametrize("how", ["decide", "leave"])
async def test_an_old_question_decides_nothing_about_a_newer_one_of_the_same_turn(
    stage: Stage, doubts: Doubts, how: str
):
    turn = await broken_off(stage, "milk", "bread")
    await stage.answer(turn, ScriptedAssistant())
    await doubts.decide(TEAM, turn.turn_id, DOUBT.number, ANA)
    again = await stage.claimed()
    await nobody_knows(stage, again, "c1")
    await died_while_it_ordered(stage, again, "c2")
    stage.reply = RecordingReply()

    await stage.answer(await stage.claimed(), ScriptedAssistant())
    (newer,) = stage.reply.doubts
    settle = getattr(doubts, how)
    late = await settle(TEAM, turn.turn_id, DOUBT.number, BEN)

    assert newer.text == "I can't tell whether bread was ordered."
    assert late.resumption is Resumption.OUTDATED
    assert await nothing_is_ready(stage)
    settled = await settle(TEAM, turn.turn_id, newer.number, BEN)
    assert settled.resumption is Resumption.GRANTED


async def test_a_button_of_an_earlier_version_decides_what_is_asked(
    stage: Stage, doubts: Doubts
):
    turn = await suspended(stage)

    decided = await doubts.decide(TEAM, turn.turn_id, None, BEN)

    assert decided.resumption is Resumption.GRANTED
