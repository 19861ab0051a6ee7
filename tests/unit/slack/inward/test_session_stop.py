"""What Slack's own Stop says."""

import pytest

from app.domain import SessionStop, SlackThread
from app.slack.listeners.sessions import read_stopped
from tests.unit.slack.inward.recorded import ANA, BOT, CHANNEL, ROOT_TS, event

NAME = "agent_session_stopped"


def test_a_stop_names_who_pressed_it_where_and_what_was_being_written() -> None:
    stop = read_stopped(event(NAME), BOT)

    assert stop == SessionStop(
        thread=SlackThread(team_id=BOT.team_id, channel_id=CHANNEL, thread_ts=ROOT_TS),
        user_id=ANA,
        pressed_at="1800000003.000400",
        message_ts=("1800000001.000200",),
    )


@pytest.mark.parametrize("named", [..., None, "x", [], [None, 1, "soon", {}]])
def test_a_stop_may_name_no_message(named: object) -> None:
    stop = read_stopped(event(NAME, streaming_message_ts=named), BOT)

    assert stop is not None
    assert stop.message_ts == ()


@pytest.mark.parametrize("field", ["channel", "thread_ts", "user", "event_ts"])
@pytest.mark.parametrize("value", [..., None, 7, "", "x y", ["C1"], {}])
def test_a_stop_that_lacks_something_says_nothing(field: str, value: object) -> None:
    assert read_stopped(event(NAME, **{field: value}), BOT) is None
