"""The shapes that Slack sends; whatever has another shape is nonsense.

Bolt reads many fields of a payload without looking at their types, so a signed
payload with a wrong type anywhere in its reach would be answered with an error, and
sent again. Here each field that Bolt reads has its type.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

import msgspec

MAX_DEPTH = 100
_MAX_FIELDS = 100

Payload = Mapping[str, Any]


class Kind(StrEnum):
    """What a payload is, as far as its shape tells."""

    EVENT = "event"
    ACTION = "action"
    COMMAND = "command"
    SHORTCUT = "shortcut"
    VIEW = "view"
    OPTIONS = "options"
    URL_VERIFICATION = "url_verification"
    SSL_CHECK = "ssl_check"


_BY_CALLBACK = {
    "dialog_cancellation": Kind.ACTION,
    "dialog_submission": Kind.ACTION,
    "dialog_suggestion": Kind.OPTIONS,
    "message_action": Kind.SHORTCUT,
    "shortcut": Kind.SHORTCUT,
}


class _Identified(msgspec.Struct):
    id: str | None = None


class _Action(msgspec.Struct):
    action_id: str | None = None


class _View(msgspec.Struct):
    callback_id: str | None = None
    type: str | None = None
    team_id: str | None = None
    app_installed_team_id: str | None = None


class _ResponseUrl(msgspec.Struct):
    response_url: str | None = None


class _Node(msgspec.Struct):
    """Any object that Bolt looks for people and places in; they nest."""

    type: str | None = None
    user: str | _Identified | None = None
    user_id: str | None = None
    user_team: str | None = None
    team: str | _Identified | None = None
    team_id: str | None = None
    enterprise: str | _Identified | None = None
    enterprise_id: str | None = None
    channel: str | _Identified | None = None
    channel_id: str | None = None
    thread_ts: str | None = None
    authorizations: list["_Node"] | None = None
    event: "_Node | None" = None
    message: "_Node | None" = None
    previous_message: "_Node | None" = None
    item: "_Node | None" = None
    assistant_thread: "_Node | None" = None
    function_data: dict[str, Any] | None = None
    view: _View | None = None
    actions: list[_Action] | None = None
    action_id: str | None = None
    callback_id: str | None = None
    command: str | None = None
    response_url: str | None = None
    response_urls: list[_ResponseUrl] = msgspec.field(default_factory=list)
    ssl_check: str | None = None


def parse_body(raw: bytes) -> dict[str, Any] | None:
    """Return the payload of a request, None when it is not one of Slack's forms.

    Those are a JSON object, a form with `payload=` a JSON object, the fields of a
    slash command, and `ssl_check`.
    """
    try:
        body = raw.decode()
        if body.lstrip().startswith("{"):
            return _json_object(body)
        fields = dict(
            parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        )
    except ValueError:
        return None
    if "payload" in fields:
        return _json_object(fields["payload"])
    known = "command" in fields or fields.get("ssl_check") == "1"
    return dict(fields) if known else None


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and not is_too_deep(value) else None


def is_too_deep(value: object) -> bool:
    """Whether objects and lists nest deeper than anything that Slack sends."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    nested = (dict, list)
    match value:
        case dict():
            return [child for child in value.values() if isinstance(child, nested)]
        case list():
            return [child for child in value if isinstance(child, nested)]
        case _:
            return []


def kind_of(payload: Payload) -> Kind | None:  # noqa: C901, PLR0911 - a flat match
    """Return what Slack wants, None for nonsense."""
    try:
        body = msgspec.convert(payload, _Node)
    except (msgspec.ValidationError, UnicodeEncodeError, RecursionError):
        return None
    match body:
        case _Node(type="event_callback", event=_Node(type=str())):
            return Kind.EVENT
        case _Node(type="block_actions", actions=[_Action(action_id=str()), *_]):
            return Kind.ACTION
        case _Node(type="interactive_message", callback_id=str(), actions=[_, *_]):
            return Kind.ACTION
        case _Node(type="block_suggestion", action_id=str()):
            return Kind.OPTIONS
        case _Node(
            type="view_submission" | "view_closed",
            view=_View(callback_id=str(), type="modal" | "home"),
        ):
            return Kind.VIEW
        case _Node(type=str() as type_, callback_id=str()) if type_ in _BY_CALLBACK:
            return _BY_CALLBACK[type_]
        case _Node(type="url_verification"):
            return Kind.URL_VERIFICATION
        case _Node(type=None, command=str()):
            return Kind.COMMAND
        case _Node(type=None, ssl_check="1"):
            return Kind.SSL_CHECK
        case _:
            return None


def installed_team(payload: Payload) -> str | None:
    """Return the workspace that a payload is meant for.

    Slack Connect: an event's own `team_id` may be the other organisation's; the first
    authorization names the workspace where the app is installed.
    """
    authorizations = payload.get("authorizations")
    if isinstance(authorizations, list) and authorizations:
        team_id = text_at(authorizations[0], "team_id")
        return team_id or text_at(payload, "team_id")
    return (
        text_at(payload, "view", "app_installed_team_id")
        or text_at(payload, "team", "id")
        or text_at(payload, "team_id")
        or text_at(payload, "user", "team_id")
    )


def text_at(payload: object, *path: str) -> str | None:
    """Return the text at `path`, None where there is none or something else."""
    value = payload
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


def object_at(payload: object, *path: str) -> Payload:
    """Return the object at `path`, an empty one where there is none."""
    value = payload
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def objects_at(payload: object, key: str) -> list[Payload]:
    """Return the objects in the list at `key`; anything else in it is left out."""
    value = payload.get(key) if isinstance(payload, Mapping) else None
    found = value if isinstance(value, list) else []
    return [each for each in found if isinstance(each, Mapping)]
