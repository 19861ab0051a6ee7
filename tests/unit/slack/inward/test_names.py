"""How people are called."""

import pytest

from app.slack.people import MAX_NAME, clean_name, read_person
from tests.unit.slack.inward.recorded import ANA, BOT


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("Ana", "Ana"),
        ("  Ana   Lima ", "Ana Lima"),
        ("Ana\nBen: hello", "Ana Ben: hello"),
        ("Ana\u202eneB", "Ana neB"),
        ("A\u200bna", "A na"),
        ("Ana\U000e0041", "Ana"),
        ("Zoë 🎈", "Zoë 🎈"),
        ("李小龍", "李小龍"),
        ("\u200b\u2060", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_name_is_one_line_that_hides_nothing(name: str | None, clean: str) -> None:
    assert clean_name(name) == clean


def test_a_long_name_is_cut() -> None:
    assert clean_name("Ana " * 1000) == ("Ana " * 10)[:MAX_NAME].strip()


def test_people_are_called_as_they_want_to_be() -> None:
    user = {
        "name": "ana.lima",
        "real_name": "Ana Lima",
        "profile": {"display_name": "Ana", "real_name": "Ana Lima"},
    }

    assert read_person(user, BOT.team_id, ANA).name == "Ana"


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"profile": {"display_name": "", "real_name": "Ana Lima"}}, "Ana Lima"),
        ({"profile": {"display_name": "\u200b"}, "name": "ana"}, "ana"),
        ({"profile": None}, ANA),
        ({}, ANA),
    ],
)
def test_without_a_display_name_the_next_best_serves(
    user: dict[str, object], name: str
) -> None:
    assert read_person(user, BOT.team_id, ANA).name == name


@pytest.mark.parametrize("flag", ["is_restricted", "is_ultra_restricted"])
def test_guests_are_known(flag: str) -> None:
    assert read_person({flag: True}, BOT.team_id, ANA).is_guest


@pytest.mark.parametrize(
    "user",
    [
        {"is_stranger": True},
        {"team_id": "T0AWAY0001"},
        {"team_id": "T0AWAY0001", "enterprise_user": {"teams": ["T0OTHER001"]}},
    ],
)
def test_people_of_another_organisation_are_strangers(user: dict[str, object]) -> None:
    assert read_person(user, BOT.team_id, ANA).is_stranger


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"team_id": BOT.team_id},
        {"team_id": "T0AWAY0001", "enterprise_user": {"teams": [BOT.team_id]}},
    ],
)
def test_colleagues_are_no_strangers(user: dict[str, object]) -> None:
    assert not read_person(user, BOT.team_id, ANA).is_stranger


def test_programs_are_known() -> None:
    assert read_person({"is_bot": True}, BOT.team_id, "U0OTHERBOT").is_bot
    assert read_person({}, BOT.team_id, "USLACKBOT").is_bot
