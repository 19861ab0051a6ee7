"""What people see who wrote while nobody was there to read it."""

import time
from collections.abc import AsyncIterator

import pytest

from app.sandbox.records import Message
from app.sandbox.server import Sandbox
from tests.scenarios import database
from tests.scenarios.conftest import NewWorld, Setting
from tests.scenarios.shown import with_postgres, with_sqlite
from tests.scenarios.world import World, line_of, living, text_of

ANSWER_NOW = "threadline_answer_now"
GENERAL, DM = "#general", "dm:ana"
AWAY = "I was away when you asked this."
HELLO = "@threadline say exactly: hello"
LONG, YESTERDAY = 1_200.0, 100_000.0


class Clock:
    """The clock of Slack, and how long ago it is there."""

    def __init__(self) -> None:
        self.ago = 0.0

    def __call__(self) -> float:
        return time.time() - self.ago


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    """A Slack in which it can be earlier, and that tries again after a second."""
    sandbox = await Sandbox.start(token_rate=2_000, retry_scale=0.02, clock=clock)
    yield sandbox
    await sandbox.close()


async def write(
    sandbox: Sandbox, clock: Clock, ago: float, *texts: str, channel: str = GENERAL
) -> str:
    """Let somebody write so long ago, all in one thread; return its ts."""
    clock.ago = ago
    root = await sandbox.say("ana", channel, texts[0])
    for text in texts[1:]:
        await sandbox.say("ana", channel, text, thread_ts=root)
    clock.ago = 0.0
    return root


async def line_in(world: World, root: str, channel: str = GENERAL) -> Message:
    """Wait until all has arrived, and a line says that it came late."""
    await world.sandbox.settle()
    await world.until(lambda: world.said(root, channel))
    (line,) = world.said(root, channel)
    return line


async def click(
    world: World, line: Message, user: str = "ben", channel: str = GENERAL
) -> None:
    status = await world.sandbox.click(user, channel, line.ts, ANSWER_NOW)
    assert status == 200


async def test_what_was_asked_in_a_short_downtime_is_answered(
    new_world: NewWorld, sandbox: Sandbox, setting: Setting, clock: Clock
) -> None:
    async with living(sandbox, setting.database_url, over_http=setting.over_http):
        pass
    root = await write(sandbox, clock, 0.0, HELLO)

    world = await new_world()

    assert await world.answered(root) == "hello"


async def test_what_was_asked_long_ago_is_answered_when_somebody_still_wants_it(
    new_world: NewWorld, sandbox: Sandbox, clock: Clock
) -> None:
    root = await write(sandbox, clock, LONG, HELLO)
    world = await new_world()
    line = await line_in(world, root)
    assert (line.seen, line.text) == (f"{AWAY}\nAnswer now", AWAY)

    await click(world, line)

    assert await world.answered(root) == "hello"
    await world.until(lambda: not world.said(root)[0].buttons)
    assert world.said(root)[0].text == f"{AWAY} Ben asked me to answer it now."


@with_postgres
async def test_three_messages_of_a_thread_get_one_line_and_one_answer(
    new_world: NewWorld, sandbox: Sandbox, clock: Clock
) -> None:
    texts = ("hello there", "how are you?", "say exactly: well")
    world = await new_world()
    root = await write(sandbox, clock, LONG, *texts, channel=DM)
    line = await line_in(world, root, DM)

    await click(world, line, "ana", DM)

    assert (await world.answered(root, DM)).endswith("well")
    assert world.heard == [f"Ana: {text}" for text in texts]
    assert len(world.said(root, DM)) == 2


@with_sqlite
async def test_of_yesterday_nothing_is_said(
    new_world: NewWorld, sandbox: Sandbox, clock: Clock
) -> None:
    world = await new_world()
    root = await write(sandbox, clock, YESTERDAY, HELLO)
    await world.acknowledged(root)

    other = await world.ask(HELLO)

    assert await world.answered(other) == "hello"
    assert world.said(root) == []


async def test_a_line_that_was_posted_before_a_crash_is_not_posted_again(
    new_world: NewWorld, sandbox: Sandbox, setting: Setting, clock: Clock
) -> None:
    async with living(
        sandbox, setting.database_url, over_http=setting.over_http
    ) as before:
        root = await write(sandbox, clock, LONG, HELLO)
        await line_in(before, root)
    # As it is when a process dies between the post and its record.
    forget = "UPDATE late_notes SET ts = NULL, due_at = 0, owner = 'dead'"
    await database.rows(setting.database_url, forget)

    world = await new_world()
    noted = "SELECT ts FROM late_notes WHERE ts IS NOT NULL"
    while not (rows := await database.rows(setting.database_url, noted)):
        await world.sandbox.settle()

    (line,) = world.said(root)
    assert rows == [(line.ts,)]
    await click(world, line)
    assert await world.answered(root) == "hello"


@with_postgres
async def test_of_a_question_that_was_removed_the_clicker_is_told(
    new_world: NewWorld, sandbox: Sandbox, clock: Clock
) -> None:
    world = await new_world()
    root = await write(sandbox, clock, LONG, HELLO)
    line = await line_in(world, root)
    world.sandbox.fault("chat.delete", "error", count=None, value="internal_error")
    await world.sandbox.delete("ana", GENERAL, root)
    await world.sandbox.settle()

    await click(world, line)

    await world.until(lambda: world.told("ben"))
    assert world.told("ben")[0].startswith("What was asked here is gone")
    world.sandbox.clear_faults()


@with_sqlite
async def test_a_line_about_what_was_removed_goes_too(
    new_world: NewWorld, sandbox: Sandbox, clock: Clock
) -> None:
    world = await new_world()
    root = await write(sandbox, clock, LONG, HELLO)
    await line_in(world, root)

    await world.sandbox.delete("ana", GENERAL, root)

    await world.until(lambda: not world.said(root))


@with_sqlite
async def test_two_clicks_make_one_answer(
    new_world: NewWorld, sandbox: Sandbox, clock: Clock
) -> None:
    world = await new_world()
    root = await write(sandbox, clock, LONG, HELLO)
    line = await line_in(world, root)

    await click(world, line)
    await click(world, line, "ana")

    await world.answered(root)
    assert [line_of(each).split(" ")[0] for each in world.said(root)] == [
        "I",
        "completed",
    ]
    assert world.told("ana") == []


async def asked(world: World, text: str, channel: str = GENERAL) -> str:
    """Ask something and wait until all is over; return its thread."""
    root = await world.ask(text, channel=channel)
    await world.answered(root, channel)
    await world.until(lambda: not world.sandbox.status(channel, root))
    return root


async def test_what_slack_never_sent_is_read_after_an_absence(
    new_world: NewWorld, sandbox: Sandbox, setting: Setting
) -> None:
    async with living(
        sandbox, setting.database_url, over_http=setting.over_http
    ) as before:
        await asked(before, "say exactly: hi", DM)
        known = await asked(before, HELLO)
    sandbox.fault("event:*", "never", count=None)
    mention = await sandbox.say("ben", GENERAL, "@threadline say exactly: news")
    direct = await sandbox.say("ana", DM, "say exactly: direct")
    await sandbox.say("ana", GENERAL, "say exactly: more", thread_ts=known)
    sandbox.clear_faults()
    away = "UPDATE workers SET expires_at = expires_at - 300"
    await database.rows(setting.database_url, away)

    world = await new_world()

    assert await world.answered(mention) == "news"
    assert await world.answered(direct, DM) == "direct"
    assert await world.answered(known, times=2) == "more"


@with_sqlite
async def test_where_slack_allows_one_reading_a_minute_that_one_is_made(
    new_world: NewWorld, sandbox: Sandbox, setting: Setting
) -> None:
    async with living(
        sandbox, setting.database_url, over_http=setting.over_http
    ) as before:
        await asked(before, "say exactly: hi", DM)
        await asked(before, HELLO)
    sandbox.limit("conversations.history", per_minute=1, burst=1)
    sandbox.fault("event:*", "never", count=None)
    mention = await sandbox.say("ben", GENERAL, "@threadline say exactly: news")
    await sandbox.say("ana", DM, "say exactly: direct")
    sandbox.clear_faults()
    away = "UPDATE workers SET expires_at = expires_at - 300"
    await database.rows(setting.database_url, away)

    world = await new_world()

    assert await world.answered(mention) == "news"

    def statuses() -> list[int]:
        return [each.status for each in sandbox.calls("conversations.history")]

    await world.until(lambda: statuses() == [200, 429])


@with_postgres
async def test_what_waited_behind_an_answer_through_a_downtime_is_offered(
    new_world: NewWorld, sandbox: Sandbox, setting: Setting
) -> None:
    url = setting.database_url
    async with living(sandbox, url, over_http=setting.over_http) as before:
        sandbox.model.rate = 20
        root = await before.ask("@threadline tell me a long story")
        await before.until(lambda: before.said(root))
        await before.remark("say exactly: hello", thread_ts=root)
    for past in (
        "workers SET expires_at = expires_at",
        "inbox SET received_at = received_at",
        "turns SET claimed_at = claimed_at",
    ):
        await database.rows(url, f"UPDATE {past} - 1000")
    sandbox.model.rate = 0

    world = await new_world()

    await world.until(lambda: len(world.said(root)) == 2)
    story, line = world.said(root)
    await world.until(lambda: line_of(world.said(root)[0]).startswith("expired"))
    await click(world, line)
    await world.until(
        lambda: [m for m in world.said(root) if text_of(m).endswith("hello")]
    )
    assert world.said(root)[0].ts == story.ts
