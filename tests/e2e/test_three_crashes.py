"""A question that kills whoever asks the model: three times, and then no more."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.e2e.program import running, settings_for
from tests.postgres import empty
from tests.scenarios.database import rows
from tests.scenarios.world import is_about, is_finished, line_of, text_of

PATIENCE = 60.0
DEADLY = "@threadline tell me a very long story"
NEXT = "@threadline say exactly: still here"
# Each time the lease of a dead process runs out first.
pytestmark = pytest.mark.timeout(240)


def answers(sandbox: Sandbox, thread_ts: str) -> list[Message]:
    return [
        message
        for message in sandbox.messages("#general", thread_ts)
        if message.user_id == sandbox.bot_user_id
    ]


def finished(sandbox: Sandbox, thread_ts: str) -> list[Message]:
    return [each for each in answers(sandbox, thread_ts) if is_finished(each)]


def asked(sandbox: Sandbox) -> int:
    return sum(DEADLY[12:] in str(each.body) for each in sandbox.model.requests)


async def failed_after_three_crashes(folder: Path, url: str) -> None:
    sandbox = await Sandbox.start(token_rate=1, retry_scale=0.01)
    settings = settings_for(sandbox, DATABASE_URL=url)
    try:
        async with running("serve", folder=folder, settings=settings) as first:
            await first.says("/invite")
            root = await sandbox.say("ana", "#general", DEADLY)
            await sandbox.until(lambda: asked(sandbox) == 1, PATIENCE)
            ts = await sandbox.say("ben", "#general", NEXT, thread_ts=root)
            await sandbox.until(lambda: is_stored(sandbox, ts), PATIENCE)
            await first.ends(signal.SIGKILL)
        for number in (2, 3):
            await killed_when_it_asks(sandbox, number, folder, settings)
        sandbox.model.rate = 2_000
        async with running("serve", folder=folder, settings=settings):
            await sandbox.until(lambda: len(finished(sandbox, root)) == 2, PATIENCE)

        failed, answered = finished(sandbox, root)
        assert "I tried three times and did not get through." in line_of(failed)
        assert line_of(failed).startswith("⚠️ failed")
        assert text_of(answered).endswith("still here")
        assert asked(sandbox) == 4
        turns = "SELECT state, attempt FROM turns ORDER BY id LIMIT 1"
        assert await rows(url, turns) == [("failed", 3)]
    finally:
        await sandbox.close()


async def killed_when_it_asks(
    sandbox: Sandbox, number: int, folder: Path, settings: Mapping[str, str]
) -> None:
    async with running("serve", folder=folder, settings=settings) as dying:
        await sandbox.until(lambda: asked(sandbox) == number, PATIENCE)
        ended = await dying.ends(signal.SIGKILL)
    assert (ended.code, ended.err) == (-signal.SIGKILL, "")


def is_stored(sandbox: Sandbox, ts: str) -> bool:
    return any(
        each.status == 200 and is_about(each.body, ts)
        for each in sandbox.deliveries("message")
    )


async def test_a_question_that_kills_its_process_three_times_is_failed_with_a_word(
    tmp_path: Path, migrated_postgres: str
) -> None:
    empty(migrated_postgres)
    file = f"sqlite:///{tmp_path / 'threadline.db'}"

    # Both at once: most of the time is the lease's.
    await asyncio.gather(
        failed_after_three_crashes(tmp_path, migrated_postgres),
        failed_after_three_crashes(tmp_path, file),
    )
