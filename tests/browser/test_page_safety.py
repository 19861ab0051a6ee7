"""Whatever people and models write, the page shows it and does not run it."""

from typing import Any

import pytest
from aiohttp import ClientSession
from playwright.async_api import Page, expect

from app.sandbox.records import Message
from tests.browser.conftest import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = (
    "<script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg onload=window.hit=1>",
    '"><iframe srcdoc="<script>parent.hit=1</script>">',
    "[click](javascript:window.hit=1)",
    "[click](JaVaScRiPt:window.hit=1)",
    "[click](data:text/html,<script>hit=1</script>)",
    "![x](https://evil.example/pixel.png)",
    "<javascript:window.hit=1|click>",
    "<https://evil.example/|<b>bold</b>>",
    '<https://evil.example/" onmouseover="window.hit=1|x>',
    "`<b>`<!--<b>-->",
    "```\n</code></pre><script>window.hit=1</script>\n```",
    "| <img src=x onerror=window.hit=1> |\n|--|\n| <b> |",
    "<style>*{display:none}</style>",
    "<a href=javascript:window.hit=1>x</a>",
    "{{constructor.constructor('window.hit=1')()}}",
    "\u202ereversed\u202c \u0000nul",
)
MADE = (
    "script:not([src='/page/main.js']), iframe, object, embed, #channel-list img, style"
)


async def is_untouched(page: Page) -> None:
    assert await page.evaluate("window.hit") is None
    assert await page.locator(MADE).count() == 0
    strange = (
        "[...document.querySelectorAll('a')].filter(a => !/^https?:|^mailto:/"
        ".test(a.href)).length"
    )
    assert await page.evaluate(strange) == 0
    handlers = (
        "[...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames())"
        ".filter(n => n.startsWith('on')).length"
    )
    assert await page.evaluate(handlers) == 0


async def test_hostile_words_of_people_stay_words(stage: Stage) -> None:
    page = await stage.open()
    for text in HOSTILE:
        await stage.sandbox.say("ben", "#general", text)
    await expect(page.locator("#channel-list .row")).to_have_count(len(HOSTILE))
    await expect(page.locator("#channel-list")).to_contain_text(HOSTILE[0])
    await is_untouched(page)


def payloads(text: str) -> list[dict[str, Any]]:
    """The text wherever a message of the app can carry one."""
    words = {"type": "mrkdwn", "text": text}
    plain = {"type": "plain_text", "text": text}
    button = {"type": "button", "action_id": text, "text": plain, "url": text}
    leaf = {"type": "rich_text_section", "elements": [{"type": "link", "url": text}]}
    blocks = [
        {"type": "markdown", "text": text},
        {"type": "section", "text": words, "fields": [words], "accessory": button},
        {"type": "header", "text": plain},
        {"type": "context", "elements": [words, {"type": "image", "image_url": text}]},
        {"type": "actions", "elements": [button]},
        {"type": "image", "image_url": text, "alt_text": text},
        {"type": "rich_text", "elements": [leaf]},
        {"type": text},
    ]
    card = {"color": text, "title": text, "title_link": text, "text": text}
    style = "red;background:url(https://evil.example)"
    field = {"color": style, "fields": [{"title": text, "value": text}], "footer": text}
    return [
        {"text": text},
        {"text": text, "blocks": tuple(blocks)},
        {"text": text, "attachments": (card, field, {"blocks": blocks})},
        {
            "text": text,
            "files": ({"name": text},),
            "reactions": {text: ("U0ANA00001",)},
        },
    ]


async def test_hostile_words_of_the_app_stay_words(stage: Stage) -> None:
    page = await stage.open()
    workspace = stage.sandbox.core.workspace
    for text in HOSTILE:
        for payload in payloads(text):
            # Past every check of Slack's: the page must be safe by itself.
            workspace.post(
                Message(
                    channel_id="C0GENERAL1",
                    ts=workspace.next_ts(),
                    user_id=stage.sandbox.bot_user_id,
                    bot_id=stage.sandbox.bot_id,
                    **payload,
                )
            )
    drawn = page.locator("#channel-list .row")
    await expect(drawn).to_have_count(4 * len(HOSTILE))
    await is_untouched(page)
    asked = await page.evaluate(
        "performance.getEntriesByType('resource').map(e => new URL(e.name).host)"
    )
    assert set(asked) == {page.url.split("/")[2]}


async def test_a_hostile_name_stays_a_name(stage: Stage) -> None:
    stage.sandbox.change_person("ben", real_name=HOSTILE[1])
    page = await stage.open()
    await stage.sandbox.say("ben", "#general", "@ana hello")
    await expect(page.locator("#channel-list .author")).to_have_text(HOSTILE[1])
    await page.get_by_role("radio", name="Chloé").click()
    await stage.sandbox.say("ben", "#general", "@chloe hello")
    await is_untouched(page)


async def test_long_hostile_markdown_does_not_stop_the_page(stage: Stage) -> None:
    page = await stage.open()
    marks = ("*", "_a", "[", "`a", "> ", "- ", "<@", "**a ", "|", "~~", "[](", "\n- ")
    for number, mark in enumerate(marks, start=1):
        text = (mark * 12_000)[:11_000]
        await stage.post("x", blocks=[{"type": "markdown", "text": text}])
        await expect(page.locator(".block.markdown")).to_have_count(number)
    await stage.sandbox.say("ben", "#general", "still here")
    await expect(page.locator("#channel-list")).to_contain_text("still here")


async def test_the_page_is_served_with_strict_headers(stage: Stage) -> None:
    async with ClientSession() as session:
        for path in ("", "page/main.js", "page/base.css", "page/nothing.js"):
            async with session.get(f"{stage.sandbox.url}{path}") as response:
                policy = response.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self';")
                assert "unsafe" not in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Referrer-Policy"] == "no-referrer"
                assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["page/", "page/..%2fserver.py", "page/%2e%2e/server.py", "page/index"]
)
async def test_nothing_but_the_page_is_served(stage: Stage, path: str) -> None:
    async with ClientSession() as session:
        response = await session.get(f"{stage.sandbox.url}{path}")
        assert response.status == 404


async def test_a_foreign_page_reaches_nothing(stage: Stage) -> None:
    evil = {"Origin": "https://evil.example"}
    async with ClientSession() as session:
        for path in ("", "control/workspace", "control/model"):
            url = f"{stage.sandbox.url}{path}"
            async with session.get(url, headers=evil) as response:
                assert response.status == 403
            async with session.get(url, headers={"Host": "evil.example"}) as response:
                assert response.status == 403
