"""What tools have done, as people see it: cards with coloured bars, and quiet lines."""

import pytest

from tests.scenarios.shown import (
    STATUS,
    UPDATE,
    edits,
    posts,
    rooms_changed,
    with_postgres,
    with_sqlite,
)
from tests.scenarios.world import (
    World,
    cards_of,
    in_every_setting,
    line_of,
    text_of,
)

SET_TWO = "@threadline set the kitchen to 23 and the bedroom to 19"
WARM, COOL = "#e8912d", "#1d9bd1"


@in_every_setting
async def test_setting_two_rooms_shows_one_card_with_two_coloured_bars_and_a_text(
    world: World,
) -> None:
    root = await world.ask(SET_TWO)

    text = await world.answered(root)
    await world.until(lambda: len(world.said(root)[0].attachments) == 2)
    card, answer = world.said(root)
    assert cards_of(card) == [
        "Kitchen  22 → *23 °C*  asked by Ana",
        "Bedroom  20 → *19 °C*  asked by Ana",
    ]
    assert [bar["color"] for bar in card.attachments] == [WARM, COOL]
    assert card.seen.splitlines()[0] == card.text == "2 temperatures changed"
    assert "kitchen is at 23 °C" in text
    assert "bedroom is at 19 °C" in text
    assert line_of(answer).startswith("completed · ")
    assert await rooms_changed(world) == [
        ("bedroom", 20.0, 19.0, "ana"),
        ("kitchen", 22.0, 23.0, "ana"),
    ]


@with_postgres
async def test_what_is_done_later_joins_the_card_by_an_edit_that_says_all_of_it(
    world: World,
) -> None:
    world.sandbox.fault("chat.postMessage", "delay", value=0.3)
    root = await world.ask(
        "@threadline set the kitchen to 23, the bedroom to 19 and the bathroom to 24"
    )

    await world.answered(root)
    await world.until(lambda: len(world.said(root)[0].attachments) == 3)
    card, _ = world.said(root)
    *_, last = edits(world, card)
    assert len(posts(world, root)) == 2
    assert last.arguments["text"] == "3 temperatures changed"
    assert last.arguments["blocks"][0]["text"]["text"] == "3 temperatures changed"
    assert [each["fallback"] for each in last.arguments["attachments"]] == [
        "Kitchen: 22 → 23 °C",
        "Bedroom: 20 → 19 °C",
        "Bathroom: 23 → 24 °C",
    ]


@with_sqlite
async def test_a_value_that_was_so_already_is_a_grey_line_and_no_message_of_its_own(
    world: World,
) -> None:
    root = await world.ask("@threadline set the kitchen to 22")

    assert await world.answered(root) == "The kitchen was at 22 °C already."
    (message,) = world.said(root)
    assert cards_of(message) == ["Kitchen is at 22 °C already"]
    assert message.attachments[0]["color"] == "#9aa0a6"
    assert len(posts(world, root)) == 1
    assert await rooms_changed(world) == [("kitchen", 22.0, 22.0, "ana")]


@pytest.mark.parametrize(
    ("setting", "wish", "words"),
    [
        (
            "http, postgres",
            "set the kitchen to 50",
            "must be a plain number of °C from 5 to 35",
        ),
        (
            "socket mode, sqlite",
            "set the attic to 20",
            "the rooms are bedroom, home office, living room, kitchen, bathroom",
        ),
        (
            "socket mode, sqlite",
            'call exactly: setRoomTemperature {"room": "kitchen", "temperature": "x"}',
            "must be a plain number of °C from 5 to 35",
        ),
    ],
    indirect=["setting"],
)
async def test_what_a_tool_cannot_do_it_says_in_clear_words_and_changes_nothing(
    wish: str, words: str, world: World
) -> None:
    root = await world.ask(f"@threadline {wish}")

    assert words in await world.answered(root)
    (message,) = world.said(root)
    assert message.attachments == ()
    assert line_of(message).startswith("completed · ")
    assert await rooms_changed(world) == []


@with_sqlite
async def test_text_after_a_change_stands_in_a_message_of_its_own_below_it(
    world: World,
) -> None:
    world.sandbox.model.rate = 400
    root = await world.ask("@threadline tell me a story, then set the kitchen to 25")

    await world.answered(root)
    await world.until(lambda: "Stop" not in world.said(root)[0].seen)
    before, card, after = world.said(root)
    assert text_of(before).startswith("Once upon a time")
    assert text_of(before).endswith("The end.")
    assert line_of(before) == ""
    assert cards_of(card) == ["Kitchen  22 → *25 °C*  asked by Ana"]
    assert text_of(after) == "The kitchen is at 25 °C now; it was at 22 °C."
    assert line_of(after).startswith("completed · ")
    assert [message.buttons for message in (before, card, after)] == [{}, {}, {}]


@with_postgres
async def test_a_change_is_shown_where_it_happens_below_a_message_without_text(
    world: World,
) -> None:
    # Without a status a message is there at once.
    world.sandbox.fault(STATUS, "error", value="unknown_method")
    world.sandbox.model.first_token_delay = 0.7
    root = await world.ask("@threadline set the kitchen to 25")
    await world.until(lambda: world.said(root))
    world.sandbox.model.first_token_delay = 0
    (only,) = world.said(root)
    assert text_of(only) == ""

    await world.answered(root)
    answer, card = world.said(root)
    assert answer.ts == only.ts
    assert text_of(answer).startswith("The kitchen is at 25 °C")
    assert cards_of(card) == ["Kitchen  22 → *25 °C*  asked by Ana"]


@with_postgres
async def test_each_question_has_a_card_of_its_own(world: World) -> None:
    root = await world.ask("@threadline set the kitchen to 23")
    await world.answered(root)
    await world.ask("set the kitchen to 24", thread_ts=root)

    await world.answered(root, times=2)
    bars = [card for each in world.said(root) for card in cards_of(each)]
    assert bars == [
        "Kitchen  22 → *23 °C*  asked by Ana",
        "Kitchen  23 → *24 °C*  asked by Ana",
    ]


@with_sqlite
async def test_two_people_in_two_threads_change_the_same_house(world: World) -> None:
    first = await world.ask("@threadline set the kitchen to 23")
    await world.answered(first)
    second = await world.ask(
        "@threadline set the kitchen to 21", user="ben", channel="dm:ben"
    )

    await world.answered(second, "dm:ben")
    card = world.said(second, "dm:ben")[0]
    assert cards_of(card) == ["Kitchen  23 → *21 °C*  asked by Ben"]


@with_sqlite
async def test_a_name_that_looks_like_markup_is_only_a_name_on_a_card(
    world: World,
) -> None:
    world.sandbox.change_person("ana", real_name="<!channel> *Ana* <https://e.vil|x>")
    root = await world.ask(SET_TWO)

    await world.answered(root)
    await world.until(lambda: len(world.said(root)[0].attachments) == 2)
    card = world.said(root)[0]
    assert "asked by &lt;!channel&gt; *Ana* &lt;" in cards_of(card)[0]
    assert world.sandbox.live_tokens() == []
    assert world.sandbox.fetches() == []
    assert [told.why for told in world.sandbox.notifications()] == ["thread"] * 2


@with_postgres
async def test_more_than_ten_changes_go_on_in_another_card(world: World) -> None:
    world.sandbox.limit("*", enabled=False)
    rooms = ["kitchen", "bedroom", "bathroom", "home office", "living room"]
    wishes = [f"set the {room} to {10 + n}" for n in range(3) for room in rooms]
    root = await world.ask("@threadline " + " and ".join(wishes[:11]))

    await world.answered(root)
    bars = [len(message.attachments) for message in world.said(root)]
    await world.until(
        lambda: sum(len(each.attachments) for each in world.said(root)) == 11
    )
    bars = [len(message.attachments) for message in world.said(root)]
    assert bars == [10, 1, 0]
    assert len(world.sandbox.calls(UPDATE)) < 11
