"""Two processes on one Postgres: what one hears the other does, and what it never does.

In each story the first has begun to write an answer before the second comes.
"""

import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.e2e.program import Program, running, settings_for
from tests.postgres import empty
from tests.scenarios.world import is_finished, line_of, text_of

PATIENCE = 45.0
STOP = "threadline_stop"
pytestmark = pytest.mark.timeout(120)


@dataclass(kw_only=True)
class Replica:
    """One of the two, and where Slack finds it."""

    program: Program
    address: str

    def send(self, number: signal.Signals) -> None:
        self.program.process.send_signal(number)

    async def has_counted(self, event: str) -> bool:
        async with aiohttp.ClientSession() as session:
            answer = await session.get(f"{self.address}/metrics")
            return f'event="{event}"' in await answer.text()


@dataclass(kw_only=True)
class Story:
    """A long answer, begun by the first replica."""

    sandbox: Sandbox
    thread_ts: str
    first: Replica
    second: Replica | None = None

    @property
    def has_begun(self) -> bool:
        messages = self.sandbox.messages("#general", self.thread_ts)
        return len(messages) > 1 and len(text_of(self.message)) > 100

    @property
    def message(self) -> Message:
        (message,) = [
            each
            for each in self.sandbox.messages("#general", self.thread_ts)
            if each.user_id == self.sandbox.bot_user_id
        ]
        return message

    def edits_since(self, at: float) -> list[tuple[float, str]]:
        """When the message was edited after a moment, and what it said then."""
        return [
            (call.at, call.arguments["blocks"][0].get("text", ""))
            for call in self.sandbox.calls("chat.update")
            if call.at > at and call.arguments["ts"] == self.message.ts
        ]

    @property
    def now(self) -> float:
        return self.sandbox.core.clock()

    async def until(self, condition: Callable[[], object]) -> None:
        await self.sandbox.until(lambda: condition() or None, PATIENCE)

    async def is_edited_since(self, at: float) -> float:
        """Wait for the next edit after a moment; how long it took."""
        await self.until(lambda: self.edits_since(at))
        return self.edits_since(at)[0][0] - at

    async def ends_well(self) -> None:
        self.sandbox.model.rate = 2_000
        await self.until(lambda: is_finished(self.message))
        assert text_of(self.message).endswith("The end.")
        assert text_of(self.message).count("Once upon a time") == 1


@asynccontextmanager
async def replica(
    sandbox: Sandbox, folder: Path, database_url: str
) -> AsyncGenerator[Replica]:
    settings = settings_for(
        sandbox,
        DATABASE_URL=database_url,
        SLACK_SIGNING_SECRET=sandbox.signing_secret,
    )
    del settings["SLACK_APP_TOKEN"]
    async with running("serve", folder=folder, settings=settings) as program:
        await program.says("/invite")
        address = f"http://127.0.0.1:{settings['PORT']}"
        yield Replica(program=program, address=address)


@pytest.fixture
async def story(tmp_path: Path, migrated_postgres: str) -> AsyncGenerator[Story]:
    empty(migrated_postgres)
    sandbox = await Sandbox.start(token_rate=40)
    try:
        async with replica(sandbox, tmp_path, migrated_postgres) as first:
            sandbox.deliver_to(f"{first.address}/slack/events")
            question = "@threadline tell me a story of 4,000 characters"
            thread_ts = await sandbox.say("ana", "#general", question)
            story = Story(sandbox=sandbox, first=first, thread_ts=thread_ts)
            await sandbox.until(lambda: story.has_begun, PATIENCE)
            # Else the story is over before the second process has begun.
            sandbox.model.rate = 1
            async with replica(sandbox, tmp_path, migrated_postgres) as second:
                sandbox.deliver_to(f"{second.address}/slack/events")
                sandbox.model.rate = 40
                story.second = second
                yield story
    finally:
        await sandbox.close()


async def test_another_process_hears_soon_what_concerns_an_answer(
    story: Story,
    record_property: Callable[[str, object], None],
) -> None:
    aside = "I am reading along"
    await story.sandbox.say("ben", "#general", aside, thread_ts=story.thread_ts)
    await story.until(lambda: "more people here" in line_of(story.message))
    began = story.now
    words = "@threadline and then?"
    await story.sandbox.say("ben", "#general", words, thread_ts=story.thread_ts)
    await story.until(lambda: "1 message waiting" in line_of(story.message))
    clicked = story.now
    await story.sandbox.click("ben", "#general", story.message.ts, STOP)
    await story.until(
        lambda: line_of(story.message).startswith("cancelled · stopped by Ben")
    )

    record_property("seconds until counted", clicked - began)
    record_property("seconds until stopped", story.now - clicked)
    assert story.now - clicked < 4.0


async def test_after_a_crash_the_other_goes_on_within_seconds(
    story: Story,
    record_property: Callable[[str, object], None],
) -> None:
    killed = story.now
    story.first.send(signal.SIGKILL)
    taken_over = await story.is_edited_since(killed)
    await story.ends_well()

    record_property("seconds to take over", taken_over)
    assert taken_over < 8


async def test_who_was_paused_past_its_lease_never_writes_over_its_successor(
    story: Story,
) -> None:
    story.first.send(signal.SIGSTOP)
    paused, shown = story.now, len(text_of(story.message))
    # So much that whatever the first one would show is told from it by its length.
    await story.until(lambda: len(text_of(story.message)) > shown + 200)
    story.first.send(signal.SIGCONT)
    while not await story.first.has_counted("lease.lapsed"):
        assert not is_finished(story.message)
    awake = story.now
    await story.is_edited_since(awake)
    await story.ends_well()

    texts = [text for _, text in story.edits_since(paused)]
    assert [len(text) for text in texts] == sorted(len(text) for text in texts)
    assert not await story.first.has_counted("tasks.failed")
    assert story.second
    assert await story.second.has_counted("turns.completed")
