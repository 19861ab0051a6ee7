"""A process that is told to end: others go on with its answers, and it is gone soon."""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.cable import cable_to
from tests.e2e.program import ROOT, Ended, Program, running, settings_for
from tests.postgres import empty
from tests.scenarios.database import rows
from tests.scenarios.world import is_finished, line_of, text_of

PATIENCE = 45.0
BELL = """
import asyncio
import os

from app.tools.tool import ToolContext, tool


@tool(effect="write", label="ringing the bell")
async def ringBell(context: ToolContext) -> str:
    '''Ring a bell, slowly.'''
    with open(os.environ["BELL"], "a") as bell:
        bell.write("began, ")
        bell.flush()
        await asyncio.sleep(1)
        bell.write("rang, ")
    return "It rang."
"""
WORDS = "and so it was, as it had always been, " * 8 + "done"
STORY = "@threadline tell me a story of 1,500 characters"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = await Sandbox.start(token_rate=60, retry_scale=0.01)
    yield sandbox
    await sandbox.close()


def answers(sandbox: Sandbox, thread_ts: str) -> list[Message]:
    return [
        message
        for message in sandbox.messages("#general", thread_ts)
        if message.user_id == sandbox.bot_user_id
    ]


def are_finished(sandbox: Sandbox, *roots: str) -> bool:
    ends = [answers(sandbox, root) for root in roots]
    return all(each and is_finished(each[-1]) for each in ends)


async def in_every_phase(sandbox: Sandbox) -> tuple[str, str, str]:
    """Leave three turns where a hand-over is hard; return their threads.

    One waits for Slack to take the last of its answer, one reads what was said before,
    one tells a story.
    """
    said = f"@threadline say exactly: {WORDS}"
    last = await sandbox.say("ana", "#general", said)
    await sandbox.until(lambda: answers(sandbox, last), PATIENCE)
    await hung(sandbox, "chat.update")
    await sandbox.until(lambda: sandbox.model.requests[0].ended, PATIENCE)

    old = await sandbox.say("ben", "#general", "the garage is painted")
    question = "@threadline say exactly: prepared"
    hanging = asyncio.create_task(hung(sandbox, "conversations.replies"))
    await sandbox.say("ana", "#general", question, thread_ts=old)
    await hanging

    story = await sandbox.say("ana", "#general", STORY)
    await sandbox.until(
        lambda: any(len(text_of(each)) > 100 for each in answers(sandbox, story)),
        PATIENCE,
    )
    # Else the story is over before a second process has begun.
    sandbox.model.rate = 3
    return last, old, story


async def hung(sandbox: Sandbox, method: str) -> None:
    """Wait for a call that Slack takes and does not answer."""
    sandbox.fault(method, "delay", value=120)
    await sandbox.until(lambda: not sandbox.core.faults._planned[method], PATIENCE)


def asked_for_stories(sandbox: Sandbox) -> int:
    return sum(STORY[12:] in str(each.body) for each in sandbox.model.requests)


async def told_to_end(program: Program) -> tuple[Ended, float]:
    """See a process off; return how it ended and after how many seconds."""
    began = time.monotonic()
    ended = await program.ends(signal.SIGTERM)
    return ended, time.monotonic() - began


async def test_a_replica_goes_on_at_once_with_the_answers_of_one_that_ends(
    sandbox: Sandbox,
    tmp_path: Path,
    migrated_postgres: str,
    record_property: Callable[[str, object], None],
) -> None:
    empty(migrated_postgres)
    given = {"DATABASE_URL": migrated_postgres}
    first_settings = settings_for(sandbox, **given)
    async with running("serve", folder=tmp_path, settings=first_settings) as first:
        await first.says("/invite")
        roots = await in_every_phase(sandbox)
        second_settings = settings_for(sandbox, **given)
        async with running(
            "serve", folder=tmp_path, settings=second_settings
        ) as second:
            await second.says("/invite")
            ending = asyncio.create_task(told_to_end(first))
            told = time.monotonic()
            await sandbox.until(lambda: asked_for_stories(sandbox) > 1, PATIENCE)
            record_property("seconds to the next owner", time.monotonic() - told)
            ended, seconds = await ending
            record_property("seconds to the end", seconds)
            sandbox.model.rate = 2_000
            await sandbox.until(lambda: are_finished(sandbox, *roots), PATIENCE)

    assert (ended.code, ended.err) == (0, "")
    assert_each_is_answered_once(sandbox, roots)
    # Nobody had to find out that the first one was gone.
    assert await rows(migrated_postgres, "SELECT max(attempt) FROM turns") == [(0,)]


async def test_alone_the_next_start_goes_on_with_what_was_handed_over(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'threadline.db'}"
    settings = settings_for(sandbox, DATABASE_URL=url)
    async with running("serve", folder=tmp_path, settings=settings) as first:
        await first.says("/invite")
        roots = await in_every_phase(sandbox)
        ended, _ = await told_to_end(first)
    sandbox.model.rate = 2_000
    async with running("serve", folder=tmp_path, settings=settings) as second:
        await second.says("/invite")
        await sandbox.until(lambda: are_finished(sandbox, *roots), PATIENCE)

    assert (ended.code, ended.err) == (0, "")
    assert_each_is_answered_once(sandbox, roots)


def assert_each_is_answered_once(sandbox: Sandbox, roots: tuple[str, ...]) -> None:
    last, prepared, story = (answers(sandbox, root) for root in roots)
    assert [text_of(each)[-8:] for each in story] == ["The end."]
    assert text_of(story[0]).count("Once upon a time") == 1
    assert [text_of(each) for each in prepared] == ["prepared"]
    assert [text_of(each) for each in last] == [WORDS]


async def test_a_tool_that_has_begun_to_change_something_does_it_once_and_says_so(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    for folder in ("app", "migrations"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    done = tmp_path / "done"
    (tmp_path / "app" / "tools" / "own" / "bell.py").write_text(BELL)
    more = {"DATABASE_URL": f"sqlite:///{tmp_path / 't.db'}", "BELL": str(done)}
    settings = settings_for(sandbox, PYTHONPATH=str(tmp_path), **more)
    async with running("serve", folder=tmp_path, settings=settings) as first:
        await first.says("/invite")
        question = "@threadline call exactly: ringBell {}"
        root = await sandbox.say("ana", "#general", question)
        await sandbox.until(lambda: done.exists() or None, PATIENCE)
        ended, _ = await told_to_end(first)
    async with running("serve", folder=tmp_path, settings=settings) as second:
        await second.says("/invite")
        await sandbox.until(lambda: are_finished(sandbox, root), PATIENCE)

    assert (ended.code, ended.err) == (0, "")
    assert done.read_text() == "began, rang, "
    (answer,) = answers(sandbox, root)
    assert line_of(answer).startswith("completed")
    assert "It rang." in text_of(answer)


async def test_a_process_ends_by_itself_while_its_database_says_nothing(
    sandbox: Sandbox,
    tmp_path: Path,
    migrated_postgres: str,
    record_property: Callable[[str, object], None],
) -> None:
    empty(migrated_postgres)
    async with cable_to(migrated_postgres) as cable:
        settings = settings_for(sandbox, DATABASE_URL=cable.address)
        async with running("serve", folder=tmp_path, settings=settings) as program:
            await program.says("/invite")
            root = await sandbox.say("ana", "#general", STORY)
            await sandbox.until(lambda: answers(sandbox, root), PATIENCE)
            cable.freeze()
            ended, seconds = await told_to_end(program)
            record_property("seconds to the end", seconds)

    assert ended.code == 0
    assert "Traceback" not in ended.err
    assert seconds < 20


async def test_a_second_signal_ends_it_at_once_whatever_hangs(
    sandbox: Sandbox, tmp_path: Path, migrated_postgres: str
) -> None:
    empty(migrated_postgres)
    async with cable_to(migrated_postgres) as cable:
        settings = settings_for(sandbox, DATABASE_URL=cable.address)
        async with running("serve", folder=tmp_path, settings=settings) as program:
            await program.says("/invite")
            root = await sandbox.say("ana", "#general", STORY)
            await sandbox.until(lambda: answers(sandbox, root), PATIENCE)
            sandbox.fault("chat.update", "delay", count=None, value=60)
            cable.freeze()
            program.process.send_signal(signal.SIGTERM)
            await sandbox.until(lambda: not sandbox.connections, PATIENCE)
            began = time.monotonic()
            ended = await program.ends(signal.SIGTERM)

    assert ended.code == 130
    assert time.monotonic() - began < 2
