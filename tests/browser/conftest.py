"""A real Chromium before a real sandbox."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from slack_sdk.web.async_client import AsyncWebClient

from app.sandbox.server import Sandbox

CHROMIUM = (
    os.environ.get("CHROMIUM", ""),
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
WIDE = {"width": 1280, "height": 800}


@dataclass
class Stage:
    """A sandbox, its app's own client, and windows in which people look at it."""

    sandbox: Sandbox
    bot: AsyncWebClient
    browser: Browser
    problems: list[str] = field(default_factory=list)

    async def open(self, place: str = "ana/C0GENERAL1", **looks: Any) -> Page:  # noqa: ANN401 - Playwright's own options
        """Open a window at `person/channel/thread`; its errors are kept."""
        context = await self.browser.new_context(**({"viewport": WIDE} | looks))
        context.set_default_timeout(10_000)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", self._heard)
        await page.goto(f"{self.sandbox.url}#/{place}")
        await page.locator(".place[aria-current]").wait_for(state="attached")
        await page.locator("#hint h3").wait_for(state="attached")
        return page

    def _heard(self, message: Any) -> None:  # noqa: ANN401 - Playwright's message
        if message.type in {"error", "warning"}:
            self.problems.append(message.text)

    async def post(self, text: str, thread_ts: str | None = None, **more: Any) -> str:  # noqa: ANN401 - Slack's own arguments
        """Let the app post in #general; returns the ts."""
        posted = await self.bot.chat_postMessage(
            channel="C0GENERAL1", text=text, thread_ts=thread_ts, **more
        )
        return str(posted["ts"])

    async def update(self, ts: str, text: str, **more: Any) -> None:  # noqa: ANN401 - Slack's own arguments
        """Let the app edit a message of its own in #general."""
        await self.bot.chat_update(channel="C0GENERAL1", ts=ts, text=text, **more)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--no-proxy-server"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def stage(browser: Browser) -> AsyncIterator[Stage]:
    sandbox = await Sandbox.start(token_rate=0)
    sandbox.limit("*", enabled=False)
    bot = AsyncWebClient(token=sandbox.bot_token, base_url=sandbox.api_url)
    stage = Stage(sandbox=sandbox, bot=bot, browser=browser)
    yield stage
    for context in browser.contexts:
        await context.close()
    await sandbox.close()
    assert stage.problems == []
