"""What the offline model understands of the rooms."""

import pytest

from app.sandbox.model.house import ROOMS, Aim, Wish, wishes


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("set the kitchen to 23", [("kitchen", 23)]),
        (
            "set the kitchen to 23 and the bedroom to 19",
            [("kitchen", 23), ("bedroom", 19)],
        ),
        ("Kitchen to 23, bed room to 19.", [("kitchen", 23), ("bedroom", 19)]),
        (
            "turn the bathroom and the home_office to 21.5 °C",
            [("bathroom", 21.5), ("home office", 21.5)],
        ),
        ("make the Living-Room 's temperature to 20,5 please", [("living room", 20.5)]),
        ("set the garage to 50", [("garage", 50)]),
        ("set the kitchen to -4", [("kitchen", -4)]),
        ("Could you set the temperature in the office to 24?", [("home office", 24)]),
        ("set all rooms to 20", [(room, 20) for room in ROOMS]),
        ("I moved the meeting to 3", []),
        ("set it to 20", []),
    ],
)
def test_settings_are_read_from_plain_words(
    text: str, wanted: list[tuple[str, float]]
) -> None:
    assert wishes(text) == [Wish(Aim.SET, room, value) for room, value in wanted]


@pytest.mark.parametrize(
    ("text", "rooms"),
    [
        ("how warm is the kitchen?", ["kitchen"]),
        ("How cold is it in the kitchen and the bathroom?", ["kitchen", "bathroom"]),
        ("what's the temperature in the garage right now", ["garage"]),
        ("how warm are all rooms", list(ROOMS)),
        ("temperatures?", list(ROOMS)),
        ("what about the bedroom?", ["bedroom"]),
        ("what about lunch?", []),
        ("tell me about the kitchen", []),
    ],
)
def test_questions_are_read_from_plain_words(text: str, rooms: list[str]) -> None:
    assert wishes(text) == [Wish(Aim.READ, room) for room in rooms]


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("make the kitchen a bit warmer", Wish(Aim.SHIFT, "kitchen", 1)),
        ("bedroom two degrees cooler please", Wish(Aim.SHIFT, "bedroom", -2)),
        ("turn the bathroom up by 1.5", Wish(Aim.SHIFT, "bathroom", 1.5)),
        ("turn down the kitchen half a degree", Wish(Aim.SHIFT, "kitchen", -0.5)),
    ],
)
def test_warmer_and_cooler_are_steps(text: str, wish: Wish) -> None:
    assert wishes(text) == [wish]


def test_it_is_the_room_that_was_named_last() -> None:
    assert wishes("set it to 20", ["how warm is the bathroom?"]) == [
        Wish(Aim.SET, "bathroom", 20)
    ]


def test_one_message_may_set_one_room_and_ask_for_another() -> None:
    assert wishes("Set the kitchen to 23. How warm is the bedroom?") == [
        Wish(Aim.SET, "kitchen", 23),
        Wish(Aim.READ, "bedroom"),
    ]
