"""How an answer shows itself: its first sign, its growth, its line, its end."""

import re

import pytest

from app.sandbox.model.stories import LONG, story
from tests.scenarios.conftest import NewWorld
from tests.scenarios.shown import (
    POST,
    STATUS,
    UPDATE,
    body_of,
    edits,
    gaps,
    posts,
    rooms_locked,
    seen_in,
    statuses,
    versions,
    with_postgres,
    with_sqlite,
)
from tests.scenarios.world import World, in_every_setting, line_of, text_of

HELLO = "@threadline say exactly: hello"
LONG_STORY = "@threadline tell me a long story"


@in_every_setting
async def test_a_mention_is_answered_in_its_thread(world: World) -> None:
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    (message,) = world.said(root)
    assert message.seen == "hello\ncompleted · 1 s"
    assert message.buttons == {}


async def test_the_first_sign_is_a_status_and_comes_before_any_message(
    world: World,
) -> None:
    world.sandbox.model.first_token_delay = 0.5
    root = await world.ask(HELLO)

    await world.until(lambda: world.sandbox.status("#general", root))
    assert world.sandbox.status("#general", root) == "is working on it"
    assert world.said(root) == []
    await world.answered(root)
    (first,) = posts(world, root)
    assert body_of(first) == "hello"


@with_sqlite
async def test_when_the_answer_is_there_the_status_is_gone(world: World) -> None:
    root = await world.ask(HELLO)

    await world.answered(root)
    await world.until(lambda: world.sandbox.status("#general", root) == "")


@with_sqlite
async def test_an_answer_grows_in_one_message_by_edits_half_a_second_apart(
    world: World,
) -> None:
    world.sandbox.model.rate = 250
    root = await world.ask(LONG_STORY)

    assert await world.answered(root) == story(LONG)
    (message,) = world.said(root)
    shown = versions(world, root, message)
    assert len(shown) >= 4
    *between, last = gaps(shown)
    assert min(between) >= 0.5
    assert last >= 0.3
    texts = [body_of(call) for call in shown]
    assert sorted(set(map(len, texts))) == list(map(len, texts))
    assert all(story(LONG).startswith(text.rstrip("*_.")) for text in texts[:-1])
    assert texts[-1] == story(LONG)


@with_postgres
async def test_the_next_edit_waits_for_the_answer_to_the_one_before(
    world: World,
) -> None:
    world.sandbox.fault(UPDATE, "delay", count=None, value=0.4)
    world.sandbox.model.rate = 300
    root = await world.ask(LONG_STORY)

    assert await world.answered(root) == story(LONG)
    (message,) = world.said(root)
    assert len(edits(world, message)) >= 2
    # Asked half a second after the answer to the one before, and 0.4 s on its way; of
    # the last one the pause is shorter.
    *between, last = gaps(edits(world, message))
    assert min(between, default=1.0) >= 0.9
    assert last >= 0.7


@with_postgres
async def test_while_it_runs_the_line_says_so_and_there_is_a_stop_button(
    world: World,
) -> None:
    world.sandbox.model.rate = 20
    root = await world.ask(LONG_STORY)

    await world.until(lambda: world.said(root))
    (message,) = world.said(root)
    assert line_of(message) == "in progress"
    assert message.buttons == {"threadline_stop": "Stop"}
    assert text_of(message).startswith("Once")


@with_sqlite
async def test_without_a_word_from_the_model_a_message_says_after_two_seconds_that_it_runs(  # noqa: E501
    world: World,
) -> None:
    world.sandbox.model.first_token_delay = 2.5
    root = await world.ask("@threadline say exactly: at last")

    await world.until(lambda: world.said(root))
    (message,) = world.said(root)
    assert message.seen.splitlines()[0] == "in progress"
    assert message.text == "On it: say exactly: at last"
    assert message.buttons == {"threadline_stop": "Stop"}
    assert await world.answered(root) == "at last"
    (message,) = world.said(root)
    assert (message.text, message.buttons) == ("at last", {})


@with_sqlite
async def test_with_a_steady_first_paint_the_first_look_is_a_whole_sentence(
    new_world: NewWorld,
) -> None:
    world = await new_world({"FIRST_PAINT": "steady"})
    world.sandbox.model.rate = 80
    root = await world.ask("@threadline say exactly: Good morning all. And so on …")

    await world.answered(root)
    assert body_of(posts(world, root)[0]).startswith("Good morning all.")


@with_postgres
async def test_with_a_tool_the_line_says_what_is_being_done(world: World) -> None:
    world.sandbox.model.rate = 300
    async with rooms_locked(world):
        root = await world.ask(
            "@threadline tell me a story, then set the kitchen to 25 and the bedroom "
            "to 18"
        )
        line = "in progress · setting kitchen, bedroom"
        await world.until(
            lambda: [each for each in world.said(root) if line_of(each) == line]
        )
        await world.until(
            lambda: (
                world.sandbox.status("#general", root) == "is setting kitchen, bedroom"
            )
        )

    await world.until(lambda: line_of(world.said(root)[-1]).startswith("completed · "))


@with_sqlite
async def test_while_the_model_is_busy_the_line_counts_the_tries(world: World) -> None:
    world.sandbox.model.fault("http_500", count=2)
    root = await world.ask(HELLO)

    await world.until(lambda: world.said(root))
    (message,) = world.said(root)
    assert line_of(message) == "in progress · model busy, trying again (2 of 4)"
    assert message.buttons == {"threadline_stop": "Stop"}
    assert await world.answered(root) == "hello"


@with_postgres
async def test_a_failure_says_why_and_that_nothing_was_changed(world: World) -> None:
    world.sandbox.model.fault("quota")
    root = await world.ask(HELLO)

    await world.answered(root)
    (message,) = world.said(root)
    assert re.fullmatch(
        "⚠️ failed · The budget for the model is used up. Please tell whoever runs me. "
        "Nothing was changed. · id [0-9a-f]{4}",
        message.seen.removesuffix("\nRetry"),
    )
    assert message.buttons == {"threadline_retry": "Retry"}


@with_sqlite
async def test_a_failure_after_a_change_says_that_something_was_changed(
    world: World,
) -> None:
    world.sandbox.model.fault("slow_first_token", value=0)
    world.sandbox.model.fault("quota")
    root = await world.ask("@threadline set the kitchen to 24")

    await world.answered(root)
    card, message = world.said(root)
    assert "⚠️ failed · " in message.seen
    assert "Something was changed." in message.seen
    assert card.seen.startswith("1 temperature changed")


@with_postgres
async def test_what_was_cut_at_the_length_limit_says_so(world: World) -> None:
    world.sandbox.model.fault("incomplete", value=40)
    root = await world.ask(LONG_STORY)

    text = await world.answered(root)
    assert text
    assert story(LONG).startswith(text)
    (message,) = world.said(root)
    assert line_of(message) == "incomplete · cut at the length limit"
    assert message.buttons == {"threadline_continue": "Continue"}


@with_sqlite
async def test_a_model_that_refuses_is_quoted(world: World) -> None:
    world.sandbox.model.fault("refusal")
    root = await world.ask(HELLO)

    assert await world.answered(root) == "I'm sorry, but I can't help with that."
    assert line_of(world.said(root)[-1]).startswith("completed · ")


@with_postgres
async def test_a_notification_shows_the_first_words_of_the_answer_and_no_more(
    world: World,
) -> None:
    root = await world.ask(LONG_STORY)

    await world.answered(root)
    (message,) = world.said(root)
    assert message.text == story(LONG)[:300].strip()


@with_sqlite
async def test_every_call_says_all_there_is_to_say_and_nothing_twice(
    world: World,
) -> None:
    world.sandbox.model.rate = 400
    told = await world.ask(LONG_STORY)
    await world.answered(told)
    changed = await world.ask(
        "@threadline set the kitchen to 25 and the bedroom to 18", thread_ts=told
    )
    await world.answered(told, times=2)

    sent = [*world.sandbox.calls(POST), *world.sandbox.calls(UPDATE)]
    assert changed == told
    for call in sent:
        assert call.arguments["text"].strip()
        assert call.arguments["blocks"]
        assert call.arguments["attachments"] is not None
        assert call.arguments["parse"] == "none"
        assert call.arguments["metadata"]["event_payload"].keys() == {"key"}
    for call in world.sandbox.calls(POST):
        assert call.arguments["unfurl_links"] is False
        assert call.arguments["unfurl_media"] is False
    for message in world.said(told):
        bodies = [
            (call.arguments["blocks"], call.arguments["attachments"])
            for call in versions(world, told, message)
        ]
        assert all(bodies[i] != bodies[i + 1] for i in range(len(bodies) - 1))


@with_sqlite
async def test_a_status_that_slack_takes_away_is_set_again(world: World) -> None:
    world.sandbox.model.rate = 20
    root = await world.ask(LONG_STORY)

    await world.until(lambda: world.said(root))
    await world.until(lambda: len(statuses(world, root)) == 2)
    assert world.sandbox.status("#general", root) == "is working on it"


@pytest.mark.parametrize(
    ("setting", "code"),
    [("socket mode, sqlite", "unknown_method"), ("http, postgres", "missing_scope")],
    indirect=["setting"],
)
async def test_where_no_status_can_be_set_a_message_is_the_first_sign(
    code: str, world: World
) -> None:
    world.sandbox.fault(STATUS, "error", count=None, value=code)
    world.sandbox.model.first_token_delay = 0.8
    first = await world.ask(HELLO)
    await world.answered(first)
    second = await world.ask(HELLO, channel="dm:ana")

    await world.answered(second, "dm:ana")
    for root, channel in ((first, "#general"), (second, "dm:ana")):
        (message,) = world.said(root, channel)
        shown = versions(world, root, message)
        assert seen_in(shown[0]).splitlines()[0] in ("queued", "in progress")
        assert body_of(shown[-1]) == "hello"
    assert len(world.sandbox.calls(STATUS)) == 1


@with_postgres
async def test_a_status_that_one_thread_refuses_is_still_set_in_others(
    world: World,
) -> None:
    world.sandbox.fault(STATUS, "error", value="channel_not_found")
    first = await world.ask(HELLO)
    await world.answered(first)
    second = await world.ask(HELLO)

    await world.answered(second)
    assert statuses(world, first) == []
    assert statuses(world, second)[0] == "is working on it"


@with_sqlite
async def test_what_is_asked_meanwhile_waits_in_view_and_is_answered_together(
    world: World,
) -> None:
    world.sandbox.model.rate = 100
    root = await world.ask(LONG_STORY)
    await world.until(lambda: world.said(root))
    await world.ask("@threadline say exactly: one", thread_ts=root)
    await world.until(lambda: "1 message waiting" in world.said(root)[-1].seen)
    await world.ask("@threadline say exactly: two", user="ben", thread_ts=root)
    await world.until(lambda: "2 messages waiting" in world.said(root)[-1].seen)
    world.sandbox.model.rate = 0

    assert await world.answered(root, times=2) == "one\n\ntwo"
    first, second = world.said(root)
    assert text_of(first) == story(LONG)
    assert "waiting" not in first.seen + second.seen
    assert len(world.sandbox.model.requests) == 2
    assert world.heard[-2:] == ["Ana: say exactly: one", "Ben: say exactly: two"]


@with_sqlite
async def test_what_an_answer_is_based_on_stands_below_it(world: World) -> None:
    root = await world.ask("@threadline cite https://wiki.example/a")

    answer = await world.answered(root)

    wiki = "[A page of wiki.example](https://wiki.example/a)"
    assert answer == f"So it is written.\nSources · {wiki}"
