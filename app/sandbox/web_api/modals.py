"""views.*: modals and the Home tab."""

import json

from app.sandbox.blocks import faults
from app.sandbox.records import Json
from app.sandbox.refusal import Refused
from app.sandbox.web_api.calls import ApiCall, Method

_VIEW_BYTES = 250_000
_TITLE_LENGTH = 24
_PRIVATE_METADATA_LENGTH = 3000


def _open(call: ApiCall) -> Json:
    view = _view(call, "modal")
    user_id = call.core.views.exchange(call.arguments.needed("trigger_id"))
    return {"view": _known(call, call.core.views.open(view, user_id, _ours(call)))}


def _publish(call: ApiCall) -> Json:
    view = _view(call, "home")
    person = call.person("user_id", "invalid_arguments")
    known = call.arguments.text("hash") or ""
    views = call.core.views
    shown = views.publish(view, person.user_id, known, _ours(call))
    return {"view": _known(call, shown)}


def _update(call: ApiCall) -> Json:
    given = call.arguments
    shown = call.core.views.update(
        _view(call, "modal"),
        view_id=given.text("view_id") or "",
        external_id=given.text("external_id") or "",
        known=given.text("hash") or "",
        identity=_ours(call),
    )
    return {"view": _known(call, shown)}


def _view(call: ApiCall, kind: str) -> Json:
    view = call.arguments.thing("view")
    if len(json.dumps(view)) > _VIEW_BYTES:
        raise Refused("view_too_large")
    found = faults(view.get("blocks"), where="/view/blocks", in_view=True)
    if view.get("type") != kind:
        found.append(f"must be {kind} [json-pointer:/view/type]")
    if kind == "modal":
        match view.get("title"):
            case {"type": "plain_text", "text": str(title)} if (
                0 < len(title) <= _TITLE_LENGTH
            ):
                pass
            case _:
                found.append("must be 1 to 24 characters [json-pointer:/view/title]")
    if len(view.get("private_metadata") or "") > _PRIVATE_METADATA_LENGTH:
        found.append("too long [json-pointer:/view/private_metadata]")
    if found:
        raise Refused("invalid_arguments", found)
    call.core.note_live(call.method, "", view["blocks"])
    return view


def _ours(call: ApiCall) -> Json:
    identity = call.workspace.identity
    return {
        "team_id": identity.team_id,
        "app_id": identity.app_id,
        "bot_id": identity.bot_id,
    }


def _known(call: ApiCall, view: Json) -> Json:
    call.core.feed.publish("view", lambda: {"for": view["user_id"], "view": view})
    return {name: value for name, value in view.items() if name != "user_id"}


METHODS = {
    "views.open": Method(handle=_open),
    "views.publish": Method(handle=_publish),
    "views.update": Method(handle=_update),
}
