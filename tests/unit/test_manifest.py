"""The manifest against what the program listens to and needs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.slack.bot import NEEDED_SCOPES
from app.slack.http import PATH
from app.slack.listeners import catch_all, lifecycle, messages, sessions

MANIFEST = Path(__file__).parents[2] / "manifest.yml"

# Which scope lets Slack send an event, or a call be made.
SCOPES_OF_EVENTS = {
    "agent_session_stopped": "assistant:write",
    "app_mention": "app_mentions:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "reaction_added": "reactions:read",
    "reaction_removed": "reactions:read",
}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    loaded = yaml.safe_load(MANIFEST.read_text())
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def events(manifest: dict[str, Any]) -> list[str]:
    found = manifest["settings"]["event_subscriptions"]["bot_events"]
    assert isinstance(found, list)
    return found


def test_every_event_that_is_listened_to_is_subscribed_and_no_other(
    events: list[str],
) -> None:
    listened = {
        *messages.EVENTS,
        sessions.EVENT,
        *lifecycle.EVENTS,
        *catch_all.COUNTED_EVENTS,
    }

    assert {event.split(".")[0] for event in events} == listened


def test_messages_arrive_from_every_kind_of_place(events: list[str]) -> None:
    assert {event for event in events if event.startswith("message")} == {
        "message.channels",
        "message.groups",
        "message.im",
        "message.mpim",
    }


def test_the_scopes_are_those_that_are_checked_at_the_start(
    manifest: dict[str, Any],
) -> None:
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == NEEDED_SCOPES


@pytest.mark.parametrize(("event", "scope"), SCOPES_OF_EVENTS.items())
def test_a_subscribed_event_has_its_scope(
    event: str, scope: str, events: list[str], manifest: dict[str, Any]
) -> None:
    assert event in events
    assert scope in manifest["oauth_config"]["scopes"]["bot"]


def test_every_scope_has_its_reason_beside_it() -> None:
    lines = MANIFEST.read_text().splitlines()
    scopes = [line for line in lines if line.strip(" -").split(" ")[0] in NEEDED_SCOPES]

    assert len(scopes) == len(NEEDED_SCOPES)
    assert all("  # " in line for line in scopes)


def test_it_is_an_agent_that_people_can_write_to(manifest: dict[str, Any]) -> None:
    features = manifest["features"]

    assert "assistant_view" not in features
    assert features["app_home"]["messages_tab_enabled"]
    assert not features["app_home"]["messages_tab_read_only_enabled"]
    assert features["agent_view"]["agent_description"]


def test_it_works_without_a_public_address(manifest: dict[str, Any]) -> None:
    settings = manifest["settings"]

    assert settings["socket_mode_enabled"]
    assert settings["interactivity"]["is_enabled"]
    assert "request_url" not in settings["event_subscriptions"]
    assert f"https://HOST{PATH}" in MANIFEST.read_text()


def test_it_keeps_the_limits_of_slack(
    manifest: dict[str, Any], events: list[str]
) -> None:
    display = manifest["display_information"]
    agent = manifest["features"]["agent_view"]

    assert len(display["name"]) <= 35
    assert len(display["description"]) <= 140
    assert len(manifest["features"]["bot_user"]["display_name"]) <= 80
    assert len(agent["agent_description"]) <= 300
    assert len(agent["suggested_prompts"]) <= 4
    assert len(events) <= 100
