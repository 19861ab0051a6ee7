"""How the bot learns who it is."""

import pytest
from aiohttp import web

from app.errors import CredentialsRefused, SlackUnavailable
from app.slack.bot import NEEDED_SCOPES, Bot, introduce
from tests.contracts import slack_double
from tests.contracts.slack_double import running_slack

ANSWER = {
    "ok": True,
    "url": "https://home.slack.com/",
    "team": "Home",
    "user": "threadline",
    "team_id": "T0HOME0001",
    "user_id": "U0BOT00001",
    "bot_id": "B0BOT00001",
}


async def test_the_bot_learns_its_workspace_and_what_it_may_not_do() -> None:
    async with running_slack() as (slack, client):
        slack.answers["auth.test"] = lambda _: ANSWER
        introduction = await introduce(client)

    assert introduction.bot == Bot(
        team_id="T0HOME0001",
        team_name="Home",
        user_id="U0BOT00001",
        bot_id="B0BOT00001",
        name="threadline",
    )
    granted = slack_double.SCOPES.split(", ")
    assert introduction.missing_scopes == tuple(
        scope for scope in NEEDED_SCOPES if scope not in granted
    )


async def test_with_every_scope_nothing_is_missing() -> None:
    async with running_slack() as (slack, client):
        slack.answers["auth.test"] = lambda _: web.json_response(
            ANSWER, headers={"x-oauth-scopes": ",".join(NEEDED_SCOPES)}
        )

        assert (await introduce(client)).missing_scopes == ()


async def test_a_slack_that_does_not_tell_its_scopes_is_believed() -> None:
    async with running_slack() as (slack, client):
        slack.answers["auth.test"] = lambda _: web.json_response(ANSWER)

        assert (await introduce(client)).missing_scopes == ()


@pytest.mark.parametrize("code", ["invalid_auth", "token_revoked", "account_inactive"])
async def test_a_refused_token_is_told_in_slacks_word(code: str) -> None:
    async with running_slack() as (slack, client):
        slack.answers["auth.test"] = lambda _: {"ok": False, "error": code}

        with pytest.raises(CredentialsRefused, match=f"^auth.test: {code}$"):
            await introduce(client)


async def test_a_persons_token_is_no_bots() -> None:
    async with running_slack() as (slack, client):
        slack.answers["auth.test"] = lambda _: {**ANSWER, "bot_id": None}

        with pytest.raises(CredentialsRefused, match="not_a_bot_token"):
            await introduce(client)


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=503, text="away"),
        web.Response(status=200, text="<html>", content_type="text/html"),
        web.Response(status=502, text="{", content_type="application/json"),
    ],
    ids=["plain", "a page", "broken"],
)
async def test_whatever_is_not_slack_is_unavailable(answer: web.Response) -> None:
    async with running_slack() as (slack, client):
        slack.answers["auth.test"] = lambda _: answer

        with pytest.raises(SlackUnavailable):
            await introduce(client)


async def test_a_slack_that_is_not_there_is_unavailable() -> None:
    async with running_slack() as (_, client):
        client.base_url = "http://127.0.0.1:9/api/"

        with pytest.raises(SlackUnavailable):
            await introduce(client)
