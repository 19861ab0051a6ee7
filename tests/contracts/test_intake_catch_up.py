"""What is read after an absence: little, slowly, once, and only what people wrote."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from app.domain import ChannelKind, IncomingMessage
from app.slack.catch_up import CatchUp
from app.storage.absences import Absence, Absences, KnownPlace
from tests.contracts.slack_double import Answer, SlackDouble, running_slack
from tests.unit.slack.inward.recorded import ANA, BOT

AWAY_FROM, BACK_AT = 1_800_000_000.0, 1_800_003_600.0
CHANNEL = KnownPlace(channel_id="C0GENERAL1", kind=ChannelKind.CHANNEL)
PRIVATE = KnownPlace(channel_id="C0PRIVATE1", kind=ChannelKind.GROUP)
DIRECT = KnownPlace(channel_id="D0ANA00001", kind=ChannelKind.IM)
THREAD = KnownPlace(
    channel_id="C0GENERAL1", kind=ChannelKind.CHANNEL, thread_ts="1799990000.000100"
)
HISTORY, REPLIES = "conversations.history", "conversations.replies"


def at(seconds: float) -> str:
    return f"{AWAY_FROM + seconds:.6f}"


def said(seconds: float, text: str, **more: object) -> dict[str, object]:
    return {"type": "message", "user": ANA, "ts": at(seconds), "text": text, **more}


def answer(*messages: dict[str, object]) -> Answer:
    return {"ok": True, "messages": list(messages), "has_more": False}


def limited(seconds: int) -> Answer:
    body = {"ok": False, "error": "ratelimited"}
    return web.json_response(body, status=429, headers={"Retry-After": str(seconds)})


class AbsencesDouble(Absences):
    """One absence, if any, after which these places are known."""

    def __init__(self, *places: KnownPlace) -> None:
        self.places = places
        self.absence: Absence | None = Absence(away_from=AWAY_FROM, back_at=BACK_AT)
        self.ended = 0

    async def take(self, worker_id: str) -> Absence | None:
        assert worker_id == "worker"
        return self.absence

    async def caught_up(self, absence: Absence) -> None:
        assert absence == self.absence
        self.ended += 1

    async def known_places(
        self, team_id: str, absence: Absence
    ) -> tuple[KnownPlace, ...]:
        assert (team_id, absence) == (BOT.team_id, self.absence)
        return self.places


@dataclass
class Room:
    """Somebody who catches up, in a Slack that answers what it is told to."""

    slack: SlackDouble
    client: Any
    is_alive: bool = True
    found: list[IncomingMessage] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def look(self, absences: AbsencesDouble) -> list[str]:
        async def take_in(message: IncomingMessage) -> None:
            self.found.append(message)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        catch_up = CatchUp(
            client=self.client,
            bot=BOT,
            absences=absences,
            take_in=take_in,
            worker_id="worker",
            is_alive=lambda: self.is_alive,
            pause=pause,
        )
        await catch_up.look()
        return [message.text for message in self.found]


@pytest.fixture
async def room() -> AsyncGenerator[Room]:
    async with running_slack() as (slack, client):
        slack.answers[HISTORY] = lambda _: answer()
        slack.answers[REPLIES] = lambda _: answer()
        yield Room(slack, client)


async def test_a_mention_that_was_never_sent_is_taken_in(room: Room) -> None:
    room.slack.answers[HISTORY] = lambda _: answer(
        said(20, f"<@{BOT.user_id}> two"),
        said(15, "lunch?"),
        said(10, f"<@{BOT.user_id}> one"),
    )

    assert await room.look(AbsencesDouble(PRIVATE)) == ["one", "two"]

    assert {each.channel_kind for each in room.found} == {ChannelKind.GROUP}
    (call,) = room.slack.called(HISTORY)
    assert (call["channel"], call["limit"]) == ("C0PRIVATE1", "15")
    assert AWAY_FROM - 120 < float(call["oldest"]) < AWAY_FROM


async def test_what_was_edited_meanwhile_is_no_edit_to_us(room: Room) -> None:
    edited = {"user": ANA, "ts": at(30)}
    room.slack.answers[HISTORY] = lambda _: answer(said(20, "now?", edited=edited))

    assert await room.look(AbsencesDouble(DIRECT)) == ["now?"]
    assert room.found[0].edited_ts is None


async def test_of_a_thread_the_answers_are_taken_in_and_not_its_root(
    room: Room,
) -> None:
    root = THREAD.thread_ts
    room.slack.answers[REPLIES] = lambda _: answer(
        {**said(0, "root"), "ts": root, "thread_ts": root},
        said(20, "and the bedroom?", thread_ts=root),
        said(30, "mine", thread_ts=root, user=BOT.user_id),
    )

    assert await room.look(AbsencesDouble(THREAD)) == ["and the bedroom?"]
    assert room.slack.called(REPLIES)[0]["ts"] == root


async def test_a_thread_that_began_meanwhile_is_read_too(room: Room) -> None:
    root, begun = said(20, f"<@{BOT.user_id}> how warm?"), {"thread_ts": at(20)}
    room.slack.answers[HISTORY] = lambda _: answer(
        said(30, "lunch?", thread_ts=at(30), reply_count=3),
        {**root, **begun, "reply_count": 1},
    )
    room.slack.answers[REPLIES] = lambda asked: answer(
        {**root, **begun}, said(25, "in the kitchen", thread_ts=asked["ts"])
    )

    texts = await room.look(AbsencesDouble(CHANNEL))

    assert "in the kitchen" in texts
    assert [call["ts"] for call in room.slack.called(REPLIES)] == [at(20)]


async def test_a_limit_is_waited_for_and_the_same_place_asked_again(room: Room) -> None:
    answers = iter([limited(60), answer(said(20, "hi"))])
    room.slack.answers[HISTORY] = lambda _: next(answers)

    assert await room.look(AbsencesDouble(DIRECT)) == ["hi"]

    assert 60.0 in room.pauses


async def test_of_many_places_twenty_are_read(room: Room) -> None:
    absences = AbsencesDouble(*[CHANNEL] * 30)

    await room.look(absences)

    assert len(room.slack.called(HISTORY)) == 20
    assert absences.ended == 1


async def test_where_slack_allows_nothing_it_ends_after_a_while(room: Room) -> None:
    room.slack.answers[HISTORY] = lambda _: limited(600)
    absences = AbsencesDouble(CHANNEL, DIRECT)

    await room.look(absences)

    assert sum(room.pauses[:-1]) <= 1_200
    assert absences.ended == 1


@pytest.mark.parametrize("code", ["not_in_channel", "missing_scope", "new_word"])
async def test_a_place_that_may_not_be_read_is_left_out(room: Room, code: str) -> None:
    room.slack.answers[HISTORY] = lambda asked: (
        {"ok": False, "error": code}
        if asked["channel"] == CHANNEL.channel_id
        else answer(said(20, "hi"))
    )
    absences = AbsencesDouble(CHANNEL, DIRECT)

    assert await room.look(absences) == ["hi"]
    assert absences.ended == 1


async def test_an_outage_is_waited_for_and_the_same_place_asked_again(
    room: Room,
) -> None:
    answers = iter([web.Response(status=503), answer(said(20, "hi"))])
    room.slack.answers[HISTORY] = lambda _: next(answers)
    absences = AbsencesDouble(DIRECT)

    assert await room.look(absences) == ["hi"]

    assert 30.0 in room.pauses
    assert absences.ended == 1


async def test_while_the_token_is_refused_it_is_left_for_later(room: Room) -> None:
    room.slack.answers[HISTORY] = lambda _: {"ok": False, "error": "token_revoked"}
    absences = AbsencesDouble(CHANNEL, DIRECT)

    assert await room.look(absences) == []

    assert len(room.slack.called(HISTORY)) == 1
    assert absences.ended == 0


async def test_without_an_absence_nothing_is_read(room: Room) -> None:
    absences = AbsencesDouble(CHANNEL)
    absences.absence = None

    await room.look(absences)

    assert room.slack.calls == []


async def test_a_process_without_a_lease_leaves_it_to_another(room: Room) -> None:
    room.is_alive = False
    absences = AbsencesDouble(CHANNEL)

    await room.look(absences)

    assert (room.slack.calls, absences.ended) == ([], 0)


async def test_after_a_week_it_reads_a_day(room: Room) -> None:
    absences = AbsencesDouble(DIRECT)
    absences.absence = Absence(away_from=AWAY_FROM, back_at=AWAY_FROM + 604_800)

    await room.look(absences)

    oldest = float(room.slack.called(HISTORY)[0]["oldest"])
    assert oldest == AWAY_FROM + 604_800 - 86_400
