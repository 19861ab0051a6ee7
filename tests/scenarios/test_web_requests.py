"""Who may ask over the web, what is refused, and in which words."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from app.sandbox.server import Sandbox
from tests.scenarios.conftest import NewWorld, Setting
from tests.scenarios.database import away, is_empty
from tests.scenarios.page import TOKEN, WITH_WEB, Pages, browsing, words_of
from tests.scenarios.shown import with_postgres, with_sqlite
from tests.scenarios.world import World, living

GOOD = {"threadId": None, "message": "hello"}


@pytest.fixture
async def pages(new_world: NewWorld) -> AsyncIterator[Pages]:
    world = await new_world(WITH_WEB)
    async with browsing(world) as pages:
        yield pages


@with_sqlite
async def test_without_a_token_in_the_settings_there_is_no_such_address(
    world: World,
) -> None:
    async with browsing(world) as pages:
        status, _ = await pages.post(GOOD)

    assert status == 404


@with_sqlite
async def test_who_lacks_the_token_learns_nothing_and_leaves_nothing(
    pages: Pages,
) -> None:
    for given in ("", "Bearer", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"):
        status, says = await pages.post(GOOD, headers={"Authorization": given})
        assert status == 401
        assert says == "The token is missing or is not the right one."
    assert await is_empty(pages.world.settings.database_url.get_secret_value())


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "The body must be JSON."),
        (b"\xff\xfe{", 400, "The body must be JSON."),
        (b"[" * 100_000, 400, "The body must be JSON."),
        (b"[]", 400, "The body must be an object."),
        ({}, 400, "The message is empty. Write something first."),
        ({"message": 1}, 400, "The message is empty. Write something first."),
        ({"message": " \n\0"}, 400, "The message is empty. Write something first."),
        (
            {"message": "x", "threadId": 7},
            400,
            "threadId must be a string, or null for a new thread.",
        ),
        (
            {"message": "x", "threadId": "thread_" + "0" * 32},
            400,
            "There is no such thread here. Begin a new one.",
        ),
        (
            {"message": "x", "threadId": "D1\0\ud800"},
            400,
            "There is no such thread here. Begin a new one.",
        ),
        (
            {"message": "x" * 40_001},
            413,
            "The message is too long: 40000 characters are the most.",
        ),
        (
            b" " * 300_000,
            413,
            "The message is too long: 40000 characters are the most.",
        ),
    ],
)
@with_sqlite
async def test_what_is_no_question_is_refused_in_a_sentence(
    pages: Pages, body: object, status: int, says: str
) -> None:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert await pages.post(None, json=None, data=sent) == (status, says)
    assert await is_empty(pages.world.settings.database_url.get_secret_value())


@with_sqlite
async def test_a_refusal_is_what_the_page_shows_as_its_error(pages: Pages) -> None:
    page = pages.open(thread_id="thread_" + "0" * 32)
    await page.append("hello")

    assert page.error == "There is no such thread here. Begin a new one."
    assert page.status == "awaiting_message"
    assert [message.content for message in page.messages] == ["hello"]


@with_sqlite
async def test_a_thread_of_slack_is_not_to_be_had_by_the_token(pages: Pages) -> None:
    root = await pages.world.ask("hello", channel="dm:ana")
    await pages.world.answered(root, channel="dm:ana")
    page = pages.open(thread_id=pages.world.sandbox.channel_id("dm:ana"))
    await page.append("what did I say?")

    assert page.error == "There is no such thread here. Begin a new one."


@with_sqlite
async def test_other_keys_and_any_signs_are_taken_as_they_come(pages: Pages) -> None:
    body = {**GOOD, "message": "say exactly: é 日本 👩‍👩‍👧 \ud800", "x": {"y": [1]}}
    status, said = await pages.post(None, json=None, data=json.dumps(body).encode())

    assert status == 200
    assert said.startswith("5:")
    assert "3:" not in said


@with_postgres
async def test_while_the_database_is_away_a_page_is_told_to_try_again(
    pages: Pages,
) -> None:
    page = pages.open()
    async with away(pages.world.settings.database_url.get_secret_value()):
        status, says = await pages.post(GOOD)
    await page.append("hello")

    assert status == 503
    assert says == "Your message could not be saved. Please try again in a moment."
    assert page.error is None
    assert words_of(page)


async def test_a_restart_is_told_to_who_reads_and_to_who_waits(
    sandbox: Sandbox, setting: Setting
) -> None:
    url, over_http = setting.database_url, setting.over_http
    stack = AsyncExitStack()
    async with living(sandbox, url, over_http=over_http, more=WITH_WEB) as world:
        sandbox.model.rate = 60
        pages = await stack.enter_async_context(browsing(world))
        reading = pages.open()
        asking = await pages.asking(reading, "tell me a very long story")
        waiting = pages.open(thread_id=reading.current)
        also = asyncio.create_task(waiting.append("hello"))
        await world.until(lambda: waiting.parts)
    await asyncio.gather(asking, also)
    await stack.aclose()

    restarted = (
        "The server is being restarted. Please send your message again in a moment."
    )
    assert words_of(reading).startswith("Once")
    assert [reading.error, waiting.error] == [restarted, restarted]
    (request,) = sandbox.model.requests
    await sandbox.until(lambda: request.ended)
    assert request.ended == "hung up"
    sandbox.model.rate = 0
    async with (
        living(sandbox, url, over_http=over_http, more=WITH_WEB) as world,
        browsing(world) as pages,
    ):
        again = pages.open(thread_id=reading.current)
        await again.append("what did you say?")
        assert "Once" in words_of(again)
