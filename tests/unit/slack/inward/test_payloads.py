"""Which bodies are Slack's, and what they want."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings, strategies as st

from app.slack.payloads import (
    MAX_DEPTH,
    Kind,
    installed_team,
    is_too_deep,
    kind_of,
    parse_body,
)
from tests.unit.slack.inward.recorded import BOT, all_recorded, recorded

KINDS = {
    "block_actions": Kind.ACTION,
    "block_suggestion": Kind.OPTIONS,
    "event_callback": Kind.EVENT,
    "interactive_message": Kind.ACTION,
    "message_action": Kind.SHORTCUT,
    "shortcut": Kind.SHORTCUT,
    "url_verification": Kind.URL_VERIFICATION,
    "view_closed": Kind.VIEW,
    "view_submission": Kind.VIEW,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["event", "type", "user", "team", "view", "id"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
)


def nested(depth: int) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for _ in range(depth):
        payload = {"a": payload}
    return payload


def test_an_event_is_a_json_object() -> None:
    assert parse_body(b' {"type": "x"}') == {"type": "x"}


def test_a_click_is_a_form_with_a_json_object() -> None:
    body = urlencode({"payload": json.dumps(recorded("block_actions_stop"))})

    assert parse_body(body.encode()) == recorded("block_actions_stop")


def test_a_command_is_a_form_even_when_its_text_speaks_of_a_payload() -> None:
    command = recorded("slash_command")

    assert "payload" in command["text"]
    assert parse_body(urlencode(command).encode()) == command


def test_a_check_of_the_certificate_is_a_form() -> None:
    assert parse_body(b"ssl_check=1&token=x") == {"ssl_check": "1", "token": "x"}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b"{",
        b'{"a": 1',
        b'{"a": NaN',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"a": ' + b"1" * 5000 + b"}",
        b"payload=",
        b"payload=%7B",
        b"payload=[]",
        b"payload=1",
        b"ssl_check=2",
        b"hello=world",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 500 + b"]" * 500 + b"}",
        b"payload=" + b"[" * 100_000,
        b"command=/x&" + b"&".join(b"a%d=1" % n for n in range(1000)),
    ],
)
def test_anything_else_is_no_body_of_slacks(raw: bytes) -> None:
    assert parse_body(raw) is None


def test_objects_may_nest_as_deep_as_slack_nests_them() -> None:
    assert not is_too_deep(nested(MAX_DEPTH - 1))
    assert is_too_deep(nested(MAX_DEPTH))
    assert is_too_deep({"a": [nested(MAX_DEPTH)]})


@pytest.mark.parametrize(("name", "payload"), all_recorded().items())
def test_every_recorded_payload_is_known_for_what_it_is(
    name: str, payload: dict[str, Any]
) -> None:
    special = {"slash_command": Kind.COMMAND, "ssl_check": Kind.SSL_CHECK}

    assert kind_of(payload) is (special.get(name) or KINDS[payload["type"]])


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"type": "event_callback"},
        {"type": "event_callback", "event": None},
        {"type": "event_callback", "event": "x"},
        {"type": "event_callback", "event": []},
        {"type": "event_callback", "event": {}},
        {"type": "event_callback", "event": {"type": 1}},
        {"type": "event_callback", "event": {"type": "message", "user": 1}},
        {"type": "event_callback", "event": {"type": "x"}, "authorizations": [1]},
        {"type": "block_actions"},
        {"type": "block_actions", "actions": []},
        {"type": "block_actions", "actions": [None]},
        {"type": "block_actions", "actions": [{"action_id": 1}]},
        {"type": "shortcut"},
        {"type": "shortcut", "callback_id": ["x"]},
        {"type": "view_submission", "view": {}},
        {"type": "view_submission", "view": "x"},
        {"type": "view_submission", "view": {"callback_id": "x"}},
        {"type": "interactive_message", "callback_id": "x"},
        {"type": "event_callback", "event": {"type": "x"}, "response_urls": None},
        {"type": "event_callback", "event": {"type": "x", "\ud800": 1}},
        {"type": "unheard_of"},
        {"type": ["event_callback"]},
        {"command": 5},
    ],
)
def test_the_rest_is_nonsense(payload: dict[str, Any]) -> None:
    assert kind_of(payload) is None


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=8), JSON, max_size=4))
def test_no_object_at_all_is_too_strange_to_be_judged(payload: dict[str, Any]) -> None:
    assert kind_of(payload) in {None, *Kind}


def test_nesting_without_end_is_nonsense_too() -> None:
    payload: dict[str, Any] = {"type": "event_callback", "event": {"type": "x"}}
    for _ in range(100_000):
        payload = {"event": payload}

    assert kind_of(payload) is None


@pytest.mark.parametrize(
    "name",
    [
        "message_channel_mention",
        "message_external_author",
        "block_actions_stop",
        "view_submission",
        "slash_command",
    ],
)
def test_a_payload_names_the_workspace_that_it_is_meant_for(name: str) -> None:
    assert installed_team(recorded(name)) == BOT.team_id
