"""What tools may cost a turn, and what becomes of them after a crash."""

import pytest

from app.domain import (
    RunStatus,
    ToolCall,
)
from app.storage.database import Database
from app.tools.tool import Found, ToolContext, tool
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
