"""What Slack would never send, and what it sends that nobody has a use for."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import aiohttp

from app import telemetry
from tests.scenarios import database
from tests.scenarios.conftest import Setting
from tests.scenarios.world import World, in_every_setting, over_http_alone

HELLO = "@threadline say exactly: hello"
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request to the address of events; signed with `secret` at `timestamp`."""

    body: bytes
    secret: str
    timestamp: str = ""

    @property
    def headers(self) -> dict[str, str]:
        at = self.timestamp or str(int(time.time()))
        basis = b"v0:" + at.encode() + b":" + self.body
        digest = hmac.new(self.secret.encode(), basis, hashlib.sha256).hexdigest()
        return {
            "X-Slack-Request-Timestamp": at,
            "X-Slack-Signature": f"v0={digest}",
        }


async def posted(world: World, body: bytes, headers: dict[str, str]) -> int:
    """Post to the address of events as anybody could; return the status."""
    address = f"{world.running.address}/slack/events"
    async with (
        aiohttp.ClientSession() as session,
        session.post(address, data=BytesIO(body), headers=headers) as answer,
    ):
        return answer.status


def mention(world: World) -> dict[str, Any]:
    """An event that would be answered, if it were Slack's."""
    event = {
        "type": "app_mention",
        "user": world.sandbox.people["ana"].user_id,
        "text": f"<@{world.sandbox.bot_user_id}> say exactly: forged",
        "ts": "1800000000.000100",
        "event_ts": "1800000000.000100",
        "channel": world.sandbox.channel_id("#general"),
        "team": world.sandbox.team_id,
    }
    return enveloped(world, event)


def enveloped(world: World, event: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "event_callback",
        "team_id": world.sandbox.team_id,
        "api_app_id": "A0SANDBOX1",
        "event_id": "Ev0FORGED",
        "event": event,
    }


@over_http_alone
async def test_what_slack_did_not_sign_is_refused_and_leaves_nothing(
    world: World, setting: Setting
) -> None:
    body = json.dumps(mention(world)).encode()
    secret = world.sandbox.signing_secret
    now = int(time.time())
    right = Request(body=body, secret=secret).headers
    requests = {
        "unsigned": {},
        "no timestamp": {"X-Slack-Signature": right["X-Slack-Signature"]},
        "another secret": Request(body=body, secret="not the secret").headers,
        "another body": Request(body=body + b" ", secret=secret).headers,
        "no signature at all": right | {"X-Slack-Signature": "v0=é"},
        "stale": Request(body=body, secret=secret, timestamp=str(now - 301)).headers,
        "from the future": Request(
            body=body, secret=secret, timestamp=str(now + 302)
        ).headers,
        "a timestamp in words": Request(
            body=body, secret=secret, timestamp="now"
        ).headers,
        "a timestamp with a sign": Request(
            body=body, secret=secret, timestamp=f"+{now}"
        ).headers,
    }
    answers = {
        name: await posted(world, body, headers) for name, headers in requests.items()
    }

    assert answers == dict.fromkeys(requests, 401)
    assert await database.is_empty(setting.database_url)


@over_http_alone
async def test_what_has_none_of_slacks_forms_is_refused_and_leaves_nothing(
    world: World, setting: Setting
) -> None:
    bodies = {
        "nothing": b"",
        "no JSON": b"{nonsense",
        "a list": b"[1, 2]",
        "a number": b"7",
        "not UTF-8": b"{\xff}",
        "a form of other fields": b"a=1&b=2",
        "a payload that is no object": urlencode({"payload": "[]"}).encode(),
        "too deep": b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    }
    secret = world.sandbox.signing_secret
    answers = {
        name: await posted(world, body, Request(body=body, secret=secret).headers)
        for name, body in bodies.items()
    }

    assert answers == dict.fromkeys(bodies, 400)
    assert await database.is_empty(setting.database_url)


@over_http_alone
async def test_a_body_that_is_too_large_is_refused_and_leaves_nothing(
    world: World, setting: Setting
) -> None:
    large = mention(world) | {"padding": "x" * MEBIBYTE}
    body = json.dumps(large).encode()
    headers = Request(body=body, secret=world.sandbox.signing_secret).headers

    assert await posted(world, body, headers) == 413
    assert await database.is_empty(setting.database_url)


@over_http_alone
async def test_after_all_that_messages_are_answered(world: World) -> None:
    body = json.dumps(mention(world)).encode()
    await posted(world, body, {})
    root = await world.ask(HELLO)

    assert await world.answered(root) == "hello"
    assert len(world.sandbox.model.requests) == 1


@in_every_setting
async def test_what_is_signed_and_of_no_use_is_acknowledged_and_counted(
    world: World, setting: Setting
) -> None:
    who = {"id": world.sandbox.people["ana"].user_id, "team_id": world.sandbox.team_id}
    common = {"team": {"id": world.sandbox.team_id}, "user": who, "token": "t"}
    unknown: dict[str, tuple[str, dict[str, Any]]] = {
        "slack.event.unknown": (
            "events_api",
            enveloped(world, {"type": "galaxy_formed", "event_ts": "1.000001"}),
        ),
        "slack.action.unknown": (
            "interactive",
            common
            | {
                "type": "block_actions",
                "actions": [{"action_id": "who_knows", "type": "button"}],
            },
        ),
        "slack.shortcut.unknown": (
            "interactive",
            common | {"type": "message_action", "callback_id": "who_knows"},
        ),
        "slack.view_submission.unknown": (
            "interactive",
            common
            | {
                "type": "view_submission",
                "view": {"type": "modal", "callback_id": "who_knows"},
            },
        ),
        "slack.command.unknown": (
            "slash_commands",
            {
                "command": "/who-knows",
                "text": "",
                "team_id": world.sandbox.team_id,
                "user_id": who["id"],
                "channel_id": world.sandbox.channel_id("#general"),
            },
        ),
        "slack.nonsense": (
            "events_api",
            {"type": "event_callback", "event": {"type": []}},
        ),
    }
    before = dict(telemetry.counters)
    answers = {
        name: (await world.sandbox.send_payload(*sent)).status
        for name, sent in unknown.items()
    }

    assert answers == dict.fromkeys(unknown, 200)
    assert {
        name: telemetry.counters[name] - before.get(name, 0) for name in unknown
    } == dict.fromkeys(unknown, 1)
    assert await database.is_empty(setting.database_url)


async def test_events_of_no_use_that_people_cause_are_acknowledged(
    world: World, setting: Setting
) -> None:
    root = await world.remark("lunch?")
    await world.sandbox.react("ben", "#general", root, "eyes")
    await world.sandbox.open_home("ana")
    await world.sandbox.invite_bot("ana", "#random")
    assert await world.sandbox.command("ana", "#general", "/threadline", "hi") == 200
    await world.until(
        lambda: (
            {"reaction_added", "app_home_opened", "member_joined_channel"}
            <= {each.name for each in world.sandbox.deliveries() if each.status == 200}
        )
    )

    assert await database.is_empty(setting.database_url)


async def test_a_message_of_forty_thousand_characters_is_answered(
    world: World,
) -> None:
    root = await world.ask("@threadline who am I? " + "lorem ipsum " * 3_331)

    assert await world.answered(root) == "You are Ana."
    assert len(world.heard[0]) > 39_000


async def test_a_message_with_only_a_file_is_answered(world: World) -> None:
    root = await world.sandbox.say("ana", "dm:ana", "", files=["plan.txt"])

    assert await world.answered(root, "dm:ana")
    assert world.heard == ["Ana: \n[file: plan.txt]"]


async def test_odd_signs_in_a_message_do_no_harm(world: World) -> None:
    root = await world.ask("@threadline who am I? \u202egnihtemos \u200b `<@U0` \ufffe")

    assert await world.answered(root) == "You are Ana."
