"""Payloads in the shapes that Slack documents, and whom they speak of."""

import json
from pathlib import Path
from typing import Any

from app.slack.bot import Bot

FOLDER = Path(__file__).parents[3] / "recordings" / "slack"

BOT = Bot(
    team_id="T0HOME0001",
    team_name="Home",
    user_id="U0BOT00001",
    bot_id="B0BOT00001",
    name="threadline",
    app_id="A0APP00001",
)
ANA = "U0ANA00001"
BEN = "U0BEN00001"
CHANNEL = "C0GENERAL1"
ROOT_TS = "1800000000.000100"


def recorded(name: str) -> dict[str, Any]:
    """Return a fresh copy of one recorded payload."""
    payload = json.loads((FOLDER / f"{name}.json").read_text())
    assert isinstance(payload, dict)
    return payload


def all_recorded() -> dict[str, dict[str, Any]]:
    """Return every recorded payload by its name."""
    return {path.stem: recorded(path.stem) for path in sorted(FOLDER.glob("*.json"))}


def event(name: str, **changes: object) -> dict[str, Any]:
    """Return a recorded event payload with fields of its event changed.

    A field changed to `...` is left out.
    """
    payload = recorded(name)
    payload["event"] = {
        key: value
        for key, value in {**payload["event"], **changes}.items()
        if value is not ...
    }
    return payload
