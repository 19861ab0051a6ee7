"""A process that dies in the middle of an answer, and the one that comes after it."""

import asyncio
import signal
from pathlib import Path

import pytest

from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.e2e.program import Program, running, settings_for
from tests.invariants.world import see_that_all_holds
from tests.postgres import empty
from tests.scenarios.world import is_finished, text_of

PATIENCE = 45.0
# The lease of a dead process runs out before another one takes its turns over.
pytestmark = pytest.mark.timeout(120)


def answers(sandbox: Sandbox, thread_ts: str) -> list[Message]:
    return [
        message
        for message in sandbox.messages("#general", thread_ts)
        if message.user_id == sandbox.bot_user_id
    ]


async def begun(sandbox: Sandbox, program: Program, question: str) -> str:
    """Ask, and wait until some of the answer can be read."""
    await program.says("/invite")
    thread_ts = await sandbox.say("ana", "#general", question)
    await sandbox.until(
        lambda: any(len(text_of(each)) > 100 for each in answers(sandbox, thread_ts)),
        PATIENCE,
    )
    return thread_ts


async def begun_here_and_ended_there(
    number: signal.Signals, folder: Path, database_url: str
) -> None:
    """See one answer go on in its message after the signal, in another process."""
    sandbox = await Sandbox.start(token_rate=60)
    settings = settings_for(sandbox, DATABASE_URL=database_url)
    try:
        async with running("serve", folder=folder, settings=settings) as first:
            thread_ts = await begun(
                sandbox, first, "@threadline tell me a story of 1,500 characters"
            )
            (half,) = answers(sandbox, thread_ts)
            ended = await first.ends(number)
        assert not is_finished(half)
        assert (ended.code, ended.err) == (
            -signal.SIGKILL if number is signal.SIGKILL else 0,
            "",
        )

        sandbox.model.rate = 2_000
        async with running("serve", folder=folder, settings=settings) as second:
            await second.says("/invite")
            await sandbox.until(
                lambda: is_finished(answers(sandbox, thread_ts)[-1]), PATIENCE
            )
            await see_that_all_holds(sandbox, database_url)

        (whole,) = answers(sandbox, thread_ts)
        assert whole.ts == half.ts
        assert text_of(whole).endswith("The end.")
        assert text_of(whole).count("Once upon a time") == 1
    finally:
        await sandbox.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_the_answer_goes_on_in_the_same_message_after_the_end_of_its_process(
    number: signal.Signals, tmp_path: Path, migrated_postgres: str
) -> None:
    empty(migrated_postgres)
    file = f"sqlite:///{tmp_path / 'threadline.db'}"

    # Both at once: most of the time is the lease's.
    await asyncio.gather(
        begun_here_and_ended_there(number, tmp_path, migrated_postgres),
        begun_here_and_ended_there(number, tmp_path, file),
    )
