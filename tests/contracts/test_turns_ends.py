"""How a turn ends is sure before people are told, and told by whoever is there."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from app.domain import Ending, RunStatus, Turn
from app.errors import LeaseLost
from app.storage.database import Database
from app.turns.answer import TurnStop
from tests.contracts.turn_stage import Stage, saying
from tests.fakes import RecordingReply, ScriptedAssistant


class DiesAtTheEnd(RecordingReply):
    """A reply whose process is gone before Slack has the final text."""

    async def finish(self, ending: Ending) -> str | None:
        raise LeaseLost(f"gone with {ending.status}")


class OpensNever(RecordingReply):
    """A reply whose former messages nobody can read."""

    async def open(self) -> None:
        raise ValueError("no reply")


@pytest.fixture
def stage(database: Database) -> Stage:
    return Stage(database=database)


async def broken_off(stage: Stage, said: Sequence[str], stop: TurnStop) -> Turn:
    """Return Ana's turn, taken over after its end was sure and before it was told."""
    turn = await stage.turn()
    stage.reply = DiesAtTheEnd()
    with pytest.raises(LeaseLost):
        await stage.answer(turn, ScriptedAssistant(saying(said[0])), stop)
    stage.reply = RecordingReply()
    await stage.store.release(turn.lease)
    return await stage.claimed()


async def test_an_answer_that_was_whole_is_told_after_a_crash_without_the_model(
    stage: Stage,
):
    turn = await broken_off(stage, ["It is 22 °C."], TurnStop())
    assistant = ScriptedAssistant()
    assistant.said_before = ["It is 22 °C."]

    await stage.answer(turn, assistant)

    assert assistant.asked == []
    assert stage.reply.messages == ["It is 22 °C."]
    assert stage.reply.ending
    assert stage.reply.ending.status is RunStatus.COMPLETED


async def test_what_was_said_at_the_end_is_in_the_history_once(stage: Stage):
    turn = await broken_off(stage, ["It is 22 °C."], TurnStop())

    await stage.answer(turn, ScriptedAssistant())

    history = await stage.store.history(turn)
    assert len(history) == 2
    assert history[-1].item["content"] == [
        {"type": "output_text", "text": "It is 22 °C."}
    ]


async def test_an_end_that_can_never_be_told_still_frees_the_thread(stage: Stage):
    turn = await broken_off(stage, ["It is 22 °C."], TurnStop())
    stage.reply = DiesAtTheEnd()

    await stage.answer(replace(turn, attempt=4), ScriptedAssistant())

    again = await stage.turn("and now?", when=5, thread=0)
    assert [message.text for message in again.wanted] == ["and now?"]


async def test_a_reply_that_can_never_be_opened_still_frees_the_thread(stage: Stage):
    turn = await stage.turn()
    stage.reply = OpensNever()

    with pytest.raises(ValueError, match="no reply"):
        await stage.answer(turn, ScriptedAssistant())
    await stage.answer(replace(turn, attempt=5), ScriptedAssistant())

    again = await stage.turn("and now?", when=5, thread=0)
    assert [message.text for message in again.wanted] == ["and now?"]
