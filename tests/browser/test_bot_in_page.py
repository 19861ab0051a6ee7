"""Threadline itself in the sandbox's page, as somebody who tries it sees it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from app.storage.migrate import migrate
from tests.browser.conftest import Stage
from tests.scenarios.world import living

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def bot(stage: Stage, tmp_path: Path) -> AsyncIterator[Stage]:
    """The same stage, with Threadline living there."""
    url = f"sqlite:///{tmp_path / 'threadline.db'}"
    await migrate(url)
    stage.sandbox.model.rate = 100
    async with living(stage.sandbox, url, over_http=False):
        yield stage


async def write(page: Page, text: str, pane: str = "channel") -> None:
    await page.locator(f"#{pane}-composer textarea").fill(text)
    await page.locator(f"#{pane}-composer textarea").press("Enter")


async def test_an_answer_grows_in_one_message_of_the_thread(bot: Stage):
    page = await bot.open()

    await write(page, "@threadline tell me a long story")
    answer = page.locator("#thread-list .row").nth(1)
    await expect(answer).to_contain_text("Once upon a time")
    begun = len(await answer.inner_text())
    await page.wait_for_function(
        "begun => document.querySelectorAll('#thread-list .row')[1]"
        ".innerText.length > begun + 200",
        arg=begun,
    )

    await expect(answer).to_contain_text("in progress")
    await expect(page.locator("#thread-list .row")).to_have_count(2)
    await answer.get_by_role("button", name="Stop").click()
    await expect(answer).to_contain_text("cancelled · stopped by Ana")
    await expect(answer.get_by_role("button", name="Stop")).to_have_count(0)
    await page.close()


async def test_two_rooms_give_a_card_with_two_colours_and_a_text(
    bot: Stage, tmp_path: Path
):
    page = await bot.open()

    await write(page, "@threadline set the kitchen to 23 and the bedroom to 19")
    thread = page.locator("#thread-list")
    await expect(thread).to_contain_text("completed · ")

    await expect(thread).to_contain_text("2 temperatures changed")
    attachments = thread.locator(".attachment")
    await expect(attachments).to_have_count(2)
    await expect(attachments.nth(0)).to_contain_text("23 °C")
    await expect(attachments.nth(1)).to_contain_text("19 °C")
    await expect(thread).to_contain_text("The bedroom is at 19 °C now")
    await page.screenshot(path=tmp_path / "two-rooms.png")
    await page.close()


async def test_a_direct_message_is_answered_without_a_mention(bot: Stage):
    page = await bot.open()

    await page.locator(".place", has_text="Threadline").last.click()
    await write(page, "how warm is the kitchen?")

    await expect(page.locator("#thread-list")).to_contain_text("completed · ")
    await expect(page.locator("#thread-list")).to_contain_text("22 °C")
    await page.close()


async def test_when_a_second_person_joins_the_thread_needs_a_mention(bot: Stage):
    page = await bot.open()
    await write(page, "@threadline how warm is the bathroom?")
    thread = page.locator("#thread-list")
    await expect(thread).to_contain_text("completed · ")

    await page.locator(".person", has_text="Ben").click()
    await page.locator("#channel-list .thread-link").last.click()
    await write(page, "and is that too warm?", "thread")
    await expect(thread).to_contain_text("more people here")
    await write(page, "@threadline what did Ana say?", "thread")

    await expect(thread.locator(".row")).to_have_count(5)
    await expect(thread.locator(".row").nth(4)).to_contain_text("completed · ")
    await page.close()
