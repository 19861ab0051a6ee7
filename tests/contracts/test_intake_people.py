"""Who people are, asked of Slack over a real socket."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from aiohttp import web

from app.slack.people import MAX_PEOPLE, People
from tests.contracts.slack_double import SlackDouble, running_slack
from tests.unit.slack.inward.recorded import ANA, BEN, BOT

TEAM = BOT.team_id


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Known:
    slack: SlackDouble
    people: People
    clock: Clock


def somebody(arguments: dict[str, str]) -> dict[str, object]:
    user_id = arguments["user"]
    profile = {"display_name": f"name of {user_id}"}
    return {"ok": True, "user": {"id": user_id, "team_id": TEAM, "profile": profile}}


@pytest.fixture
async def known() -> AsyncGenerator[Known]:
    async with running_slack() as (slack, client):
        slack.answers["users.info"] = somebody
        clock = Clock()
        people = People(client, now=clock)
        yield Known(slack, people, clock)
        await people.close()


async def test_somebody_is_asked_for_once(known: Known) -> None:
    first = await known.people.resolve(TEAM, ANA)
    second = await known.people.resolve(TEAM, ANA)

    assert first == second
    assert first.name == f"name of {ANA}"
    assert len(known.slack.called("users.info")) == 1


async def test_those_who_ask_at_the_same_time_share_one_call(known: Known) -> None:
    people = await asyncio.gather(
        *(known.people.resolve(TEAM, ANA) for _ in range(100))
    )

    assert len(set(people)) == 1
    assert len(known.slack.called("users.info")) == 1


async def test_one_who_stops_waiting_does_not_take_the_answer_from_the_others(
    known: Known,
) -> None:
    impatient = asyncio.create_task(known.people.resolve(TEAM, ANA))
    patient = asyncio.create_task(known.people.resolve(TEAM, ANA))
    await asyncio.wait({impatient}, timeout=0)
    impatient.cancel()

    assert (await patient).name == f"name of {ANA}"


async def test_nobody_is_known_before_they_were_asked_for(known: Known) -> None:
    assert known.people.cached(TEAM, ANA) is None
    person = await known.people.resolve(TEAM, ANA)

    assert known.people.cached(TEAM, ANA) == person
    assert known.people.cached("T0AWAY0001", ANA) is None


async def test_what_is_known_grows_old_after_ten_minutes(known: Known) -> None:
    await known.people.resolve(TEAM, ANA)
    known.clock.now += 601

    assert known.people.cached(TEAM, ANA) is None
    await known.people.resolve(TEAM, ANA)
    assert len(known.slack.called("users.info")) == 2


@pytest.mark.parametrize(
    "failure",
    [
        {"ok": False, "error": "missing_scope"},
        {"ok": False, "error": "internal_error"},
        {"ok": True},
        {"ok": True, "user": "x"},
    ],
)
async def test_somebody_whom_slack_does_not_tell_is_called_by_the_id(
    failure: dict[str, object], known: Known
) -> None:
    known.slack.answers["users.info"] = lambda _: failure

    assert (await known.people.resolve(TEAM, ANA)).name == ANA


async def test_a_failure_is_neither_taken_for_knowledge_nor_kept_for_long(
    known: Known,
) -> None:
    known.slack.answers["users.info"] = lambda _: web.Response(status=502, text="x")
    await known.people.resolve(TEAM, ANA)
    await known.people.resolve(TEAM, ANA)
    known.slack.answers["users.info"] = somebody

    assert known.people.cached(TEAM, ANA) is None
    assert len(known.slack.called("users.info")) == 1
    known.clock.now += 31
    assert (await known.people.resolve(TEAM, ANA)).name == f"name of {ANA}"


@pytest.mark.parametrize("body", [b'"x"', b"\xff\xfe", b"[]", b"null"])
async def test_an_answer_that_is_no_object_tells_nothing(
    body: bytes, known: Known
) -> None:
    known.slack.answers["users.info"] = lambda _: web.Response(
        body=body, content_type="application/json"
    )

    assert (await known.people.resolve(TEAM, ANA)).name == ANA


async def test_somebody_unknown_to_our_workspace_is_a_stranger(known: Known) -> None:
    known.slack.answers["users.info"] = lambda _: {
        "ok": False,
        "error": "user_not_found",
    }

    assert (await known.people.resolve(TEAM, "U0CARLA001")).is_stranger
    assert known.people.cached(TEAM, "U0CARLA001") is not None


async def test_nothing_is_asked_while_slack_wants_a_pause(known: Known) -> None:
    known.slack.answers["users.info"] = lambda _: web.json_response(
        {"ok": False, "error": "ratelimited"},
        status=429,
        headers={"Retry-After": "20"},
    )
    await known.people.resolve(TEAM, ANA)
    known.slack.answers["users.info"] = somebody

    assert (await known.people.resolve(TEAM, BEN)).name == BEN
    assert len(known.slack.called("users.info")) == 1
    known.clock.now += 21
    assert (await known.people.resolve(TEAM, BEN)).name == f"name of {BEN}"


async def test_a_program_without_a_user_is_known_without_asking(known: Known) -> None:
    person = await known.people.resolve(TEAM, "B0HOOK0001")

    assert person.is_bot
    assert known.slack.calls == []


async def test_no_more_than_five_thousand_people_are_kept(known: Known) -> None:
    for number in range(MAX_PEOPLE + 1):
        await known.people.resolve(TEAM, f"B{number}")

    assert known.people.cached(TEAM, "B0") is None
    assert known.people.cached(TEAM, "B1") is not None
