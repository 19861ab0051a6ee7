"""What a click on a button sets in motion, and what the clicker is told."""

from dataclasses import dataclass, field, replace

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from app.domain import SlackThread
from app.slack.blocks import Action
from app.slack.clicks import Click, Clicks
from app.storage.late_notes import AskedAlready, NothingLeft
from app.storage.policy import AnswerPolicy
from app.storage.resumptions import Resumed, Resumption
from tests.contracts.intake_double import (
    DoubtsDouble,
    InboxDouble,
    LateNotesDouble,
    ResumptionsDouble,
    Told,
    intake_around,
)
from tests.unit.slack.inward.recorded import ANA, BOT, CHANNEL, ROOT_TS

THREAD = SlackThread(team_id=BOT.team_id, channel_id=CHANNEL, thread_ts=ROOT_TS)
A_CLICK = Click(thread=THREAD, turn_id=42, user_id=ANA, user_team_id=BOT.team_id)
ABOUT_A_DOUBT = replace(A_CLICK, doubt_no=3)
FROM_OUTSIDE = Click(
    thread=THREAD, turn_id=42, user_id="U0CARLA001", user_team_id="T0AWAY0001"
)


@dataclass
class Room:
    """Clicks over an inbox and resumptions that only take notes."""

    inbox: InboxDouble = field(default_factory=InboxDouble)
    resumptions: ResumptionsDouble = field(default_factory=ResumptionsDouble)
    late_notes: LateNotesDouble = field(default_factory=LateNotesDouble)
    doubts: DoubtsDouble = field(default_factory=DoubtsDouble)
    ready: list[int] = field(default_factory=list)
    hurried: list[bool] = field(default_factory=list)

    async def click(
        self, action: Action, click: Click = A_CLICK, policy: AnswerPolicy | None = None
    ) -> Told:
        client = AsyncWebClient(token="xoxb-test")
        intake, told = intake_around(self.inbox, client, policy)
        clicks = Clicks(
            intake,
            self.resumptions,
            self.doubts,
            late_notes=self.late_notes,
            turn_ready=lambda ready, _: self.ready.append(ready),
            late_changed=lambda: self.hurried.append(True),
        )
        await clicks.clicked(action, click)
        await intake.close()
        return told


@pytest.mark.parametrize("action", list(Action))
async def test_people_of_another_organisation_have_no_say(action: Action) -> None:
    room = Room()
    room.inbox.running = {42}

    told = await room.click(action, FROM_OUTSIDE)

    assert (room.inbox.stops, room.resumptions.wishes) == ([], [])
    assert room.late_notes.wishes == []
    assert (room.doubts.decided, room.doubts.left) == ([], [])
    assert "organisation" in told.notices[0][2]


async def test_people_of_another_organisation_have_it_where_they_are_allowed() -> None:
    room = Room()
    room.inbox.running = {42}

    await room.click(Action.STOP, FROM_OUTSIDE, AnswerPolicy(allow_external=True))

    assert room.inbox.stops == [(42, "U0CARLA001")]


@pytest.mark.parametrize("action", [Action.RETRY, Action.CONTINUE])
async def test_what_goes_on_is_claimed_at_once(action: Action) -> None:
    room = Room()

    told = await room.click(action)

    assert room.resumptions.wishes == [(BOT.team_id, 42, ANA)]
    assert room.ready == [7]
    assert told.notices == []


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Resumption.BUSY, "busy in this thread"),
        (Resumption.OVERTAKEN, "moved on"),
        (Resumption.POINTLESS, "nothing left"),
    ],
)
async def test_whoever_cannot_have_it_is_told_why_and_what_to_do(
    outcome: Resumption, words: str
) -> None:
    room = Room()
    room.resumptions.outcome = Resumed(outcome)

    told = await room.click(Action.RETRY)

    assert room.ready == []
    [(thread, user_id, text)] = told.notices
    assert (thread, user_id) == (THREAD, ANA)
    assert words in text
    assert "ask me again" in text


async def test_the_second_of_two_clicks_is_no_news_to_anybody() -> None:
    room = Room()
    room.resumptions.outcome = Resumed(Resumption.REPEATED)

    told = await room.click(Action.RETRY)

    assert room.ready == []
    assert told.notices == []


async def test_what_came_late_is_claimed_at_once_and_its_line_changed() -> None:
    room = Room()

    told = await room.click(Action.ANSWER_NOW)

    assert room.late_notes.wishes == [(BOT.team_id, 42, ANA)]
    assert (room.ready, room.hurried, told.notices) == ([7], [True], [])


async def test_who_clicks_second_is_told_nothing() -> None:
    room = Room()
    room.late_notes.outcome = AskedAlready()

    told = await room.click(Action.ANSWER_NOW)

    assert (room.ready, told.notices) == ([], [])


async def test_who_wants_an_answer_to_what_is_gone_is_told_so_alone() -> None:
    room = Room()
    room.late_notes.outcome = NothingLeft()

    told = await room.click(Action.ANSWER_NOW)

    assert room.ready == []
    assert "gone" in told.notices[0][2]


async def test_a_doubt_that_is_decided_lets_the_turn_go_on_at_once() -> None:
    room = Room()

    await room.click(Action.CHECK, ABOUT_A_DOUBT)

    assert room.doubts.decided == [(BOT.team_id, 42, 3, ANA)]
    assert room.ready == [7]


async def test_a_doubt_that_is_left_ends_the_turn_at_once() -> None:
    room = Room()

    await room.click(Action.LEAVE, ABOUT_A_DOUBT)

    assert room.doubts.left == [(BOT.team_id, 42, 3, ANA)]
    assert room.ready == [7]
    assert room.inbox.stops == []


@pytest.mark.parametrize("action", [Action.CHECK, Action.LEAVE])
async def test_who_decides_what_is_asked_no_more_is_told_where_to_look(
    action: Action,
) -> None:
    room = Room()
    room.doubts.outcome = Resumed(Resumption.OUTDATED)

    told = await room.click(action, ABOUT_A_DOUBT)

    assert room.ready == []
    [(thread, user_id, text)] = told.notices
    assert (thread, user_id) == (THREAD, ANA)
    assert "further down" in text


@pytest.mark.parametrize("action", [Action.RETRY, Action.CONTINUE])
async def test_who_asks_too_often_is_told_so_as_after_a_question(
    action: Action,
) -> None:
    room = Room()
    room.resumptions.outcome = Resumed(Resumption.TOO_OFTEN)

    told = await room.click(action)

    assert room.ready == []
    [(thread, user_id, text)] = told.notices
    assert (thread, user_id) == (THREAD, ANA)
    assert "a lot of questions for one hour" in text
