"""Modals and Home tabs, and the triggers that open modals."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from app.sandbox.records import Json
from app.sandbox.refusal import Refused

# Slack: a trigger is good for three seconds and for one view.
TRIGGER_LIFE = 3.0


@dataclass(frozen=True, slots=True)
class _Trigger:
    user_id: str
    ends_at: float


class Views:
    """The views in sight; `shown` maps a view's id to the view."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._triggers: dict[str, _Trigger | None] = {}
        self.shown: dict[str, Json] = {}

    def new_trigger(self, user_id: str) -> str:
        """Return a trigger for what a person has just done."""
        trigger_id = f"{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._triggers[trigger_id] = _Trigger(user_id, self._clock() + TRIGGER_LIFE)
        return trigger_id

    def exchange(self, trigger_id: str) -> str:
        """Use a trigger up and return whose it is; raises Refused."""
        if trigger_id not in self._triggers:
            raise Refused("invalid_trigger_id")
        trigger = self._triggers[trigger_id]
        if trigger is None:
            raise Refused("exchanged_trigger_id")
        if self._clock() > trigger.ends_at:
            raise Refused("expired_trigger_id")
        self._triggers[trigger_id] = None
        return trigger.user_id

    def open(self, view: Json, user_id: str, identity: Json) -> Json:
        """Show a new view to a person and return it as Slack does; raises Refused."""
        if view.get("external_id") and self._external(view["external_id"]):
            raise Refused("duplicate_external_id")
        return self._show(f"V{secrets.token_hex(5).upper()}", view, user_id, identity)

    def publish(self, view: Json, user_id: str, known: str, identity: Json) -> Json:
        """Replace a person's Home tab; raises Refused when `known` is out of date."""
        for view_id, shown in self.shown.items():
            if shown["type"] == "home" and shown["user_id"] == user_id:
                _check_hash(shown, known)
                return self._show(view_id, view, user_id, identity)
        return self.open(view, user_id, identity)

    def update(
        self, view: Json, *, view_id: str, external_id: str, known: str, identity: Json
    ) -> Json:
        """Replace a view; raises Refused when it is gone or `known` is out of date."""
        found = self.shown.get(view_id) or self._external(external_id)
        if found is None:
            raise Refused("not_found")
        _check_hash(found, known)
        return self._show(found["id"], view, found["user_id"], identity)

    def home(self, user_id: str) -> Json | None:
        """Return a person's Home tab."""
        for view in self.shown.values():
            if view["type"] == "home" and view["user_id"] == user_id:
                return view
        return None

    def _external(self, external_id: str) -> Json | None:
        for view in self.shown.values():
            if external_id and view.get("external_id") == external_id:
                return view
        return None

    def _show(self, view_id: str, view: Json, user_id: str, identity: Json) -> Json:
        self.shown[view_id] = {
            **view,
            **identity,
            "id": view_id,
            "user_id": user_id,
            "root_view_id": view_id,
            "hash": f"{int(self._clock())}.{secrets.token_hex(4)}",
            "state": {"values": {}},
        }
        return self.shown[view_id]


def _check_hash(view: Json, known: str) -> None:
    if known and known != view["hash"]:
        raise Refused("hash_conflict")
