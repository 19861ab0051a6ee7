"""What follows once a message is stored."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from app import telemetry
from app.domain import IncomingMessage, Refusal, SlackThread, StopRequest
from app.errors import DatabaseUnavailable, PlaceClosed
from app.slack.incoming import read_event
from app.slack.intake import Intake
from app.storage.inbox import Added
from tests.contracts.intake_double import InboxDouble, Told, intake_around
from tests.unit.slack.inward.recorded import ANA, BOT, event

THREAD = SlackThread(
    team_id=BOT.team_id, channel_id="C0GENERAL1", thread_ts="1800000000.000100"
)


@dataclass
class Parts:
    intake: Intake
    inbox: InboxDouble
    told: Told


@pytest.fixture
async def parts() -> AsyncGenerator[Parts]:
    inbox = InboxDouble()
    intake, told = intake_around(inbox, AsyncWebClient(token="xoxb-test"))
    yield Parts(intake, inbox, told)
    await intake.close()


def mention(number: int = 0) -> IncomingMessage:
    read = read_event(event("app_mention", ts=f"1800000000.{number:06}"), BOT)
    assert isinstance(read, IncomingMessage)
    return read


def outcome(**changes: object) -> Callable[[IncomingMessage], Added]:
    return lambda message: Added(thread=message.thread, stored=True, **changes)  # type: ignore[arg-type]


async def test_a_conversation_that_became_ready_is_told_to_the_worker(
    parts: Parts,
) -> None:
    parts.inbox.outcome = outcome(ready_conversation_id=7)
    await parts.intake.message(mention())

    assert parts.told.woken == [(7, mention().thread)]


async def test_a_message_that_starts_nothing_wakes_nobody(parts: Parts) -> None:
    await parts.intake.message(mention())

    assert parts.told.woken == []


async def test_a_message_behind_a_running_answer_is_counted_there(
    parts: Parts,
) -> None:
    parts.inbox.outcome = outcome(running_conversation_id=7)
    await parts.intake.message(mention())

    assert parts.told.counted == [7]
    assert parts.told.woken == []


async def test_the_word_stop_ends_the_turn_that_runs_here(parts: Parts) -> None:
    stop = StopRequest(turn_id=7, stopped_by=ANA)
    parts.told.here = {7}
    parts.inbox.outcome = outcome(stop=stop)
    await parts.intake.message(mention())

    assert parts.told.stopped == [stop]


@pytest.mark.parametrize(
    ("refusal", "word"),
    [
        (Refusal.GUEST, "full members"),
        (Refusal.STRANGER, "organisation"),
        (Refusal.TOO_MANY_TURNS, "later"),
    ],
)
async def test_who_is_not_answered_is_told_why_in_a_line(
    refusal: Refusal, word: str, parts: Parts
) -> None:
    parts.inbox.outcome = outcome(refused=refusal)
    await parts.intake.message(mention())
    await parts.intake.close()

    ((thread, user_id, text),) = parts.told.notices
    assert (thread, user_id) == (mention().thread, ANA)
    assert word in text
    assert "\n" not in text


async def test_bots_are_told_nothing(parts: Parts) -> None:
    parts.inbox.outcome = outcome(refused=Refusal.BOT)
    await parts.intake.message(mention())
    await parts.intake.tell_refusal(THREAD, "B0OTHER001", Refusal.BOT, in_thread=True)
    await parts.intake.close()

    assert parts.told.notices == []


async def test_the_acknowledgement_does_not_wait_for_what_is_told(
    parts: Parts,
) -> None:
    parts.told.is_open.clear()
    parts.inbox.outcome = outcome(refused=Refusal.GUEST)
    await parts.intake.message(mention())

    assert parts.told.notices == []
    parts.told.is_open.set()
    await parts.intake.close()
    assert len(parts.told.notices) == 1


async def test_what_cannot_be_told_breaks_nothing(parts: Parts) -> None:
    before = telemetry.counters["intake.not_told"]
    parts.told.failure = PlaceClosed("not_in_channel", "chat.postEphemeral")
    await parts.intake.tell_refusal(THREAD, ANA, Refusal.GUEST, in_thread=True)
    await parts.intake.close()

    assert telemetry.counters["intake.not_told"] == before + 1


async def test_a_flood_of_refusals_is_bounded(parts: Parts) -> None:
    parts.told.is_open.clear()
    for _ in range(500):
        await parts.intake.tell_refusal(THREAD, ANA, Refusal.GUEST, in_thread=True)
    parts.told.is_open.set()
    await parts.intake.close()

    assert len(parts.told.notices) == 100


async def test_a_message_that_is_not_stored_raises_and_tells_nobody(
    parts: Parts,
) -> None:
    parts.inbox.failure = DatabaseUnavailable("down")
    parts.inbox.outcome = outcome(refused=Refusal.GUEST, ready_conversation_id=7)

    with pytest.raises(DatabaseUnavailable):
        await parts.intake.message(mention())

    await parts.intake.close()
    assert parts.told == Told(is_open=parts.told.is_open)


async def test_the_button_of_a_running_answer_stops_it_before_the_database_knows(
    parts: Parts,
) -> None:
    parts.told.here = parts.inbox.running = {42}
    parts.inbox.is_open.clear()
    click = asyncio.create_task(parts.intake.stop_clicked(42, ANA, THREAD))
    await asyncio.sleep(0)

    assert parts.told.stopped == [StopRequest(turn_id=42, stopped_by=ANA)]
    parts.inbox.is_open.set()
    await click
    assert parts.inbox.stops == [(42, ANA)]


async def test_an_answer_that_the_button_has_ended_meanwhile_is_not_called_finished(
    parts: Parts,
) -> None:
    parts.told.here = {42}
    await parts.intake.stop_clicked(42, ANA, THREAD)
    await parts.intake.close()

    assert parts.told.notices == []


async def test_the_button_of_an_answer_that_runs_elsewhere_asks_for_its_end(
    parts: Parts,
) -> None:
    parts.inbox.running = {42}
    await parts.intake.stop_clicked(42, ANA, THREAD)
    await parts.intake.close()

    assert parts.inbox.stops == [(42, ANA)]
    assert parts.told.notices == []


async def test_the_button_of_a_finished_answer_stops_nothing_and_says_so(
    parts: Parts,
) -> None:
    parts.inbox.running = {43}
    await parts.intake.stop_clicked(42, ANA, THREAD)
    await parts.intake.close()

    ((thread, user_id, text),) = parts.told.notices
    assert (thread, user_id) == (THREAD, ANA)
    assert "finished" in text
    assert parts.told.stopped == []


async def test_closing_gives_up_what_cannot_be_told_in_time(parts: Parts) -> None:
    parts.told.is_open.clear()
    await parts.intake.tell_refusal(THREAD, ANA, Refusal.GUEST, in_thread=True)
    before = asyncio.all_tasks()

    await parts.intake.close(patience=0.01)

    assert len(asyncio.all_tasks()) == len(before) - 1


async def test_a_refusal_stands_in_the_channel_where_nobody_has_replied_yet(
    parts: Parts,
) -> None:
    await parts.intake.tell_refusal(THREAD, ANA, Refusal.GUEST, in_thread=False)
    await parts.intake.tell_refusal(THREAD, ANA, Refusal.GUEST, in_thread=True)
    await parts.intake.close()

    assert parts.told.in_threads == [False, True]
