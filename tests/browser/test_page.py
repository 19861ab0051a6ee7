"""What people see and do on the sandbox's page."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def composer(page: Page, pane: str = "channel") -> Locator:
    return page.locator(f"#{pane}-composer textarea")


def rows(page: Page, pane: str = "channel") -> Locator:
    return page.locator(f"#{pane}-list .row")


async def say(page: Page, text: str, pane: str = "channel") -> None:
    await composer(page, pane).fill(text)
    await composer(page, pane).press("Enter")


def line(text: str, *, button: bool) -> list[dict[str, object]]:
    """The quiet line under an answer, with or without the Stop button."""
    context: dict[str, object] = {
        "type": "context",
        "elements": [{"type": "plain_text", "text": text}],
    }
    stop = {
        "type": "button",
        "action_id": "threadline_stop",
        "text": {"type": "plain_text", "text": "Stop"},
        "value": "1",
    }
    actions: list[dict[str, object]] = [{"type": "actions", "elements": [stop]}]
    return [context, *(actions if button else [])]


async def test_a_sentence_to_try_is_sent_by_one_click_and_opens_its_thread(
    stage: Stage,
) -> None:
    page = await stage.open()
    await page.get_by_role("button", name="@threadline how warm are all rooms?").click()
    await expect(rows(page)).to_contain_text(["@Threadline how warm are all rooms?"])
    await expect(rows(page, "thread")).to_have_count(1)
    (message,) = stage.sandbox.messages("#general")
    assert message.text == f"<@{stage.sandbox.bot_user_id}> how warm are all rooms?"


async def test_shift_enter_starts_a_line_and_enter_sends(stage: Stage) -> None:
    page = await stage.open()
    await composer(page).type("one")
    await composer(page).press("Shift+Enter")
    await composer(page).type("two")
    await composer(page).press("Enter")
    await expect(rows(page)).to_have_count(1)
    await expect(composer(page)).to_have_value("")
    assert stage.sandbox.messages("#general")[0].text == "one\ntwo"


async def test_a_mention_is_offered_while_it_is_typed(stage: Stage) -> None:
    page = await stage.open()
    await composer(page).type("hello @thr")
    await expect(page.get_by_role("option")).to_have_text(["✳Threadline @threadline"])
    await composer(page).press("Tab")
    await expect(composer(page)).to_have_value("hello @threadline ")
    await expect(page.get_by_role("option")).to_have_count(0)


async def test_a_growing_answer_keeps_focus_and_place(stage: Stage) -> None:
    root = await stage.sandbox.say("ana", "#general", "@threadline tell me a story")
    page = await stage.open(f"ana/C0GENERAL1/{root}")
    ts = await stage.post("On it", root, blocks=line("in progress", button=True))
    stop = page.get_by_role("button", name="Stop")
    await stop.focus()
    node = await rows(page, "thread").nth(1).element_handle()
    for length in (40, 80, 400):
        text = "word " * length
        blocks = [{"type": "markdown", "text": text}, *line("in progress", button=True)]
        await stage.update(ts, text, blocks=blocks)
        await expect(rows(page, "thread").nth(1)).to_contain_text(text.strip())
        await expect(stop).to_be_focused()
    same = await rows(page, "thread").nth(1).element_handle()
    assert await page.evaluate("([a, b]) => a === b", [node, same])
    box = page.locator("#thread-scroller")
    assert await box.evaluate("b => b.scrollHeight - b.scrollTop - b.clientHeight < 2")


async def test_who_has_scrolled_up_stays_there_and_can_jump_down(stage: Stage) -> None:
    root = await stage.sandbox.say("ana", "#general", "@threadline tell me a story")
    page = await stage.open(f"ana/C0GENERAL1/{root}")
    ts = await stage.post("line\n\n" * 100, root)
    await expect(rows(page, "thread")).to_have_count(2)
    box = page.locator("#thread-scroller")
    await box.evaluate("b => { b.scrollTop = 40 }")
    await page.locator("#thread-jump").wait_for(state="visible")
    await stage.update(ts, "line\n\n" * 200 + "the last words")
    await expect(rows(page, "thread").nth(1)).to_contain_text("the last words")
    assert await box.evaluate("b => b.scrollTop") == 40
    await page.locator("#thread-jump").click()
    assert await box.evaluate("b => b.scrollHeight - b.scrollTop - b.clientHeight < 2")


async def test_a_button_that_is_clicked_reaches_the_app(stage: Stage) -> None:
    page = await stage.open()
    await stage.post("On it", blocks=line("in progress", button=True))
    await page.get_by_role("button", name="Stop").click()
    await stage.sandbox.until(
        lambda: [d for d in stage.sandbox.deliveries() if d.kind == "interactive"]
    )
    await expect(page.locator(".toast.bad")).to_contain_text("did not take the click")


async def test_coloured_attachments_stand_under_their_heading(stage: Stage) -> None:
    page = await stage.open()
    cards = [
        {
            "color": colour,
            "fallback": text,
            "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
        }
        for colour, text in (
            ("#d9622b", "Kitchen 22 → *23 °C*"),
            ("#2b7bd9", "Bedroom"),
        )
    ]
    await stage.post("2 temperatures changed", attachments=cards)
    shown = page.locator(".attachment")
    await expect(shown).to_have_text(["Kitchen 22 → 23 °C", "Bedroom"])
    await expect(shown.first.locator("strong")).to_have_text("23 °C")
    bar = "a => getComputedStyle(a, '::before').backgroundColor"
    assert await shown.nth(0).evaluate(bar) == "rgb(217, 98, 43)"
    assert await shown.nth(1).evaluate(bar) == "rgb(43, 123, 217)"


async def test_markdown_is_shown_as_slack_shows_it(stage: Stage) -> None:
    page = await stage.open()
    text = (
        "# Heading\n\n**bold** *it* ~~no~~ `code` [docs](https://docs.slack.dev/)\n\n"
        "- one\n  1. nested\n- [x] done\n\n> quoted\n\n| A | B |\n|:--|--:|\n| 1 | 2 |"
        "\n\n```python\nprint(1)\n```"
    )
    await stage.post("x", blocks=[{"type": "markdown", "text": text}])
    block = page.locator(".block.markdown")
    await expect(block.locator("h3")).to_have_text("Heading")
    await expect(block.locator("p strong")).to_have_text("bold")
    await expect(block.locator("p em")).to_have_text("it")
    await expect(block.locator("s")).to_have_text("no")
    await expect(block.locator("p code")).to_have_text("code")
    await expect(block.locator("a")).to_have_attribute(
        "href", "https://docs.slack.dev/"
    )
    await expect(block.locator("li ol li")).to_have_text("nested")
    await expect(block.locator(".task-item")).to_contain_text("done")
    await expect(block.locator("blockquote")).to_have_text("quoted")
    await expect(block.locator("td.right")).to_have_text("2")
    await expect(block.locator("pre")).to_have_text("print(1)")


async def test_a_notification_shows_up_and_leads_to_its_place(stage: Stage) -> None:
    page = await stage.open("ana/C0RANDOM01")
    await stage.sandbox.say("ben", "#general", "@ana come & see <this>")
    toast = page.locator(".toast")
    await expect(toast).to_contain_text("Ben in #general")
    await expect(toast).to_contain_text("@Ana come & see <this>")
    general = page.locator(".place", has_text="general")
    await expect(general.locator(".count")).to_have_text("1")
    await expect(page).to_have_title(re.compile(r"^\(1\)"))
    await toast.get_by_role("button", name="Ben in").click()
    await expect(rows(page)).to_have_count(1)
    await expect(general.locator(".count")).to_have_count(0)


async def test_everybody_has_their_own_unread_and_private_messages(
    stage: Stage,
) -> None:
    page = await stage.open("ana/C0GENERAL1")
    await stage.sandbox.say("ana", "#general", "@ben hello")
    await stage.bot.chat_postEphemeral(
        channel="C0GENERAL1", user="U0ANA00001", text="for Ana alone"
    )
    await expect(rows(page)).to_have_count(2)
    await expect(page.locator(".row.whisper")).to_contain_text("Only visible to you")
    ben = page.get_by_role("radio", name="Ben, 1 new")
    await ben.click()
    await expect(rows(page)).to_have_count(1)
    await expect(page.get_by_role("radio", name="Ben")).to_be_checked()
    await page.get_by_role("radio", name="Ana").click()
    await expect(rows(page)).to_have_count(2)


async def test_who_changes_in_a_dm_comes_to_their_own(stage: Stage) -> None:
    await stage.sandbox.say("ana", "dm:ana", "a secret")
    page = await stage.open("ana/D0ANA00001")
    await expect(rows(page)).to_have_count(1)
    await page.get_by_role("radio", name="Ben").click()
    await expect(page.locator("#channel-name")).to_contain_text("Threadline")
    await expect(rows(page)).to_have_count(0)


async def test_the_apps_status_is_seen_until_it_answers(stage: Stage) -> None:
    root = await stage.sandbox.say("ana", "#general", "@threadline hello")
    page = await stage.open(f"ana/C0GENERAL1/{root}")
    await stage.bot.assistant_threads_setStatus(
        channel_id="C0GENERAL1", thread_ts=root, status="is thinking"
    )
    status = page.locator("#thread-status")
    await expect(status).to_have_text("Threadline is thinking")
    await expect(rows(page).locator(".doing")).to_have_text("Threadline is thinking")
    await stage.post("Hello, Ana", root)
    await expect(status).to_have_text("")
    await expect(rows(page).locator(".thread-link")).to_contain_text("1 reply")


async def test_own_messages_are_edited_and_deleted(stage: Stage) -> None:
    page = await stage.open()
    await stage.sandbox.say("ben", "#general", "not mine")
    await say(page, "set it to 20 @ben")
    await expect(rows(page)).to_have_count(2)
    await rows(page).nth(0).hover()
    await expect(rows(page).nth(0).get_by_label("Edit message")).to_have_count(0)
    await composer(page).press("ArrowUp")
    field = page.get_by_label("Edit your message")
    await expect(field).to_have_value("set it to 20 @ben")
    await field.fill("set it to 21")
    await field.press("Enter")
    await expect(rows(page).nth(1)).to_contain_text("set it to 21 (edited)")
    await rows(page).nth(1).hover()
    await rows(page).nth(1).get_by_label("Delete message").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(rows(page)).to_have_count(1)


async def test_a_reaction_is_put_on_and_taken_off(stage: Stage) -> None:
    page = await stage.open()
    await stage.post("done")
    await rows(page).hover()
    await page.get_by_label("React with thumbs up").click()
    chip = page.locator(".reaction")
    await expect(chip).to_have_attribute("aria-pressed", "true")
    await chip.click()
    await expect(chip).to_have_count(0)


async def test_what_could_not_be_sent_is_given_back(stage: Stage) -> None:
    page = await stage.open()
    await expect(composer(page)).to_be_enabled()
    await page.route("**/control/say", lambda route: route.abort())
    await say(page, "do not lose me")
    await expect(page.locator(".toast.bad")).to_contain_text("That did not work")
    await expect(composer(page)).to_have_value("do not lose me")
    stage.problems.clear()


async def test_a_lost_stream_comes_back_without_gaps_or_doubles(stage: Stage) -> None:
    page = await stage.open()
    await stage.sandbox.say("ben", "#general", "before")
    await expect(rows(page)).to_have_count(1)
    await page.context.set_offline(True)
    stage.sandbox.core.feed.close()
    await expect(page.locator("#connection")).to_have_text("Reconnecting …")
    await stage.sandbox.say("ben", "#general", "meanwhile")
    await page.context.set_offline(False)
    await expect(rows(page)).to_have_count(2, timeout=15_000)
    await expect(page.locator("#connection")).to_have_text("")
    await stage.sandbox.say("ben", "#general", "after")
    await expect(rows(page).locator(".content")).to_have_text(
        ["before", "meanwhile", "after"]
    )
    stage.problems.clear()


async def test_a_thread_of_six_hundred_messages_stays_usable(stage: Stage) -> None:
    root = await stage.sandbox.say("ana", "#general", "the root")
    for number in range(600):
        await stage.sandbox.say("ben", "#general", f"reply {number}", thread_ts=root)
    page = await stage.open(f"ana/C0GENERAL1/{root}")
    await expect(rows(page, "thread")).to_have_count(301)
    await expect(rows(page, "thread").first).to_contain_text("the root")
    await expect(rows(page, "thread").last).to_be_in_viewport()
    ts = await stage.post("grows", root)
    await stage.update(ts, "grows and grows")
    await expect(rows(page, "thread").last).to_contain_text("grows and grows")
    await page.get_by_role("button", name="Show earlier messages (301 more)").click()
    await expect(rows(page, "thread")).to_have_count(601)


async def test_the_keyboard_alone_is_enough(stage: Stage) -> None:
    page = await stage.open()
    await page.locator(".place[aria-current]").focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator(".place:focus")).to_contain_text("random")
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(composer(page)).to_be_focused()
    await page.keyboard.type("tell me a story")
    await page.keyboard.press("Enter")
    await expect(rows(page, "thread")).to_have_count(1)
    assert stage.sandbox.messages("dm:ana")[0].text == "tell me a story"
    await page.locator("#channel-list .row").focus()
    await page.keyboard.press("Tab")
    await expect(page.locator("#channel-list .tool").first).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#thread")).to_be_hidden()


async def test_the_inspector_shows_calls_gaps_and_what_is_left(stage: Stage) -> None:
    stage.sandbox.limit("chat.update", per_minute=60, burst=10)
    page = await stage.open()
    ts = await stage.post("one")
    await stage.update(ts, "two")
    await stage.update(ts, "three")
    await page.get_by_role("button", name="Inspector").click()
    lines = page.locator("#inspector tbody tr")
    await expect(lines).to_have_count(3)
    await expect(lines.first).to_contain_text("chat.update")
    stage.sandbox.fault("chat.update", "error", value="edit_window_closed")
    with pytest.raises(Exception, match="edit_window_closed"):
        await stage.update(ts, "four")
    await expect(lines.first).to_contain_text("edit_window_closed")
    await page.get_by_role("tab", name="Edits").click()
    await expect(page.locator(".gaps")).to_contain_text("2 edits · closest 0")


async def test_the_inspectors_knobs_turn(stage: Stage) -> None:
    page = await stage.open()
    await page.get_by_role("button", name="Inspector").click()
    await page.get_by_role("tab", name="Limits").click()
    field = page.get_by_label("chat.update: calls a minute")
    await field.fill("7")
    await field.press("Tab")
    await stage.sandbox.until(
        lambda: stage.sandbox.core.limiter.rules()["chat.update"].per_minute == 7
    )
    await page.get_by_role("tab", name="Faults").click()
    await page.get_by_role("button", name="The model is busy twice").click()
    await stage.sandbox.until(lambda: len(stage.sandbox.model.faults) == 2)
    await page.get_by_label("Tokens a second (0: at once)").fill("25")
    await page.keyboard.press("Tab")
    await stage.sandbox.until(lambda: stage.sandbox.model.rate == 25)


@pytest.mark.parametrize("width", [320, 400])
async def test_a_narrow_window_shows_one_thing_at_a_time(
    stage: Stage, width: int
) -> None:
    page = await stage.open("ana/D0ANA00001", viewport={"width": width, "height": 640})
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert await page.evaluate(fits)
    await say(page, "hello")
    await expect(page.locator("#thread")).to_be_visible()
    await expect(page.locator("#channel")).to_be_hidden()
    assert await page.evaluate(fits)
    await page.get_by_role("button", name="Close the thread").click()
    await expect(page.locator("#channel")).to_be_visible()
    await page.get_by_role("button", name="Channels").click()
    await page.get_by_role("button", name="random").click()
    await expect(page.locator("#channel-name")).to_contain_text("random")
    await expect(page.locator("#sidebar")).to_be_hidden()


async def test_dark_and_light_follow_the_readers_wish(stage: Stage) -> None:
    shade = "getComputedStyle(document.body).backgroundColor"
    dark = await stage.open(color_scheme="dark")
    light = await stage.open(color_scheme="light")
    assert await dark.evaluate(shade) == "rgb(27, 24, 32)"
    assert await light.evaluate(shade) == "rgb(255, 255, 255)"


async def test_the_bot_is_invited_and_removed(stage: Stage) -> None:
    page = await stage.open("ana/C0RANDOM01")
    await expect(page.locator("#hint")).to_contain_text("is not in this channel")
    await page.get_by_role("button", name="Invite Threadline").click()
    await expect(page.locator("#hint")).to_contain_text("Welcome to #random")
    assert (
        stage.sandbox.bot_user_id
        in stage.sandbox.core.workspace.channel("#random").members
    )
