"""What a click on a button says."""

import pytest

from app.domain import Doubt, SlackThread
from app.slack.clicks import Click
from app.slack.listeners.actions import read_click
from app.slack.notes import note_payload, question
from tests.unit.slack.inward.recorded import ANA, BOT, CHANNEL, ROOT_TS, recorded


def test_a_click_names_the_turn_the_clicker_and_the_thread() -> None:
    click = read_click(recorded("block_actions_stop"), BOT)

    assert click == Click(
        thread=SlackThread(team_id=BOT.team_id, channel_id=CHANNEL, thread_ts=ROOT_TS),
        turn_id=42,
        user_id=ANA,
        user_team_id=BOT.team_id,
    )


def test_a_click_on_a_decision_names_the_doubt() -> None:
    doubt = Doubt(3, "I can't tell.")
    blocks = note_payload(question(doubt, ("U1",), 42), "key1").blocks
    payload = recorded("block_actions_stop")
    row = blocks[1]
    payload["actions"][0] |= {**row["elements"][0], "block_id": row["block_id"]}

    click = read_click(payload, BOT)

    assert click is not None
    assert (click.turn_id, click.doubt_no) == (42, 3)


def test_the_buttons_of_a_question_name_the_turn_as_in_earlier_versions() -> None:
    doubt = Doubt(3, "I can't tell.")
    blocks = note_payload(question(doubt, ("U1",), 42), "key1").blocks

    values = [button["value"] for button in blocks[1]["elements"]]

    assert values == ["42", "42"]


@pytest.mark.parametrize("name", ["aB3x", "doubt.", "doubt.x", "doubt.3.1", 3, None])
def test_buttons_of_an_earlier_version_name_no_doubt(name: object) -> None:
    payload = recorded("block_actions_stop")
    payload["actions"][0]["block_id"] = name

    click = read_click(payload, BOT)

    assert click is not None
    assert (click.turn_id, click.doubt_no) == (42, None)


@pytest.mark.parametrize(
    "value",
    [None, "", "x", "-1", "1" * 40, "٤٢", 42, ["42"], "42.", ".3", "42.x", "42.3.1"],
)
def test_a_click_without_a_turn_says_nothing(value: object) -> None:
    payload = recorded("block_actions_stop")
    payload["actions"][0]["value"] = value

    assert read_click(payload, BOT) is None


@pytest.mark.parametrize("missing", ["actions", "user"])
def test_a_click_by_nobody_or_on_nothing_says_nothing(missing: str) -> None:
    payload = recorded("block_actions_stop")
    del payload[missing]

    assert read_click(payload, BOT) is None


def test_a_click_on_a_message_that_is_not_told_is_placed_by_its_container() -> None:
    payload = recorded("block_actions_stop")
    del payload["message"], payload["channel"]

    click = read_click(payload, BOT)

    assert click is not None
    assert click.thread.thread_ts == ROOT_TS
