"""A claimed turn with its real history, ledger and rooms, on both databases."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain import (
    Follow,
    Person,
    Refusal,
    RunStatus,
    StopRequest,
    ToolCall,
    Turn,
)
from app.errors import LeaseLost
from app.storage.database import Database
from app.turns.answer import TurnStop
from app.turns.prepare import Gathered
from app.turns.run_turn import MAX_TOOL_ROUNDS
from tests.contracts.queue_words import ANA, BEN, TEAM
from tests.contracts.turn_stage import Stage, calling, saying, setting, update
from tests.fakes import ScriptedAssistant


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database=database)


def status_of(stage: Stage) -> RunStatus:
    assert stage.reply.ending is not None
    return stage.reply.ending.status


async def test_tools_run_between_two_passes_and_their_effect_is_shown(stage: Stage):
    turn = await stage.turn()
    assistant = ScriptedAssistant(
        calling(setting("kitchen", 23), setting("bedroom", 19, "c2")),
        saying("Both are set."),
    )

    await stage.answer(turn, assistant)

    assert stage.reply.messages == ["Both are set."]
    assert [each.message.data["room"] for each in stage.reply.data] == [
        "kitchen",
        "bedroom",
    ]
    assert await stage.rooms.temperature(TEAM, "kitchen") == 23
    assert status_of(stage) is RunStatus.COMPLETED
    assert stage.reply.steps == ["setting kitchen, bedroom"]


async def test_the_thread_is_free_for_the_next_message_after_the_answer(stage: Stage):
    await stage.answer(await stage.turn(), ScriptedAssistant(saying("Hi.")))

    again = await stage.turn("and now?", when=5, thread=0)

    assert [message.text for message in again.messages] == ["and now?"]


async def test_a_turn_taken_over_does_not_repeat_what_is_done(stage: Stage):
    turn = await stage.turn()
    run = update(RunStatus.REQUIRES_ACTION, setting("kitchen", 23)).run
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    await stage.ledger.commit_pass(turn.lease, 1, run)
    await stage.toolbox.call(
        turn, 1, run.tool_calls, stop=asyncio.Event(), show=lambda _: None
    )
    await stage.store.release(turn.lease)
    assistant = ScriptedAssistant(saying("The kitchen is at 23 °C."))
    assistant.said_before = ["Setting the kitchen."]

    await stage.answer(await stage.claimed(), assistant)

    assert assistant.asked == ["resume"]
    assert stage.reply.messages == ["Setting the kitchen.", "The kitchen is at 23 °C."]
    assert [each.seq for each in stage.reply.data] == [0]
    assert await stage.outputs(turn) == [
        "The kitchen is at 23 °C now; it was at 22 °C."
    ]


async def test_a_turn_taken_over_runs_the_calls_that_never_started(stage: Stage):
    turn = await stage.turn()
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    run = update(RunStatus.REQUIRES_ACTION, setting("kitchen", 23)).run
    await stage.ledger.commit_pass(turn.lease, 1, run)
    await stage.store.release(turn.lease)

    await stage.answer(await stage.claimed(), ScriptedAssistant(saying("Done.")))

    assert await stage.rooms.temperature(TEAM, "kitchen") == 23
    assert stage.reply.messages == ["Done."]


async def test_a_model_that_never_stops_calling_tools_is_stopped(stage: Stage):
    turn = await stage.turn()
    rounds = [
        calling(
            ToolCall(
                call_id=f"c{number}",
                name="getRoomTemperature",
                arguments='{"room": "kitchen"}',
            )
        )
        for number in range(MAX_TOOL_ROUNDS + 1)
    ]

    await stage.answer(turn, ScriptedAssistant(*rounds))

    assert status_of(stage) is RunStatus.INCOMPLETE
    assert stage.reply.ending is not None
    assert stage.reply.ending.incomplete_reason == "tool_rounds"
    assert len(await stage.outputs(turn)) == MAX_TOOL_ROUNDS + 1


async def test_a_stop_before_the_tools_leaves_them_unrun_and_says_who(stage: Stage):
    turn = await stage.turn()
    stop = TurnStop()

    class StoppedWhileCalling(ScriptedAssistant):
        async def _next(self, how: str):  # noqa: ANN202
            async for event in super()._next(how):
                yield event
            stop.request(StopRequest(turn_id=turn.turn_id, stopped_by=BEN))

    assistant = StoppedWhileCalling(calling(setting("kitchen", 23)))
    await stage.answer(turn, assistant, stop)

    assert status_of(stage) is RunStatus.CANCELLED
    assert stage.reply.ending is not None
    assert stage.reply.ending.stopped_by == "Ben"
    assert await stage.rooms.temperature(TEAM, "kitchen") == 22
    assert len(await stage.outputs(turn)) == 1


async def test_a_failure_of_ours_is_told_with_an_id_and_the_thread_goes_on(
    stage: Stage, caplog: pytest.LogCaptureFixture
):
    class Broken(ScriptedAssistant):
        async def _next(self, how: str):  # noqa: ANN202
            yield update(RunStatus.IN_PROGRESS)
            raise ZeroDivisionError(how)

    await stage.answer(await stage.turn(), Broken())

    assert status_of(stage) is RunStatus.FAILED
    assert stage.reply.ending is not None
    assert stage.reply.ending.error_id
    assert "turn failed" in caplog.text
    assert (await stage.turn("again", when=9, thread=0)).wanted


async def test_nothing_more_is_written_once_the_lease_is_lost(stage: Stage):
    turn = await stage.turn()
    stale = replace(turn, lease=replace(turn.lease, epoch=turn.lease.epoch - 1))

    with pytest.raises(LeaseLost):
        await stage.answer(stale, ScriptedAssistant(saying("Hi.")))

    assert stage.reply.ending is None


async def test_a_guest_who_was_not_known_before_is_refused_without_a_run(
    stage: Stage,
):
    stage.people = {ANA: Person(team_id=TEAM, user_id=ANA, name="Ana", is_guest=True)}
    turn = await stage.turn()

    await stage.answer(turn, ScriptedAssistant())

    assert stage.told == [(ANA, Refusal.GUEST)]
    assert stage.reply.is_withdrawn
    assert await stage.store.history(turn) == []


async def test_who_asks_too_often_is_told_so_and_others_are_answered(stage: Stage):
    stage.turns_per_hour = 1
    await stage.answer(await stage.turn(), ScriptedAssistant(saying("One.")))

    await stage.answer(await stage.turn("again", when=5), ScriptedAssistant())
    await stage.answer(
        await stage.turn("hello", when=9, by=BEN), ScriptedAssistant(saying("Hi."))
    )

    assert stage.told == [(ANA, Refusal.TOO_MANY_TURNS)]
    assert stage.reply.messages[-1] == "Hi."


@pytest.mark.parametrize(
    ("word", "follow"),
    [("follow", Follow.ALWAYS), ("only when mentioned", Follow.MENTIONS)],
)
async def test_a_word_about_following_is_confirmed_without_a_run(
    stage: Stage, word: str, follow: Follow
):
    assistant = ScriptedAssistant()

    await stage.answer(await stage.turn(word), assistant)

    assert assistant.asked == []
    expected = "everything" if follow is Follow.ALWAYS else "only when I'm mentioned"
    assert expected in stage.reply.messages[0]


async def test_a_word_about_following_is_ordinary_text_in_a_direct_message(
    stage: Stage,
):
    assistant = ScriptedAssistant(saying("Follow whom?"))

    await stage.answer(await stage.turn("follow", channel="D1"), assistant)

    assert assistant.asked == ["run"]


async def test_a_mere_mention_in_an_empty_thread_gets_a_hint(stage: Stage):
    assistant = ScriptedAssistant()

    await stage.answer(await stage.turn(""), assistant)

    assert assistant.asked == []
    assert "for example" in stage.reply.messages[0]


async def test_a_mere_mention_answers_what_was_said_before_it(stage: Stage):
    await stage.answer(await stage.turn("hello"), ScriptedAssistant(saying("Hi.")))
    assistant = ScriptedAssistant(saying("As I said."))

    await stage.answer(await stage.turn("", when=5, thread=0), assistant)

    assert assistant.asked == ["run"]


async def test_people_are_told_when_earlier_messages_cannot_be_read(stage: Stage):
    stage.history_refused = "missing_scope"

    await stage.answer(await stage.turn(), ScriptedAssistant(saying("Hi.")))

    assert [each.message.type for each in stage.reply.data] == ["notice"]


async def test_a_turn_that_crashed_its_process_three_times_is_given_up(stage: Stage):
    turn = replace(await stage.turn(), attempt=3)
    assistant = ScriptedAssistant()

    await stage.answer(turn, assistant)

    assert assistant.asked == []
    assert status_of(stage) is RunStatus.FAILED


async def test_a_turn_that_is_given_up_keeps_what_it_has_said(stage: Stage):
    turn = await stage.turn()
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    run = update(RunStatus.REQUIRES_ACTION, setting("kitchen", 23)).run
    await stage.ledger.commit_pass(turn.lease, 1, run)
    await stage.store.release(turn.lease)
    assistant = ScriptedAssistant()
    assistant.said_before = ["Setting the kitchen."]

    await stage.answer(replace(await stage.claimed(), attempt=3), assistant)

    assert stage.reply.messages == ["Setting the kitchen."]
    assert status_of(stage) is RunStatus.FAILED


async def test_a_stop_asked_for_before_a_takeover_still_counts(stage: Stage):
    turn = await stage.turn()
    await stage.inbox.request_stop(TEAM, turn.turn_id, BEN)
    await stage.store.release(turn.lease)

    await stage.answer(await stage.claimed(), ScriptedAssistant(saying("Hi.")))

    assert status_of(stage) is RunStatus.CANCELLED


async def test_a_stop_before_a_takeover_ends_what_runs_and_shows_what_was_done(
    stage: Stage,
):
    turn = await stage.turn()
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    run = update(RunStatus.REQUIRES_ACTION, setting("kitchen", 23)).run
    await stage.ledger.commit_pass(turn.lease, 1, run)
    await stage.toolbox.call(
        turn, 1, run.tool_calls, stop=asyncio.Event(), show=lambda _: None
    )
    await stage.inbox.request_stop(TEAM, turn.turn_id, BEN)
    await stage.store.release(turn.lease)
    assistant = ScriptedAssistant()

    await stage.answer(await stage.claimed(), assistant)

    assert status_of(stage) is RunStatus.CANCELLED
    assert [each.status for each in assistant.cancelled] == [RunStatus.CANCELLED]
    assert [each.message.type for each in stage.reply.data] == ["temperature_change"]


async def test_the_ledger_knows_every_call_as_done_after_the_turn(stage: Stage):
    turn = await stage.turn()
    calls: Sequence[ToolCall] = (setting("kitchen", 23), setting("attic", 20, "c2"))

    await stage.answer(
        turn, ScriptedAssistant(calling(*calls), saying("The attic is unknown."))
    )

    outputs = await stage.outputs(turn)
    assert "there is no 'attic'" in outputs[1]


async def test_an_answer_takes_as_long_as_all_its_owners_took(stage: Stage):
    turn = replace(await stage.turn(), age=100.0)

    await stage.answer(turn, ScriptedAssistant(saying("Hello.")))

    assert stage.reply.ending is not None
    assert 100 <= stage.reply.ending.seconds < 150


async def test_what_was_asked_is_remembered_also_when_it_is_stopped_at_once(
    stage: Stage,
):
    turn = await stage.turn("what is the plan?")
    stop, began = TurnStop(), asyncio.Event()

    async def slowly(turn: Turn) -> Gathered:
        began.set()
        await stop.event.wait()
        await asyncio.sleep(0)
        return await stage.gather(turn)

    stage.gathering = slowly
    assistant = ScriptedAssistant()
    answering = asyncio.create_task(stage.answer(turn, assistant, stop))
    await began.wait()
    stop.request(StopRequest(turn_id=turn.turn_id, stopped_by=BEN))
    await answering

    assert assistant.asked == []
    assert status_of(stage) is RunStatus.CANCELLED
    history = await stage.store.history(turn)
    assert [item.item["text"] for item in history] == ["what is the plan?"]


async def test_a_stop_does_not_wait_for_what_must_be_known_first(stage: Stage):
    turn = await stage.turn()
    stop, began = TurnStop(), asyncio.Event()

    async def never(_: Turn) -> Gathered:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    stage.gathering = never
    assistant = ScriptedAssistant()
    answering = asyncio.create_task(stage.answer(turn, assistant, stop))
    await began.wait()
    stop.request(StopRequest(turn_id=turn.turn_id, stopped_by=BEN))
    async with asyncio.timeout(20):
        await answering

    assert assistant.asked == []
    assert status_of(stage) is RunStatus.CANCELLED
    assert stage.reply.ending is not None
    assert stage.reply.ending.stopped_by == "Ben"
