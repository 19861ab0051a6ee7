"""What is none of Threadline's business leaves no row, no text and no log line."""

import logging
from collections.abc import Callable, Iterator
from io import StringIO

import pytest

from app.telemetry import configure_logging
from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.world import World, in_every_setting

HELLO = "@threadline say exactly: hello"

Log = Callable[[], str]


@pytest.fixture
def log() -> Iterator[Log]:
    """Return all that the program has logged, at its most talkative."""
    root, app = logging.getLogger(), logging.getLogger("app")
    before = root.handlers[:], root.level, app.level
    configure_logging()
    app.setLevel(logging.DEBUG)
    written = StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written.getvalue
    root.handlers[:], level, app_level = before
    root.setLevel(level)
    app.setLevel(app_level)


@in_every_setting
async def test_a_channel_message_that_is_not_for_it_leaves_no_row_no_text_no_log(
    log: Log, world: World, setting: Setting
) -> None:
    root = await world.remark("lunch, quetzal?")
    reply = await world.remark("at noon, quetzal", user="ben", thread_ts=root)
    await world.remark("quetzal", user="buildbot", thread_ts=root)
    await world.remark("quetzal", channel="mpdm")
    await world.sandbox.edit("ben", "#general", reply, "at one, quetzal")
    await world.acknowledged(reply, times=2)
    await world.sandbox.delete("ben", "#general", reply)
    await world.acknowledged(reply, times=3)

    assert await database.is_empty(setting.database_url)
    assert not await database.holds(setting.database_url, "quetzal")
    assert "quetzal" not in log()


async def test_what_is_said_elsewhere_in_the_channel_of_a_talk_leaves_nothing(
    log: Log, world: World, setting: Setting
) -> None:
    root = await world.ask(HELLO)
    await world.answered(root)
    other = await world.remark("lunch, quetzal?")
    await world.remark("at noon, quetzal", user="ben", thread_ts=other)

    assert not await database.holds(setting.database_url, "quetzal")
    assert "quetzal" not in log()


async def test_what_is_kept_of_a_talk_never_reaches_the_log(
    log: Log, world: World, setting: Setting
) -> None:
    root = await world.ask("@threadline say exactly: quetzal")
    await world.answered(root)
    await world.remark("quetzal indeed", user="ben", thread_ts=root)
    world.sandbox.model.fault("failed")
    await world.ask("@threadline say exactly: quetzal again", thread_ts=root)
    await world.answered(root, times=2)

    assert await database.holds(setting.database_url, "quetzal")
    logged = log()
    assert "pass failed" in logged
    assert "quetzal" not in logged
    for token in (world.sandbox.bot_token, world.sandbox.app_token):
        assert token.rpartition("-")[2] not in logged
    assert world.sandbox.signing_secret not in logged


@pytest.mark.parametrize("sandbox", [{"answer_within": 0.5}], indirect=True, ids=[""])
@pytest.mark.parametrize("table", ["inbox", "thread_items"])
async def test_what_the_database_refuses_does_not_reach_the_log_either(
    table: str, log: Log, world: World, setting: Setting
) -> None:
    async with database.without(setting.database_url, table):
        await world.ask("@threadline say exactly: quetzal", channel="#home-team")
        await world.until(lambda: '"error": ' in log())
    other = await world.ask(HELLO)
    await world.answered(other)

    assert "quetzal" not in log()


async def test_what_a_guest_asks_is_not_kept(
    log: Log, world: World, setting: Setting
) -> None:
    world.sandbox.change_person("ben", is_restricted=True)
    root = await world.ask("@threadline what about the quetzal?", user="ben")
    await world.until(lambda: world.told("ben"))
    other = await world.ask(HELLO)
    await world.answered(other)
    await world.acknowledged(root, times=2)

    kept = await database.rows(setting.database_url, "SELECT text FROM inbox")
    assert all("quetzal" not in text for (text,) in kept)
    assert "quetzal" not in log()


async def test_what_is_said_where_only_a_guest_has_asked_is_not_kept(
    world: World, setting: Setting
) -> None:
    world.sandbox.change_person("ben", is_restricted=True)
    root = await world.remark("lunch, quetzal?")
    await world.ask(HELLO, user="ben", thread_ts=root)
    await world.until(lambda: world.told("ben"))
    other = await world.ask(HELLO)
    await world.answered(other)
    await world.remark("at noon, quetzal", thread_ts=root)

    assert not await database.holds(setting.database_url, "quetzal")
