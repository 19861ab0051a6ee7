"""What tools may cost a turn, and what becomes of them after a crash."""

import asyncio

import pytest

from app.domain import (
    RunStatus,
    ToolCall,
)
from app.storage.database import Database
from app.tools.tool import Found, ToolContext, tool
from app.turns.run_turn import MAX_TOOL_ROUNDS
from tests.contracts.queue_words import TEAM
from tests.contracts.turn_stage import Stage, calling, saying, setting, update
from tests.fakes import ScriptedAssistant


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database=database)


@pytest.mark.parametrize(
    ("found", "orders", "output"),
    [
        ("done", [], "Done, by the call that was broken off."),
        ("not_done", ["milk"], "ordered milk"),
    ],
)
async def test_a_write_whose_tool_can_look_goes_on_after_a_crash(
    stage: Stage, found: Found, orders: list[str], output: str
):
    ordered: list[str] = []

    async def was_ordered(context: ToolContext, what: str) -> Found:
        assert context.key == f"{turn.turn_id}-1-c1"
        assert (context.call.name, what) == ("order", "milk")
        return found

    @tool(effect="write", label="ordering {what}", check=was_ordered)
    async def order(context: ToolContext, what: str) -> str:
        """Order something from outside."""
        ordered.append(what)
        return f"ordered {what}"

    stage.tools = (order,)
    turn = await stage.turn()
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    call = ToolCall(call_id="c1", name="order", arguments='{"what": "milk"}')
    run = update(RunStatus.REQUIRES_ACTION, call).run
    await stage.ledger.commit_pass(turn.lease, 1, run)
    await stage.ledger.start(turn.lease, 1, "c1")
    await stage.store.release(turn.lease)

    await stage.answer(await stage.claimed(), ScriptedAssistant(saying("It is here.")))

    assert stage.reply.messages == ["It is here."]
    assert ordered == orders
    assert await stage.outputs(turn) == [output]


async def test_one_answer_takes_sixteen_calls_and_then_its_end_is_told(stage: Stage):
    turn = await stage.turn()
    first = [setting("kitchen", 20 + number / 10, f"a{number}") for number in range(10)]
    second = [setting("bathroom", 20, f"b{number}") for number in range(10)]
    third = [setting("bedroom", 30, "c0")]

    rounds = (calling(*first), calling(*second), calling(*third))
    await stage.answer(turn, ScriptedAssistant(*rounds))

    outputs = await stage.outputs(turn)
    assert [told.startswith("Error: not run") for told in outputs[:20]] == [
        *[False] * 16,
        *[True] * 4,
    ]
    assert await stage.rooms.temperature(TEAM, "bedroom") == 20
    assert stage.reply.ending is not None
    assert stage.reply.ending.incomplete_reason == "tool_rounds"
    assert len(outputs) == 21


async def test_people_are_told_once_when_not_all_calls_were_made(stage: Stage):
    turn = await stage.turn()
    calls = [setting("kitchen", 20 + number / 10, f"c{number}") for number in range(19)]

    await stage.answer(turn, ScriptedAssistant(calling(*calls), saying("Some.")))

    (told,) = [each for each in stage.reply.data if each.message.type == "notice"]
    assert told.message.data["text"] == (
        "I use tools at most 16 times for one answer, so not all was done. "
        "Ask again for the rest."
    )
    assert stage.reply.messages == ["Some."]


async def test_calls_before_a_crash_count_too(stage: Stage):
    turn = await stage.turn()
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    for pass_no in (1, 2):
        calls = [setting("kitchen", 20, f"{pass_no}-{n}") for n in range(10)]
        run = update(RunStatus.REQUIRES_ACTION, *calls).run
        await stage.ledger.commit_pass(turn.lease, pass_no, run)
        if pass_no == 1:
            await stage.toolbox.call(
                turn, 1, calls, stop=asyncio.Event(), show=lambda _: None
            )
    await stage.store.release(turn.lease)

    await stage.answer(await stage.claimed(), ScriptedAssistant(saying("Some.")))

    outputs = await stage.outputs(turn)
    assert [told.startswith("Error: not run") for told in outputs] == [
        *[False] * 16,
        *[True] * 4,
    ]


async def test_a_turn_that_had_reached_its_limit_calls_nothing_after_a_crash(
    stage: Stage,
):
    turn = await stage.turn()
    await stage.store.prepare(turn.lease, (await stage.gather(turn)).items, {})
    for pass_no in range(1, MAX_TOOL_ROUNDS + 2):
        call = setting("kitchen", 30, f"c{pass_no}")
        run = update(RunStatus.REQUIRES_ACTION, call).run
        await stage.ledger.commit_pass(turn.lease, pass_no, run)
    await stage.store.release(turn.lease)
    assistant = ScriptedAssistant()

    await stage.answer(await stage.claimed(), assistant)

    assert assistant.asked == []
    assert await stage.rooms.temperature(TEAM, "kitchen") == 22
    assert stage.reply.ending is not None
    assert stage.reply.ending.incomplete_reason == "tool_rounds"
    assert len(await stage.outputs(turn)) == MAX_TOOL_ROUNDS + 1


async def test_two_calls_with_one_id_are_one(stage: Stage):
    turn = await stage.turn()
    calls = (setting("kitchen", 23), setting("kitchen", 30))

    await stage.answer(turn, ScriptedAssistant(calling(*calls), saying("Done.")))

    assert stage.reply.messages == ["Done."]
    assert await stage.rooms.temperature(TEAM, "kitchen") == 23
    assert len(await stage.outputs(turn)) == 1
