"""A process that dies while an answer is streamed, and the one that ends the stream."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.e2e.program import Program, running, settings_for
from tests.invariants.world import see_that_all_holds
from tests.scenarios.world import is_finished, text_of

PATIENCE = 45.0
DM = "dm:ana"
pytestmark = pytest.mark.timeout(120)


def answers(sandbox: Sandbox) -> list[Message]:
    bot = sandbox.bot_user_id
    return [each for each in sandbox.messages(DM) if each.user_id == bot]


async def ask(sandbox: Sandbox, program: Program) -> None:
    await program.says("/invite")
    await sandbox.say("ana", DM, "tell me a story of 1,500 characters")


async def dies(sandbox: Sandbox, program: Program, point: str | None) -> None:
    """Let it die at a named place, or in the middle of a stream."""
    await ask(sandbox, program)
    if point is None:
        await sandbox.until(
            lambda: any(len(text_of(each)) > 100 for each in answers(sandbox)), PATIENCE
        )
        program.process.send_signal(signal.SIGKILL)
    ended = await program.ends()
    assert ended.code == -signal.SIGKILL


async def one_stream_is_brought_to_its_end(
    point: str | None, folder: Path, database_url: str
) -> None:
    sandbox = await Sandbox.start(token_rate=60, retry_scale=0.05)
    given = settings_for(sandbox, DATABASE_URL=database_url, NATIVE_STREAMS="true")
    armed = {"THREADLINE_CRASH_AT": point} if point else {}
    try:
        async with running("serve", folder=folder, settings=given | armed) as first:
            await dies(sandbox, first, point)
        (half,) = answers(sandbox)
        assert half.streaming_state == "in_progress"
        sandbox.model.rate = 2_000
        async with running("serve", folder=folder, settings=given):
            (whole,) = await sandbox.until(
                lambda: [each for each in answers(sandbox) if is_finished(each)],
                PATIENCE,
            )
            await see_that_all_holds(sandbox, database_url)
        assert [each.ts for each in answers(sandbox)] == [half.ts] == [whole.ts]
        assert text_of(whole).endswith("The end.")
        assert whole.streaming_state == "completed"
    finally:
        await sandbox.close()


async def test_whoever_comes_next_ends_the_stream_and_edits_its_message(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    async def one(point: str | None) -> None:
        folder = tmp_path / str(point)
        folder.mkdir()
        shutil.copy(migrated_sqlite, folder / "t.db")
        await one_stream_is_brought_to_its_end(
            point, folder, f"sqlite:///{folder / 't.db'}"
        )

    await asyncio.gather(one(None), one("C4"))
