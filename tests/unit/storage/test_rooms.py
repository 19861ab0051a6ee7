"""What people call the rooms."""

import pytest

from app.storage.rooms import ROOMS, room_named


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("kitchen", "kitchen"),
        (" Living-Room ", "living room"),
        ("HOME_OFFICE", "home office"),
        ("home  office", "home office"),
        ("attic", None),
        ("", None),
        ("livingroom", None),
    ],
)
def test_case_dashes_and_spaces_do_not_matter(text: str, room: str | None) -> None:
    assert room_named(text) == room


def test_there_are_five() -> None:
    assert len(ROOMS) == 5
