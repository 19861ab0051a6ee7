"""A page with the `useAssistant` hook, unchanged, on Threadline's line protocol."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from app.sandbox.model.assistants.threads import ASSISTANT_ID
from tests.scenarios.conftest import NewWorld
from tests.scenarios.database import rows
from tests.scenarios.page import WITH_WEB, Pages, browsing, codes_of, words_of
from tests.scenarios.shown import with_postgres, with_sqlite

STORY = "tell me a very long story"
SET_BOTH = "set the kitchen to 23 and the bedroom to 19"


@pytest.fixture
async def pages(new_world: NewWorld) -> AsyncIterator[Pages]:
    world = await new_world(WITH_WEB)
    async with browsing(world) as pages:
        yield pages


async def test_a_question_is_answered_and_what_was_done_is_shown(pages: Pages) -> None:
    page = pages.open()
    await page.append(SET_BOTH)

    assert codes_of(page)[0] == "5"
    assert page.error is None
    data = [message.data for message in page.messages if message.role == "data"]
    told = [
        (each["room"], each["newTemperature"], each["description"]) for each in data
    ]
    assert told == [
        ("kitchen", 23.0, "The kitchen went from 22 to 23 °C."),
        ("bedroom", 19.0, "The bedroom went from 20 to 19 °C."),
    ]
    assert "kitchen" in words_of(page)
    assert page.messages[-1].role == "assistant"


@with_sqlite
async def test_the_first_line_names_the_thread_and_the_question(pages: Pages) -> None:
    page = pages.open()
    before: list[str] = []
    page.on_part = lambda _: before.append(page.messages[0].id)
    await page.append("hello")

    code, control = page.parts[0]
    assert code == "5"
    assert [code for code, _ in page.parts].count("5") == 1
    assert set(before) == {control["messageId"]}
    assert page.current == control["threadId"]


@with_sqlite
async def test_each_message_of_the_model_is_a_message_of_the_page(pages: Pages) -> None:
    page = pages.open()
    await page.append("hello")
    await page.append("hello")

    assert [message.role for message in page.messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert len({message.id for message in page.messages}) == 4


@with_sqlite
async def test_text_after_a_data_message_stands_in_a_message_of_its_own(
    pages: Pages,
) -> None:
    page = pages.open()
    await page.append(SET_BOTH)

    assert codes_of(page).endswith("6640")
    data = [message for message in page.messages if message.role == "data"]
    assert [message.content for message in data] == ["", ""]


@with_sqlite
async def test_the_page_is_busy_from_the_question_to_the_end(pages: Pages) -> None:
    page = pages.open()
    seen: list[str] = []
    page.on_part = lambda _: seen.append(page.status)
    assert page.status == "awaiting_message"
    await page.append("hello")

    assert set(seen) == {"in_progress"}
    assert page.status == "awaiting_message"


async def test_the_thread_is_kept_and_remembers(pages: Pages) -> None:
    page = pages.open(body={"some": "thing", "model": {"of": ["mine"]}})
    await page.append("hello, the word is heron", data={"temperature": "hot"})
    learned = page.current
    await page.append("what did I say?")

    assert [sent["threadId"] for sent in page.sent] == [None, learned]
    assert page.current == learned
    assert "heron" in words_of(page)


@with_sqlite
async def test_another_thread_is_another_conversation(pages: Pages) -> None:
    page = pages.open()
    await page.append("hello, the word is heron")
    first = page.current
    page.set_thread_id(None)
    assert page.messages == []
    await page.append("what did I say?")
    assert page.current != first
    assert "heron" not in words_of(page)
    page.set_thread_id(first)
    await page.append("what did I say?")

    assert page.sent[-1]["threadId"] == first
    assert "heron" in words_of(page)


@with_sqlite
async def test_a_thread_given_by_the_page_goes_before_the_one_it_learned(
    pages: Pages,
) -> None:
    page = pages.open()
    await page.append("hello, the word is heron")
    other = pages.open(thread_id=page.current)
    await other.append("what did I say?")

    assert other.sent[-1]["threadId"] == page.current
    assert "heron" in words_of(other)


@with_sqlite
async def test_the_question_gets_the_id_that_the_server_has_for_it(
    pages: Pages,
) -> None:
    page = pages.open(input="hello")
    await page.submit()
    await page.submit()

    assert page.input == ""
    assert len(page.sent) == 1
    assert page.messages[0].id == page.parts[0][1]["messageId"]
    assert page.messages[0].content == "hello"


async def test_a_run_that_fails_is_told_and_what_it_said_stays(pages: Pages) -> None:
    pages.world.sandbox.model.fault("failed", value=12)
    page = pages.open()
    await page.append(STORY)

    assert page.error
    assert "Nothing was changed. (id " in page.error
    assert words_of(page).startswith("Once")
    assert codes_of(page) == "5403"
    await page.append("hello")
    assert page.error is None


@with_sqlite
async def test_an_answer_cut_at_the_limit_says_so(pages: Pages) -> None:
    pages.world.sandbox.model.fault("incomplete")
    page = pages.open()
    await page.append(STORY)

    assert page.error == "The answer was cut at the length limit. Ask me to go on."


@with_sqlite
async def test_a_model_that_is_busy_at_first_leaves_no_trace(pages: Pages) -> None:
    pages.world.sandbox.model.fault("http_429", value=0)
    page = pages.open()
    await page.append("hello")

    assert page.error is None
    assert codes_of(page) == "540"


async def test_who_hangs_up_cancels_the_run_and_keeps_what_was_said(
    pages: Pages,
) -> None:
    world, page = pages.world, pages.open()
    world.sandbox.model.rate = 60
    asking = await pages.asking(page, STORY)
    page.stop()
    await asking

    (request,) = world.sandbox.model.requests
    await world.until(lambda: request.ended)
    assert request.ended == "hung up"
    assert page.error is None
    assert page.status == "awaiting_message"
    assert words_of(page).startswith("Once")
    world.sandbox.model.rate = 0
    await page.append("what did you say?")
    assert "Once" in words_of(page)


@with_sqlite
async def test_who_hangs_up_before_the_first_word_cancels_the_run_too(
    pages: Pages,
) -> None:
    world, page = pages.world, pages.open()
    world.sandbox.model.first_token_delay = 30
    asking = asyncio.create_task(page.append(STORY))
    await world.until(lambda: page.parts and world.sandbox.model.requests)
    page.stop()
    await asking

    (request,) = world.sandbox.model.requests
    await world.until(lambda: request.ended)
    assert request.ended == "hung up"


async def test_a_second_page_on_the_same_thread_waits_its_turn(pages: Pages) -> None:
    world, first = pages.world, pages.open()
    await first.append("hello, the word is heron")
    world.sandbox.model.rate = 300
    order: list[str] = []
    asking = await pages.asking(first, "tell me a long story")
    asking.add_done_callback(lambda _: order.append("first"))
    second = pages.open(thread_id=first.current)
    waiting = asyncio.create_task(second.append("what did I say?"))
    waiting.add_done_callback(lambda _: order.append("second"))
    await world.until(lambda: second.parts)
    assert codes_of(second) == "5"
    world.sandbox.model.rate = 0
    await asyncio.gather(asking, waiting)

    assert order == ["first", "second"]
    assert words_of(first).endswith("The end.")
    assert "long story" in words_of(second)


@with_sqlite
async def test_who_leaves_while_waiting_is_not_answered(pages: Pages) -> None:
    world, first = pages.world, pages.open()
    world.sandbox.model.rate = 60
    asking = await pages.asking(first, STORY)
    second, third = (pages.open(thread_id=first.current) for _ in range(2))
    gone = asyncio.create_task(second.append("set the kitchen to 30"))
    await world.until(lambda: second.parts)
    waiting = asyncio.create_task(third.append("how warm is the kitchen?"))
    await world.until(lambda: third.parts)
    second.stop()
    await gone
    database_url = world.settings.database_url.get_secret_value()
    outcomes = "SELECT outcome FROM inbox"
    while ("dropped",) not in await rows(database_url, outcomes):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    first.stop()
    world.sandbox.model.rate = 0
    await asyncio.gather(asking, waiting)

    assert "22" in words_of(third)


@with_sqlite
async def test_rooms_are_the_same_here_and_in_slack(pages: Pages) -> None:
    page = pages.open()
    await page.append("set the kitchen to 25")
    root = await pages.world.ask("@threadline how warm is the kitchen?")

    assert "25" in await pages.world.answered(root)


@with_sqlite
@pytest.mark.parametrize(
    "api",
    [
        {"ASSISTANT_STATE": "conversation"},
        {"ASSISTANT_API": "assistants", "ASSISTANT_ID": ASSISTANT_ID},
    ],
)
async def test_whichever_protocol_the_model_speaks_the_lines_are_the_same(
    new_world: NewWorld, api: dict[str, str]
) -> None:
    world = await new_world(WITH_WEB | api)
    async with browsing(world) as pages:
        page = pages.open()
        await page.append("set the kitchen to 23")
        await page.append("what did I say?")

    assert page.error is None
    assert codes_of(page) == "5640540"
    assert "set the kitchen" in words_of(page)


@with_postgres
async def test_what_is_said_here_is_not_said_in_slack(pages: Pages) -> None:
    await pages.open().append(SET_BOTH)

    assert pages.world.sandbox.calls("chat.postMessage") == []
    assert pages.world.sandbox.calls("assistant.threads.setStatus") == []
